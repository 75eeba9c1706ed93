"""The weekly report of recipient lists: it begins on its day or by hand, and tells each instance's owner once."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import Everything, now

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def runs(everything: Everything) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = everything.api.get("/dags/list_hygiene/dagRuns")["dag_runs"]
    return found


def test_it_never_began_by_itself_and_ends_well_by_hand(everything: Everything) -> None:
    before = now() - timedelta(hours=2)
    known = [datetime.fromisoformat(run["run_after"]) for run in runs(everything)]
    assert [due for due in known if due < before] == [], "a Sunday before the installation is nobody's"
    run = everything.run("list_hygiene")
    assert run["state"] == "success", everything.tasks("list_hygiene", run["dag_run_id"])
