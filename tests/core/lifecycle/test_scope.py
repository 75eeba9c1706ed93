"""Whom the form of the emergency stop means."""

import pytest

from email_engine.errors import InputError
from email_engine.fleet.model import Mode
from email_engine.lifecycle.scope import Scope, choose
from tests.core.mta.records import record

FLEET = (
    record(1),
    record(2),
    record(3, stream="offers"),
    record(1, tenant="borealis", mode=Mode.OBSERVE),
)


@pytest.mark.parametrize(
    ("scope", "name", "vmtas"),
    [
        pytest.param("ip", "198.51.100.2", ["aurora-2"], id="one address"),
        pytest.param("stream", "aurora/newsletter", ["aurora-1", "aurora-2"], id="a stream"),
        pytest.param(
            "tenant", " Aurora ", ["aurora-1", "aurora-2", "aurora-3"], id="a tenant, as people type"
        ),
        pytest.param("all", None, ["aurora-1", "aurora-2", "aurora-3"], id="all leaves observers out"),
    ],
)
def test_the_form_means(scope: str, name: str | None, vmtas: list[str]) -> None:
    assert [r.vmta for r in choose(FLEET, Scope(scope), name)] == vmtas


@pytest.mark.parametrize(
    ("scope", "name", "told"),
    [
        pytest.param("ip", "198.51.100.9", "198.51.100.1", id="an address that nobody has"),
        pytest.param("stream", "newsletter", "aurora/newsletter", id="a stream without its tenant"),
        pytest.param("tenant", None, "aurora, borealis", id="no name"),
        pytest.param("tenant", "borealis", "observe", id="a tenant that only observes"),
    ],
)
def test_a_form_that_means_nothing_says_what_there_is(scope: str, name: str | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        choose(FLEET, Scope(scope), name)
