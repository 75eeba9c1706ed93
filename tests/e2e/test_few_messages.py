"""Who changes nothing hears nothing: an untouched stack is silent."""

import pytest

from tests.e2e.conftest import Everything

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

OFTEN = (
    "accounting_ingest",
    "mta_health",
    "brake_watch",
    "mailwizz_health",
    "suppression_sync",
    "mailwizz_opens",
)


def test_an_untouched_stack_sends_nothing(everything: Everything) -> None:
    for dag in OFTEN:
        run = everything.run(dag)
        assert run["state"] == "success", everything.tasks(dag, run["dag_run_id"])
    texts = [str(message["text"]) for message in everything.lab.get("/telegram/messages")]
    # the hourly deployment is the first of this stack, if its minute comes by, and says so
    assert [text for text in texts if any(f"/dags/{dag}/" in text for dag in OFTEN)] == []
