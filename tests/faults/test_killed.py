"""SIGKILL in the middle: run again, everything ends as if the run had never been killed.

A gate (a trigger that waits for a lock) stops the child at a chosen row; the child is killed there, the gate is removed,
and the same run is run again in this process. An equal fleet that nobody killed shows what the end must be."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import DateTime, make_url

from email_engine.paths import ROOT
from email_engine.store import quota_syncs, schema
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.telling.owed import tell_overdue
from lab.testing import RunningLab
from tests.faults.evidence import everything
from tests.postgres_fixtures import PASSWORD, ROLE
from tests.whole_lab import Whole, prepare

PATIENCE = 60.0
GATE = 4242
LISTED: dict[str, Any] = {
    "tenant": "aurora",
    "listed": [
        {
            "ip_id": n, "list": "zen-lab", "zone": "zen.lab.example", "codes": ["127.0.0.2"], "sublists": ["SBL"],
            "class": "reputation", "severity": "high", "severe": False, "reason": "trap",
        }
        for n in (1, 2)
    ],
    "clean": [],
    "unknown": {},
}  # fmt: skip


class Killing:
    """Fleets on one lab, each in a database of its own."""

    def __init__(self, lab: RunningLab, postgres_url: str, template: str, patch: pytest.MonkeyPatch) -> None:
        self.lab = lab
        self._admin_url = make_url(postgres_url).set(drivername="postgresql")
        self._template = template
        self._patch = patch
        self._numbers = itertools.count(1)
        self._made: list[tuple[str, Store]] = []

    def fleet(self) -> Whole:
        """A new fleet; the connections lead to it from now on."""
        name = f"killed_{os.getpid()}_{next(self._numbers)}"
        with self.admin() as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                    *map(sql.Identifier, (name, self._template, ROLE))
                )
            )
        url = self._admin_url.set(
            drivername="postgresql+psycopg", username=ROLE, password=PASSWORD, database=name
        ).render_as_string(hide_password=False)
        store = Store(url)
        self._made.append((name, store))
        return prepare(self.lab, store, url, self._patch)

    def admin(self, database: str = "postgres") -> psycopg.Connection[Any]:
        url = self._admin_url.set(database=database).render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True)

    def drop(self) -> None:
        with self.admin() as admin:
            for name, store in self._made:
                store.dispose()
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextlib.contextmanager
    def gate(self, table: str, event: str = "INSERT", when: str = "true") -> Iterator[Callable[[], bool]]:
        """Rows of the table wait while this stands; gives a function that tells whether somebody waits."""
        name = self._made[-1][0]
        with self.admin(name) as admin:
            admin.execute(f"SELECT pg_advisory_lock({GATE})")  # type: ignore[call-overload]
            for statement in (
                f"CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"PERFORM pg_advisory_lock_shared({GATE}); RETURN NEW; END $$",
                f"CREATE TRIGGER gate BEFORE {event} ON email_engine.{table} FOR EACH ROW WHEN ({when}) "
                "EXECUTE FUNCTION public.gate()",
            ):
                admin.execute(statement)  # type: ignore[call-overload]
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
            yield lambda: bool(admin.execute(waiting).fetchone()[0])  # type: ignore[index]
            admin.execute(f"SELECT pg_advisory_unlock({GATE})")  # type: ignore[call-overload]
            admin.execute(f"DROP TRIGGER gate ON email_engine.{table}")  # type: ignore[call-overload]


@pytest.fixture
def killing(
    lab: RunningLab, postgres_url: str, engine_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Killing]:
    made = Killing(lab, postgres_url, engine_template, monkeypatch)
    yield made
    lab.knob("hang_command", seconds=0)
    made.drop()


class Run:
    """One task of one DAG run, in a child or here."""

    def __init__(self, operator: str, at: datetime, dag_id: str, **arguments: Any) -> None:
        self.operator = f"email_engine_airflow.operators.{operator}"
        self.document = {"dag_id": dag_id, "run_id": "scheduled__1", "run_after": at.isoformat()}
        self.arguments = arguments

    def kill_when(self, reached: Callable[[], bool]) -> None:
        """Starts it and kills it as soon as it stands at the place."""
        asked = self.document | {"operator": self.operator, "arguments": self.arguments}
        child = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.faults.child", json.dumps(asked)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + PATIENCE
            while not reached():
                assert child.poll() is None, f"it ended by itself:\n{child.communicate()[0][-3000:]}"
                assert time.monotonic() < deadline, "it never came to the place where it is to be killed"
                time.sleep(0.05)
        finally:
            child.kill()
            child.communicate()
        assert child.returncode == -signal.SIGKILL

    def again(self) -> Any:
        from importlib import import_module
        from types import SimpleNamespace

        module, _, name = self.operator.partition(":")
        operator = getattr(import_module(module), name)(task_id="work", **self.arguments)
        run = SimpleNamespace(
            dag_id=self.document["dag_id"],
            run_id=self.document["run_id"],
            run_after=datetime.fromisoformat(self.document["run_after"]),
            logical_date=None,
        )
        return operator.execute({"dag_run": run, "params": {"dry_run": False}, "outlet_events": {}})


def essence(whole: Whole) -> dict[str, list[Any]]:
    """Every row without what two equal histories differ in: numbers that were burnt, and the moments of effects."""
    rows = everything(whole.db)
    versions = [row.version for row in rows["email_engine.fleet_versions"]]

    def lasting(column: Any, value: Any) -> Any:
        if column.name in {"version", "fleet_version"}:
            return versions.index(value) if value in versions else value
        moment = isinstance(column.type, DateTime) and column.server_default is not None
        return None if moment or column.name in {"id", "decision_id", "brake_id"} else value

    return {
        name: [tuple(map(lasting, schema.metadata.tables[name].columns, row)) for row in of_table]
        for name, of_table in rows.items()
    }


def test_a_warm_up_decision_killed_before_its_last_row_leaves_nothing_and_is_made_again(
    killing: Killing,
) -> None:
    unharmed = killing.fleet()
    run = Run("warmup_advance:DecideWarmup", unharmed.now, "warmup_advance", tenant="aurora")
    run.again()
    wanted = essence(unharmed)
    whole = killing.fleet()
    before = everything(whole.db)
    with killing.gate("decisions", when="NEW.subject = '198.51.100.3'") as reached:
        run.kill_when(reached)
        assert everything(whole.db) == before
    assert run.again()["version"]
    assert essence(whole) == wanted
    assert run.again()["version"] is None


def test_a_quarantine_killed_before_its_brake_is_decided_again_whole(killing: Killing) -> None:
    unharmed = killing.fleet()
    run = Run("rbl_sweep:DecideListings", unharmed.now, "rbl_sweep", findings=LISTED)
    run.again()
    wanted = essence(unharmed)
    whole = killing.fleet()
    before = everything(whole.db)
    with killing.gate("brakes", when="NEW.ip_id = 2") as reached:
        run.kill_when(reached)
        assert everything(whole.db) == before, "no IP is parked without its brake"
    assert run.again()["quarantined"] == ["198.51.100.1", "198.51.100.2"]
    assert essence(whole) == wanted


def test_a_quarantine_killed_before_its_news_is_told_by_whoever_sends_next(killing: Killing) -> None:
    whole = killing.fleet()
    run = Run("rbl_sweep:DecideListings", whole.now, "rbl_sweep", findings=LISTED)
    with killing.gate("alerts") as reached:
        run.kill_when(reached)
        assert {row.status for row in everything(whole.db)["email_engine.ips"]} >= {"quarantine"}
    assert run.again()["quarantined"] == [], "what was decided stands"
    assert everything(whole.db)["email_engine.alerts"] == []
    assert tell_overdue(whole.db, timedelta(0)) == 1
    (alert,) = everything(whole.db)["email_engine.alerts"]
    assert (alert.severity, alert.tenant) == ("critical", "aurora")
    assert "198.51.100.1: " in alert.text
    assert "198.51.100.2: " in alert.text


def test_an_ingest_killed_in_its_second_file_counts_every_record_once(killing: Killing) -> None:
    unharmed = killing.fleet()
    unharmed.deploy()
    for _ in range(2):
        unharmed.mail(1, 30)
        unharmed.later()
        unharmed.lab.knob("rotate_accounting")
    run = Run("accounting_ingest:IngestHost", unharmed.now, "accounting_ingest", mta_host="mta-1")
    done = run.again()
    assert done["taken"] >= 2
    wanted = [len(unharmed.rows(s.accounting_files)), _counted(unharmed)]
    whole = killing.fleet()
    names = sorted(row.name for row in unharmed.rows(s.accounting_files))
    with killing.gate("accounting_files", when=f"NEW.name = '{names[1]}'") as reached:
        run.kill_when(reached)
        assert [row.name for row in whole.rows(s.accounting_files)] == names[:1], "the first file stays"
    assert run.again()["taken"] == done["taken"] - 1
    assert [len(whole.rows(s.accounting_files)), _counted(whole)] == wanted
    assert run.again()["taken"] == 0


def _counted(whole: Whole) -> list[Any]:
    return sorted(
        (row.ip_id, row.provider, row.hour, row.attempts, row.delivered, row.bounced)
        for row in whole.rows(s.delivery_stats)
    )


def test_a_quota_sync_killed_after_a_write_still_knows_that_it_was_its_own(killing: Killing) -> None:
    whole = killing.fleet()
    whole.sync()
    whole.allow(0, 1)
    with whole.db.session(tenant="*") as conn:
        conn.execute(s.ips.update().where(s.ips.c.vmta_name == "aurora-1").values(status="standby"))
    run = Run("mailwizz_quota_sync:SyncQuotas", whole.now, "mailwizz_quota_sync", instance="mw-aurora")
    with killing.gate("quota_syncs", "UPDATE") as reached:
        run.kill_when(reached)
        assert whole.server(1) == (1, 1, "disabled"), "MailWizz was written, the record is not complete"
        assert whole.rows(s.quota_syncs)[-1].result == quota_syncs.SyncResult.NOT_VERIFIED
    assert run.again()["changes"] == 0
    assert whole.server(1) == (1, 1, "disabled")
    with whole.db.session(tenant="*") as conn:
        conn.execute(s.ips.update().where(s.ips.c.vmta_name == "aurora-1").values(status="active"))
    whole.allow(500, 1)
    whole.sync()
    assert whole.server(1) == (500, 50, "active"), "it was the engine's own doing, not a person's"


def test_a_brake_killed_before_it_was_recorded_holds_and_is_recorded_by_the_next_run(
    killing: Killing,
) -> None:
    whole = killing.fleet()
    whole.deploy()
    whole.engage(1)
    run = Run("brakes:ApplyBrakes", whole.now, "rbl_sweep", mta_host="mta-1")
    with killing.gate("brakes", "UPDATE") as reached:
        run.kill_when(reached)
        assert whole.disabled_sources() == ["198.51.100.1"]
        assert whole.server(1)[2] == "disabled"
    assert run.again()["held"] == 1
    (brake,) = whole.rows(s.brakes)
    assert (brake.powermta_holds, brake.mailwizz_holds) == (True, True)
    assert [a.event for a in whole.rows(s.alerts) if a.event.startswith("brake")] == ["brake"]
    whole.ask_release(1)
    whole.brake()
    whole.sync()
    assert whole.server(1) == (1000, 100, "active")


def test_a_deployment_killed_while_powermta_reloads_ends_like_one_that_was_not(killing: Killing) -> None:
    unharmed = killing.fleet()
    wanted = unharmed.deploy()
    running = killing.lab.get("/powermta/mta-1/running")
    whole = killing.fleet()
    plan = _plan(whole)
    run = Run("pmta_config_deploy:DeployHost", whole.now, "pmta_config_deploy", plan=plan)
    file = next(Path(killing.lab.world["state"]).rglob("mta-1/etc/pmta/email-engine.conf"))
    killing.lab.knob("hang_command", seconds=600, command="reload")
    run.kill_when(lambda: "email-engine begin" in file.read_text())
    killing.lab.knob("hang_command", seconds=0)
    assert whole.rows(s.deployments)[-1].status == "applying"
    again = run.again()
    assert again["digest"] == wanted["digest"]
    assert {row.status for row in whole.rows(s.deployments)} <= {"verified", "failed"}
    assert whole.rows(s.deployments)[-1].status == "verified"
    after = killing.lab.get("/powermta/mta-1/running")
    volatile = {"last_reload", "loaded_at", "reloads", "since"}
    assert {k: v for k, v in after.items() if k not in volatile} == {
        k: v for k, v in running.items() if k not in volatile
    }
    assert _plan(whole)["changed"] is False


def _plan(whole: Whole) -> dict[str, Any]:
    from email_engine_airflow.operators.pmta_config_deploy import PlanDeploy

    return PlanDeploy(task_id="plan", mta_host="mta-1").execute(whole.context("pmta_config_deploy"))
