"""Runs of the future in a real Airflow: its own triggerer moves them, its own DAG processor plans anew, people hear of it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text

from email_engine.store.telling import incidents
from stack import databases, up
from tests.e2e.conftest import Everything

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
MONTH = timedelta(days=30)
WATCH = "brake_watch"


def wait_for(what: Callable[[], bool], seconds: float, said: str) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, said
        time.sleep(1)


def last_state(everything: Everything, run_id: str) -> str:
    return str(everything.api.get(f"/dags/{WATCH}/dagRuns/{run_id}")["state"])


def scheduled_since(everything: Everything, since: datetime) -> bool:
    runs = everything.api.get(f"/dags/{WATCH}/dagRuns", order_by="-id", limit=10)["dag_runs"]
    return any(
        run["run_type"] == "scheduled" and run["logical_date"] and datetime.fromisoformat(run["queued_at"]) > since
        for run in runs
    )  # fmt: skip


def test_schedules_go_on_after_a_clock_was_a_month_ahead(everything: Everything) -> None:
    """The newest run of the watch becomes one of next month that waits: nothing of it could start before."""
    wait_for(lambda: scheduled_since(everything, datetime.min.replace(tzinfo=UTC)), 200, "it never ran")
    secrets, cluster = everything.settings.secrets(), up.cluster_of(everything.settings)
    airflow = create_engine(databases.database_url(cluster, "airflow", secrets["airflow_db"]))
    ahead = """
        UPDATE dag_run SET logical_date = logical_date + :by, run_after = run_after + :by, queued_at = queued_at + :by,
               state = 'queued', start_date = NULL
        WHERE id = (SELECT max(id) FROM dag_run WHERE dag_id = :dag AND run_type = 'scheduled' AND logical_date IS NOT NULL)
        RETURNING run_id"""
    with airflow.begin() as conn:
        early: str = conn.execute(text(ahead), {"by": MONTH, "dag": WATCH}).scalar_one()
        conn.execute(
            text("UPDATE dag SET next_dagrun_create_after = now() + :by, last_parsed_time = now() + :by WHERE dag_id = :dag"),
            {"by": MONTH, "dag": WATCH},
        )  # fmt: skip
    airflow.dispose()
    began = datetime.now(UTC)

    wait_for(lambda: last_state(everything, early) == "success", 150, "the waiting run did not go on")
    wait_for(lambda: scheduled_since(everything, began), 200, "no new run was scheduled")

    wait_for(lambda: _told(everything) > 0, 200, "people heard nothing of it")
    assert _told(everything) == 1
    wait_for(lambda: not _standing(everything), 300, "the incident stays open although all is in order again")


def _told(everything: Everything) -> int:
    found = [str(message["text"]) for message in everything.lab.get("/telegram/messages")]
    return sum("Runs lay in the future: a clock was ahead" in message for message in found)


def _standing(everything: Everything) -> bool:
    with everything.store.session(tenant="*") as conn:
        return any(one.cause == "clock" for one in incidents.standing(conn))
