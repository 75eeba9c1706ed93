"""The engine's database away, refusing us, or lost on the way: every step says so in one way, and heals."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowSkipException
from sqlalchemy import make_url, text

from email_engine.errors import AccessDenied, Unreachable
from email_engine.store.engine import Store
from email_engine_airflow.operators.accounting_ingest import IngestHost, ListMtaHosts
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.brake_watch import FindBrakes
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.delisting import FollowUp
from email_engine_airflow.operators.dns_validate import CheckDns, CheckDomain
from email_engine_airflow.operators.emergency_stop import PullTheBrake
from email_engine_airflow.operators.mailwizz_quota_sync import SyncQuotas
from email_engine_airflow.operators.mta_health import CheckHost
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.pmta_config_deploy import DeployHost, ListHosts, PlanDeploy
from email_engine_airflow.operators.publish import PublishAllowances, PublishListings
from email_engine_airflow.operators.rbl_sweep import ConfirmListings, DecideListings, ProbeLists, SweepLists
from email_engine_airflow.operators.warmup_advance import DecideWarmup
from lab.testing import RunningLab
from tests.faults.evidence import everything, failure
from tests.postgres_fixtures import PASSWORD
from tests.whole_lab import Whole, connections, prepare

ENGINE = "AIRFLOW_CONN_EMAIL_ENGINE_DB"
WRONG_PASSWORD = "a-wrong-password"
NOTHING_FOUND: dict[str, Any] = {"tenant": "aurora", "listed": [], "clean": [], "unknown": {}}
NOTHING_NEW: dict[str, Any] = {
    "due": None, "tenants": [], "swept": [], "lists": {"asked": {}, "unknown": {}, "held": {}, "faults": {}},
}  # fmt: skip
NO_PLAN = {"host": "mta-1", "digest": "", "previous": None}
STOP = {"scope": "all", "name": None, "release": False, "reason": "test"}
STEPS: dict[str, tuple[str, Callable[[], Any], dict[str, Any]]] = {
    "list hosts to ingest": ("accounting_ingest", lambda: ListMtaHosts(task_id="x"), {}),
    "ingest": ("accounting_ingest", lambda: IngestHost(task_id="x", mta_host="mta-1"), {}),
    "decide warm-up": ("warmup_advance", lambda: DecideWarmup(task_id="x", tenant="aurora"), {"day": None}),
    "hosts to hold": ("warmup_advance", lambda: ListNames(task_id="x", of="hosts with open brakes"), {}),
    "publish allowances": ("warmup_advance", lambda: PublishAllowances(task_id="x"), {}),
    "apply brakes": ("rbl_sweep", lambda: ApplyBrakes(task_id="x", mta_host="mta-1"), {}),
    "probe lists": ("rbl_sweep", lambda: ProbeLists(task_id="x"), {"lists": ["bl-lab"]}),
    "sweep lists": ("rbl_sweep", lambda: SweepLists(task_id="x", health={"healthy": [], "ipv6": []}), {}),
    "confirm listings": ("rbl_sweep", lambda: ConfirmListings(task_id="x", first=NOTHING_NEW), {}),
    "decide listings": ("rbl_sweep", lambda: DecideListings(task_id="x", findings=NOTHING_FOUND), {}),
    "hosts to brake": ("rbl_sweep", lambda: ListNames(task_id="x", of="hosts with brakes"), {}),
    "follow up a sweep": ("rbl_sweep", lambda: FollowUp(task_id="x"), {}),
    "publish listings": ("rbl_sweep", lambda: PublishListings(task_id="x"), {}),
    "tenants to check": ("dns_validate", lambda: ListNames(task_id="x", of="tenants with IPs"), {}),
    "check DNS": ("dns_validate", lambda: CheckDns(task_id="x", tenant="aurora"), {}),
    "check a domain": ("dns_validate", lambda: CheckDomain(task_id="x"), {"domain": "news1.aurora-mail.example"}),
    "list MailWizz": ("mailwizz_quota_sync", lambda: ListNames(task_id="x", of="mailwizz"), {}),
    "sync quotas": ("mailwizz_quota_sync", lambda: SyncQuotas(task_id="x", instance="mw-aurora"), {}),
    "list hosts to deploy": ("pmta_config_deploy", lambda: ListHosts(task_id="x"), {}),
    "plan deployment": ("pmta_config_deploy", lambda: PlanDeploy(task_id="x", mta_host="mta-1"), {}),
    "find brakes": ("mta_health", lambda: FindBrakes(task_id="x"), {}),
    "check a host": ("mta_health", lambda: CheckHost(task_id="x", mta_host="mta-1"), {}),
    "pull the brake": ("emergency_stop", lambda: PullTheBrake(task_id="x"), STOP),
    "send alerts": ("rbl_sweep", lambda: SendAlerts(task_id="x"), {}),
}  # fmt: skip


@pytest.fixture
def whole(lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Whole:
    return prepare(lab, store, engine_database_url, monkeypatch)


def execute(whole: Whole, step: str, run_id: str = "run-1") -> Any:
    dag_id, make, params = STEPS[step]
    try:
        return make().execute(whole.context(dag_id, run_id, **params))
    except AirflowSkipException as skipped:
        return skipped


def test_every_step_says_it_in_one_way_writes_nothing_and_heals(
    whole: Whole,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    subtests: pytest.Subtests,
) -> None:
    caplog.set_level(logging.DEBUG)
    good = connections(whole.lab, engine_database_url)[ENGINE]
    for step in STEPS:
        with subtests.test(step):
            before, host = everything(whole.db), whole.host["disabled_sources"]
            servers = [whole.server(n) for n in (1, 2, 3)]
            monkeypatch.setenv(ENGINE, json.dumps(json.loads(good) | {"host": str(tmp_path)}))
            error = failure(lambda step=step: execute(whole, step), [PASSWORD], lambda: caplog.text)  # type: ignore[misc]
            assert type(error) is Unreachable, "Airflow tries again"
            database = make_url(engine_database_url).database
            assert error.subject == f"database {database} on {tmp_path} as email_engine"
            assert error.next_step == "see that PostgreSQL runs and host, port and database are right"
            assert everything(whole.db) == before
            assert whole.host["disabled_sources"] == host
            assert [whole.server(n) for n in (1, 2, 3)] == servers
            monkeypatch.setenv(ENGINE, good)
            assert execute(whole, step) is not None
    plan = execute(whole, "plan deployment")
    monkeypatch.setenv(ENGINE, json.dumps(json.loads(good) | {"host": str(tmp_path)}))
    deploy = DeployHost(task_id="x", plan=plan)
    running = whole.lab.get("/powermta/mta-1/running")
    error = failure(lambda: deploy.execute(whole.context("pmta_config_deploy")), [PASSWORD])
    assert type(error) is Unreachable
    assert whole.lab.get("/powermta/mta-1/running") == running
    monkeypatch.setenv(ENGINE, good)
    assert deploy.execute(whole.context("pmta_config_deploy"))["status"] == "verified"


def test_a_wrong_password_is_told_apart_and_neither_password_is_told(
    whole: Whole, engine_database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = connections(whole.lab, engine_database_url)[ENGINE]
    monkeypatch.setenv(ENGINE, json.dumps(json.loads(good) | {"password": WRONG_PASSWORD}))
    error = failure(lambda: execute(whole, "decide warm-up"), [PASSWORD, WRONG_PASSWORD], lambda: caplog.text)
    assert isinstance(error, AccessDenied)
    assert 'password authentication failed for user "email_engine"' in error.observed
    assert error.next_step == "check login and password of the connection"
    monkeypatch.setenv(ENGINE, good)
    assert execute(whole, "decide warm-up")["version"]


def test_a_session_lost_in_the_middle_is_the_same_error_and_nothing_of_it_stays(
    whole: Whole, postgres_url: str
) -> None:
    before = everything(whole.db)

    def work() -> None:
        with whole.db.session(tenant="*") as conn:
            conn.execute(text("UPDATE email_engine.ips SET blacklisted_on = '{zen}'"))
            pid = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
            plain = make_url(postgres_url).set(drivername="postgresql")
            with psycopg.connect(plain.render_as_string(hide_password=False)) as admin:
                admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            conn.execute(text("UPDATE email_engine.ips SET blacklisted_on = '{bl}'"))

    error = failure(work, [PASSWORD])
    assert isinstance(error, Unreachable)
    assert "terminating connection" in error.observed
    assert everything(whole.db) == before
