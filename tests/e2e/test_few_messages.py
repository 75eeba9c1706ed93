"""Who changes nothing hears nothing: an untouched stack is silent."""

import pytest

from tests.e2e.conftest import Everything

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

EVERY_QUARTER_OF_AN_HOUR = ("accounting_ingest", "mta_health", "brake_watch")


def test_an_untouched_stack_sends_nothing(everything: Everything) -> None:
    for dag in EVERY_QUARTER_OF_AN_HOUR:
        run = everything.run(dag)
        assert run["state"] == "success", everything.tasks(dag, run["dag_run_id"])
    assert everything.lab.get("/telegram/messages") == []
