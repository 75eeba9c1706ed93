"""The whole lab with one small fleet on it: PowerMTA by SSH, MailWizz, DNS and Telegram, and the connections to all of them."""

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import make_url, select

from email_engine import paths
from email_engine.adapters.powermta import PowerMta
from email_engine.decision import Origin
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.fleet.ips import load_ips
from email_engine.store.stops import brakes
from email_engine_airflow.hooks.powermta import PowerMtaHook
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.mailwizz_quota_sync import SyncQuotas
from email_engine_airflow.operators.pmta_config_deploy import DeployHost, PlanDeploy
from lab.testing import API_KEY, START, RunningLab, example_world, running_lab
from tests.airflow_connections import engine_connection
from tests.database_rows import Kept, keep, put
from tests.dns_lab import PATIENCE
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.integration.deploy_bench import connection as powermta_connection
from tests.integration.deploy_bench import engine_files
from tests.integration.deploy_bench import reset as reset_hosts

IPS = 3
OPEN_QUESTIONS = ("pause_survives_reload", "pause_covers_new_queues", "disabled_source_survives_reload")
"""Knobs: what the vendor's documents leave open about pauses and disabled sources."""
TABLES = {
    "server": "delivery_server", "usage": "delivery_server_usage_log", "delivery": "campaign_delivery_log",
    "campaign": "campaign",
}  # fmt: skip
"""MailWizz's tables, as statements of tests call them."""
_databases = itertools.count(1)


@contextlib.contextmanager
def whole_lab(
    state: Path, postgres_url: str, nat: Mapping[str, str] | None = None, start: datetime = START
) -> Iterator[RunningLab]:
    """One host with three IPs of aurora and its MailWizz, whose campaign sends nothing by itself; a manual clock. `nat`: the host has
    only those addresses, and the world sees the others."""
    name = f"mailwizz_{state.name.replace('-', '_')}_{next(_databases)}".lower()
    plain = make_url(postgres_url).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = plain.set(database=name).render_as_string(hide_password=False)
        try:
            world = example_world(state, ips_per_host=IPS, database_url=url, daily_demand=0, start=start)
            if nat:
                world["powermta"][0] |= {"ips": list(nat), "nat": dict(nat)}
            with running_lab(world) as running:
                yield running
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def connections(lab: RunningLab, engine_database_url: str) -> dict[str, str]:
    """Every connection of the small fleet, as environment variables; the secrets in them are `secrets`."""
    database = make_url(lab.world["mailwizz"][0]["database_url"])
    telegram = lab.world["telegram"]
    documents: dict[str, dict[str, Any]] = {
        "MAILWIZZ_API_MW-AURORA": {
            "conn_type": "mailwizz", "password": API_KEY,
            "host": f"http://127.0.0.1:{lab.ready['mailwizz']['mw-aurora']}/api",
        },
        "MAILWIZZ_DB_MW-AURORA": {
            "conn_type": "mailwizz_db", "host": database.query["host"], "login": database.username,
            "password": database.password, "schema": database.database,
            "extra": {"dialect": "postgresql", "table_prefix": lab.world["mailwizz"][0]["table_prefix"]},
        },
        "DNS_RESOLVER_DEFAULT": {
            "conn_type": "dns_resolver", "host": "127.0.0.1", "port": lab.world["dns"]["port"],
            "extra": PATIENCE,
        },
        "TELEGRAM_ALERTS_DEFAULT": {
            "conn_type": "telegram_alerts", "password": telegram["token"],
            "extra": {"chat_id": telegram["chat_id"], "base_url": f"http://127.0.0.1:{telegram['port']}"},
        },
    }  # fmt: skip
    made = {f"AIRFLOW_CONN_{name}": json.dumps(document) for name, document in documents.items()}
    return made | {
        "AIRFLOW_CONN_EMAIL_ENGINE_DB": engine_connection(engine_database_url),
        "AIRFLOW_CONN_POWERMTA_MTA-1": powermta_connection(lab),
        "EMAIL_ENGINE_BLOCKLISTS": str(paths.CONFIG / "blocklists.lab.yaml"),
    }


@dataclass
class Whole:
    """The lab, the engine's database, and the operators as the DAGs call them."""

    lab: RunningLab
    db: Store
    runs: Iterator[int] = field(default_factory=itertools.count)

    @property
    def now(self) -> datetime:
        return self.lab.now()

    def context(self, dag_id: str, run_id: str | None = None, **params: Any) -> dict[str, Any]:
        run = SimpleNamespace(
            dag_id=dag_id, run_id=run_id or f"run-{next(self.runs)}", run_after=self.now, logical_date=None
        )
        return {"dag_run": run, "params": {"dry_run": False} | params, "outlet_events": {}}

    def deploy(self) -> dict[str, Any]:
        plan = PlanDeploy(task_id="plan", mta_host="mta-1").execute(self.context("pmta_config_deploy"))
        return DeployHost(task_id="canary", plan=plan).execute(self.context("pmta_config_deploy"))

    def sync(self) -> dict[str, Any]:
        return SyncQuotas(task_id="sync", instance="mw-aurora").execute(self.context("mailwizz_quota_sync"))

    def brake(self, **params: Any) -> dict[str, Any]:
        return ApplyBrakes(task_id="brake", mta_host="mta-1").execute(self.context("rbl_sweep", **params))

    def engage(self, number: int, reason: str = "listed on zen") -> int:
        with self.db.session(tenant="*") as conn:
            ip = self._ip(conn, number)
            return brakes.engage(conn, ip, reason, Origin("rbl_sweep", self.now, "rbl_sweep", "run-0"), None)

    def ask_release(self, number: int) -> None:
        with self.db.session(tenant="*") as conn:
            assert brakes.ask_release(conn, self._ip(conn, number).ip_id, self.now)

    def allow(self, messages: int, *numbers: int) -> None:
        day, wanted = self.now.date(), {f"aurora-{number}" for number in numbers}
        with self.db.session(tenant="*") as conn:
            version = versions.bump(conn, "test")
            for ip in load_ips(conn, day=day):
                if ip.vmta in wanted:
                    ips.set_allowance(conn, ip.ip_id, ip.tenant, day, messages, version, None)

    def _ip(self, conn: Any, number: int) -> Any:
        day = self.now.date()
        return next(ip for ip in load_ips(conn, day=day) if ip.vmta == f"aurora-{number}")

    def rows(self, table: Any) -> list[Any]:
        with self.db.session(tenant="*") as conn:
            return list(conn.execute(select(table).order_by(*table.primary_key)))

    def snapshot(self, *tables: Any) -> list[list[Any]]:
        return [self.rows(table) for table in tables]

    @property
    def host(self) -> dict[str, Any]:
        found: dict[str, Any] = self.lab.state()["powermta"]["mta-1"]
        return found

    def queues(self, number: int) -> dict[str, tuple[int, bool]]:
        """Domain to recipients and whether the queue is paused, of the queues with mail."""
        named = (q for q in self.host["queues"] if q["name"].endswith(f"/aurora-{number}"))
        mine = (q for q in named if q["recipients"])
        return {q["name"].partition("/")[0]: (q["recipients"], q["paused"]) for q in mine}

    def disabled_sources(self) -> list[str]:
        return [source["ip"] for source in self.host["disabled_sources"]]

    def mail(self, number: int, n: int, domain: str = "gmail.com") -> None:
        self.lab.knob("put_mail_in_queue", vmta=f"aurora-{number}", domain=domain, n=n)

    def ssh(self) -> PowerMta:
        """A person's own session on the host."""
        return PowerMtaHook("powermta_mta-1").get_conn()

    def later(self, hours: int = 1) -> None:
        self.lab.advance(self.now + timedelta(hours=hours))

    def last_sent(self, number: int) -> datetime | None:
        told = self.host["last_accounting"].get(f"198.51.100.{number}")
        return datetime.fromisoformat(told) if told else None

    def mailwizz(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """SQL on MailWizz's database; `{server}` is its table of delivery servers, and so on (TABLES)."""
        config = self.lab.world["mailwizz"][0]
        with psycopg.connect(config["database_url"], autocommit=True, row_factory=dict_row) as conn:
            tables = {name: sql.Identifier(config["table_prefix"] + table) for name, table in TABLES.items()}
            done = conn.execute(sql.SQL(statement).format(**tables), values)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    def server(self, number: int) -> tuple[int, int, str]:
        (row,) = self.mailwizz("SELECT * FROM {server} WHERE server_id = %(id)s", id=100 + number)
        return row["daily_quota"], row["hourly_quota"], row["status"]

    def hand_over(self, server: int, messages: int = 1) -> None:
        """A worker of MailWizz hands messages to the server, also one that still holds the row of a server that is off."""
        for _ in range(messages):
            self.mailwizz(
                "INSERT INTO {usage} (server_id, customer_id, delivery_for, date_added) VALUES (%(server)s, 1, 'campaign', now())",
                server=server,
            )
            self.mailwizz(
                "INSERT INTO {delivery} (campaign_id, subscriber_id, server_id, date_added) "
                "SELECT min(campaign_id), 1, %(server)s, now() FROM {campaign}",
                server=server,
            )

    def set_server(self, number: int, status: str) -> None:
        self.mailwizz(
            "UPDATE {server} SET status = %(status)s WHERE server_id = %(id)s", status=status, id=100 + number
        )


def _as_new(
    lab: RunningLab,
    store: Store,
    engine_database_url: str,
    patch: pytest.MonkeyPatch,
    files: Mapping[str, str] | None = None,
) -> Whole:
    """Lab as new, with these files of PowerMTA in force; connections to all of it."""
    reset_hosts(lab, files)
    lab.knob("mailwizz.offline", on=False)
    lab.knob("mailwizz.refuse", reason=None)
    for name, value in connections(lab, engine_database_url).items():
        patch.setenv(name, value)
    whole = Whole(lab, store)
    whole.mailwizz("UPDATE {server} SET daily_quota = 0, hourly_quota = 0, status = 'active'")
    return whole


def prepare(lab: RunningLab, store: Store, engine_database_url: str, patch: pytest.MonkeyPatch) -> Whole:
    """Lab as new; in the engine's database aurora acts and three active IPs may send 1,000 messages a day."""
    whole = _as_new(lab, store, engine_database_url, patch)
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        for n in range(1, IPS + 1):
            add_ip(conn, n, state="active")
    whole.allow(1000, *range(1, IPS + 1))
    return whole


@dataclass(frozen=True, slots=True)
class _Deployment:
    """What a first deployment left behind: rows of the engine's database, PowerMTA's files by name, the number of the next run."""

    rows: Kept
    files: dict[str, str]
    run: int


_deployments: dict[tuple[str, datetime], _Deployment] = {}
"""By lab and its time."""


@contextlib.contextmanager
def deployed(
    lab: RunningLab, store: Store, engine_database_url: str, patch: pytest.MonkeyPatch, postgres_url: str
) -> Iterator[Whole]:
    """As `prepare` leaves it, with its configuration deployed; the host answers again afterwards. Only the first test at a lab's time
    deploys: the others get what that left behind."""
    at = lab.control, lab.now()
    if at in _deployments:
        before = _deployments[at]
        made = _as_new(lab, store, engine_database_url, patch, before.files)
        made.runs = itertools.count(before.run)
        put(before.rows, postgres_url, engine_database_url)
    else:
        made = prepare(lab, store, engine_database_url, patch)
        made.deploy()
        rows = keep(postgres_url, engine_database_url)
        _deployments[at] = _Deployment(rows, engine_files(lab), next(made.runs))
    yield made
    lab.knob("up")
    for knob in (*OPEN_QUESTIONS, "holds_need_no_queue"):
        lab.knob(knob, on=True)
