"""`SyncFleet`: the fleet file into a real database, from an Airflow task."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from sqlalchemy import func, select

from email_engine.errors import Unreachable
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.stops import brakes
from email_engine_airflow.operators.fleet import SyncFleet
from tests.airflow_connections import engine_connection

EXAMPLE = (Path(__file__).resolve().parents[2] / "include/config/fleet.yaml").read_text()
NAMES = {
    "tenants": ["aurora", "borealis"],
    "hosts": ["mta-1", "mta-2"],
    "mailwizz": ["mw-aurora", "mw-borealis"],
}


@pytest.fixture(autouse=True)
def _connection(engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(EXAMPLE)
    monkeypatch.setenv("EMAIL_ENGINE_FLEET", str(path))
    return path


def sync(*, dry_run: bool = False) -> dict[str, Any]:
    run = SimpleNamespace(
        dag_id="pmta_config_deploy",
        run_id="manual__1",
        run_after=datetime(2026, 11, 1, tzinfo=UTC),
        logical_date=None,
    )
    return SyncFleet(task_id="fleet").execute({"dag_run": run, "params": {"dry_run": dry_run}})


def ips(store: Store) -> int:
    with store.session(tenant="*") as conn:
        return int(conn.execute(select(func.count()).select_from(s.ips).where(~s.ips.c.removed)).scalar_one())


@pytest.mark.usefixtures("file")
def test_it_applies_the_file_and_names_what_to_map_over(store: Store) -> None:
    assert sync() == NAMES | {"changed": True}
    assert sync() == NAMES | {"changed": False}
    assert ips(store) == 100
    with store.session(tenant="*") as conn:
        assert versions.current(conn) == 1
        rows = conn.execute(select(s.fleet_versions.c.dag_id, s.fleet_versions.c.reason)).all()
    assert [tuple(r) for r in rows] == [("pmta_config_deploy", "fleet file: 108 create")]


def test_a_dry_run_writes_nothing_and_names_what_the_database_has(store: Store, file: Path) -> None:
    assert sync(dry_run=True) == {"tenants": [], "hosts": [], "mailwizz": [], "changed": False}
    assert ips(store) == 0
    sync()
    file.write_text(EXAMPLE.replace("count: 50", "count: 49", 1).replace("48-50", "48-49", 1))
    assert sync(dry_run=True) == NAMES | {"changed": False}
    assert ips(store) == 100


def test_a_broken_file_fails_with_every_mistake_and_the_next_run_heals(store: Store, file: Path) -> None:
    file.write_text(
        EXAMPLE.replace("mode: act", "mode: fast").replace("schedule: six_week", "schedule: never")
    )
    with pytest.raises(AirflowFailException, match=r"fleet\.yaml has 4 mistakes"):
        sync()
    assert ips(store) == 0
    file.write_text(EXAMPLE)
    assert sync()["changed"]


def test_a_missing_file_is_named(file: Path) -> None:
    file.unlink()
    with pytest.raises(AirflowFailException, match=r"fleet\.yaml: No such file or directory"):
        sync()


def test_a_plan_that_removes_too_much_is_refused_and_changes_nothing(store: Store, file: Path) -> None:
    sync()
    file.write_text(
        EXAMPLE.replace("count: 50", "count: 20").replace(
            "{ active: 1-40, warming: 41-47, standby: 48-50 }", "{}"
        )
    )
    for dry_run, ends in ((True, AirflowSkipException), (False, AirflowFailException)):
        with pytest.raises(ends, match="60 of 100 IPs would be removed; expected at most 30"):
            sync(dry_run=dry_run)
    assert ips(store) == 100


def test_a_sending_ip_that_leaves_the_file_is_braked_with_the_change(store: Store, file: Path) -> None:
    sync()
    states = "{ active: 1-40, warming: 41-47, standby: 48-50 }"
    assert states in EXAMPLE
    fewer = EXAMPLE.replace("count: 50", "count: 46").replace(states, "{ active: 1-40, warming: 41-46 }")
    file.write_text(fewer)
    sync(dry_run=True)
    with store.session(tenant="*") as conn:
        assert brakes.engaged(conn) == ()
    assert sync()["changed"]
    with store.session(tenant="*") as conn:
        standing = brakes.engaged(conn)
    assert {(b.vmta, b.mta_host, b.removed, b.reason) for b in standing} == {
        ("aurora-47", "mta-2", True, "it left the fleet file"),
        ("borealis-47", "mta-2", True, "it left the fleet file"),
    }, "48 to 50 only stood by"
    assert sync()["changed"] is False


@pytest.mark.usefixtures("file")
def test_a_database_that_is_away_is_named(
    engine_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url, host=str(tmp_path))
    )
    with pytest.raises(Unreachable, match="Next: see that PostgreSQL runs"):
        sync()
