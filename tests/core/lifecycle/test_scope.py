"""Whom the form of the emergency stop means."""

from ipaddress import ip_address

import pytest

from email_engine.errors import InputError
from email_engine.fleet.model import Mode
from email_engine.lifecycle.scope import Scope, choose, read_scope
from tests.core.pmta.records import record

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
        pytest.param("tenant", "borealis", "observe", id="a tenant that only observes"),
    ],
)
def test_a_form_that_means_nothing_says_what_there_is(scope: str, name: str | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        choose(FLEET, Scope(scope), name)


@pytest.mark.parametrize(
    ("scope", "name", "told"),
    [
        ("ip", None, "param name: empty; expected an IP of the fleet such as 198.51.100.1. Next: fill in its address"),
        ("ip", "  ", "param name: empty; expected an IP of the fleet such as 198.51.100.1. Next: "),
        ("stream", "", "param name: empty; expected a stream as tenant/stream such as aurora/newsletter. Next: "),
        ("tenant", None, "param name: empty; expected a tenant such as aurora. Next: fill in its name"),
        ("tenant", "aurroa", "param name: 'aurroa'; expected a tenant: aurora (did you mean that?). Next: "),
        ("stream", "newsletter", "expected a stream as tenant/stream: aurora/newsletter or borealis/newsletter"),
        ("stream", "aurora/newsleter", "expected a stream as tenant/stream: aurora/newsletter"),
        ("ip", "198.51.100.11", "expected an IP of the fleet: 198.51.100.1"),
        ("ip", "None", "param name: 'None'; expected an IP of the fleet: one of 198.51.100.1, 198.51.100.2"),
        ("tenant", "x" * 1_048_576, f"param name: '{'x' * 80}'... (1,048,576 characters); expected a tenant: one of aurora"),
        ("tenant", "a\nb\x1b[2J", "param name: 'a\\\\nb\\\\x1b[2J'; expected"),
    ],
)  # fmt: skip
def test_the_form_says_what_to_fill_in(scope: str, name: str | None, told: str) -> None:
    with pytest.raises(InputError) as caught:
        choose(FLEET, Scope(scope), name)
    assert told.replace("\\\\", "\\") in str(caught.value)
    assert len(str(caught.value)) < 400


def test_an_empty_fleet_says_so() -> None:
    with pytest.raises(InputError, match="the fleet has no IP yet"):
        choose((), Scope.IP, None)


def test_an_address_may_be_spelled_in_another_way() -> None:
    six = record(7, address=ip_address("2001:db8::7"))
    assert choose((six,), Scope.IP, "2001:DB8:0:0::7") == (six,)


@pytest.mark.parametrize("given", [None, "", "ips", "x" * 5000, ["ip"], {"a": 1}])
def test_a_scope_that_is_none_says_which_there_are(given: object) -> None:
    with pytest.raises(InputError, match="one of ip, stream, tenant, all") as caught:
        read_scope(given)
    assert len(str(caught.value)) < 300
