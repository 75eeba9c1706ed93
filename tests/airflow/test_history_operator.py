"""`RecordHistory` against a real PostgreSQL and a real repository on disk."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from email_engine.adapters.config_history import ConfigHistory
from email_engine.decision import Decision
from email_engine.pmta.config.layout import digest
from email_engine.store import schema, versions
from email_engine.store.deployment import deployments
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.fleet.ips import load_ips
from email_engine.store.judgement import decisions
from email_engine_airflow.operators.config_history import RecordHistory
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_ip, add_tenant

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="reads back with the git binary")


@pytest.fixture(autouse=True)
def place(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    monkeypatch.setenv("EMAIL_ENGINE_CONFIG_HISTORY", str(tmp_path / "history"))
    with store.session("*") as conn:
        add_tenant(conn)
        for host in ("mta-1", "mta-2"):
            add_host(conn, host)
        add_ip(conn, 1, state="active")
        add_ip(conn, 2, state="active", mta_host="mta-2")
    return tmp_path / "history"


def run(**params: Any) -> dict[str, int]:
    made = SimpleNamespace(dag_id="pmta_config_deploy", run_id="run-1", run_after=NOON, logical_date=None)
    return RecordHistory(task_id="history").execute({"dag_run": made, "params": {"dry_run": False} | params})


def deploy(
    store: Store, text: str, host: str = "mta-1", status: str = "verified", caused_by: str = "warmup_advance"
) -> int:
    with store.session("*") as conn:
        made = deployments.begin(
            conn, mta_host=host, fleet_version=versions.bump(conn, "test"), digest=digest(text), previous_digest=None,
            config=text, diff="", caused_by=caused_by, dag_id="pmta_config_deploy", run_id="run-1",
        )  # fmt: skip
        if status != "applying":
            deployments.finish(conn, made, status, None, None, NOON + timedelta(minutes=made))
    return made


def git(place: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(place), *words], check=True, capture_output=True, text=True
    ).stdout


def subjects(place: Path) -> list[str]:
    return git(place, "log", "--reverse", "--format=%s").splitlines()


def open_alerts(store: Store) -> list[tuple[str, str]]:
    with store.session("*") as conn:
        query = select(schema.alerts.c.severity, schema.alerts.c.text).where(
            schema.alerts.c.cleared_at.is_(None)
        )
        return [(row.severity, row.text) for row in conn.execute(query)]


def test_every_deployment_that_reached_its_host_is_recorded_in_order(store: Store, place: Path) -> None:
    deploy(store, "a\n")
    deploy(store, "b\n", "mta-2")
    deploy(store, "never there\n", status="failed")
    deploy(store, "bad\n", status="rolled_back")
    deploy(store, "c\n", caused_by="ops: week two")
    deploy(store, "in flight\n", "mta-2", status="applying")
    assert run() == {"added": 4}
    assert subjects(place) == [
        "mta-1: deployment 1, fleet version 1",
        "mta-2: deployment 2, fleet version 2",
        "mta-1: deployment 4, fleet version 4",
        "mta-1: deployment 4 taken back",
        "mta-1: deployment 5, fleet version 5",
    ]
    assert git(place, "log", "-1", "--format=%an").strip() == "ops"
    assert run() == {"added": 0}


def test_a_host_that_caught_up_later_enters_later(store: Store, place: Path) -> None:
    slow = deploy(store, "slow\n", status="applying")
    deploy(store, "quick\n", "mta-2")
    assert run() == {"added": 1}
    with store.session("*") as conn:
        deployments.finish(conn, slow, "verified", None, None, NOON)
    assert run() == {"added": 1}
    assert [s.split(",")[0] for s in subjects(place)] == ["mta-2: deployment 2", "mta-1: deployment 1"]


def test_a_commit_names_the_decisions_since_the_last_version_of_its_host(store: Store, place: Path) -> None:
    deploy(store, "a\n")
    with store.session("*") as conn:
        by_vmta = {ip.vmta: ip for ip in load_ips(conn, day=NOON.date())}
        made = [
            decisions.record(
                conn,
                Decision(
                    tenant="aurora", pipeline="warmup_advance", subject=vmta, run_key="k", action="advance",
                    reason="clean", as_of=NOON, policy_digest="p", inputs={},
                ),
                "warmup_advance", "run-0",
            )
            for vmta in ("aurora-1", "aurora-2")
        ]  # fmt: skip
        for vmta, decision in zip(("aurora-1", "aurora-2"), made, strict=True):
            ip = by_vmta[vmta]
            ips.set_allowance(conn, ip.ip_id, ip.tenant, NOON.date(), 100, versions.current(conn), decision)
    deploy(store, "b\n")
    run()
    assert f"Decisions: {made[0]}\n" in git(place, "log", "-1", "--format=%b")
    assert "Decisions" not in git(place, "log", "-1", "--format=%b", "deployment-1")


def test_trouble_is_told_once_and_the_next_run_catches_up(store: Store, place: Path) -> None:
    deploy(store, "a\n")
    place.mkdir()
    (place / "precious").write_text("x")
    assert run() == run() == {"added": 0}
    ((severity, text),) = open_alerts(store)
    assert severity == "warning"
    assert "move it away" in text
    shutil.rmtree(place)
    assert run() == {"added": 1}
    assert open_alerts(store) == []


def test_a_run_killed_between_two_versions_is_continued(
    store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("a\n", "b\n", "c\n"):
        deploy(store, text)
    record, calls = ConfigHistory.record, [1, 2]

    def killed(history: ConfigHistory, versions: Any) -> int:
        if not calls:
            raise KeyboardInterrupt
        calls.pop()
        return record(history, versions)

    with monkeypatch.context() as patch:
        patch.setattr(ConfigHistory, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert run() == {"added": 1}
    assert len(subjects(place)) == 3
    shutil.rmtree(place)
    assert run() == {"added": 3}, "a deleted repository is built anew"


def test_a_deployment_that_comes_between_two_looks_is_no_other_database(
    store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(store, "a\n")
    real, looks = ConfigHistory.missing, []

    def overtaken(history: ConfigHistory, known: Any) -> tuple[int, ...]:
        looks.append(known)
        if len(looks) == 1:
            deploy(store, "b\n")
            assert run() == {"added": 2}
        return real(history, known)

    with monkeypatch.context() as patch:
        patch.setattr(ConfigHistory, "missing", overtaken)
        assert run() == {"added": 0}
    assert open_alerts(store) == []
    assert len(subjects(place)) == 2


def test_the_history_of_another_database_is_told_and_left_alone(store: Store, place: Path) -> None:
    deploy(store, "a\n")
    run()
    with store.session("*") as conn:
        conn.execute(schema.deployments.delete())
    assert run() == {"added": 0}
    ((_, text),) = open_alerts(store)
    assert "Move the folder away" in text
    assert len(subjects(place)) == 1


def test_a_dry_run_writes_nothing(store: Store, place: Path) -> None:
    deploy(store, "a\n")
    assert run(dry_run=True) == {"added": 0}
    assert not place.exists()
