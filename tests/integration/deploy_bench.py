"""A small lab of two MTA hosts with a matching fleet in the database, and the deployment's steps run one after another."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from email_engine.adapters.powermta import PowerMta, PowerMtaEndpoint
from email_engine.store import schema
from email_engine.store.engine import Store
from email_engine.store.telling import alerts
from email_engine_airflow.operators.pmta_config_deploy import ChooseHosts, DeployHost, PlanDeploy
from lab.testing import RunningLab, example_world, running_lab
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_ip, add_tenant

AS_OF = datetime(2026, 11, 2, tzinfo=UTC)
NETWORKS = {"aurora": "198.51.100", "borealis": "203.0.113"}
PATIENCE = 60
"""Seconds for an SSH handshake on a machine that is busy with other tests."""
FILE = "etc/pmta/email-engine.conf"
HARMLESS: dict[str, dict[str, Any]] = {
    "up": {},
    "change_host_key": {"restore": True},
    "command_missing": {"on": False},
    "disk_full": {"on": False},
    "permission_denied": {"on": False},
    "hang_command": {"seconds": 0},
    "refuse_test_config": {"text": ""},
    "fail_reload": {"times": 0},
    "pause_survives_reload": {"on": True},
}


class Bench:
    """`params` of a run are given to `plan` and `deploy`."""

    def __init__(self, lab: RunningLab, store: Store) -> None:
        self.lab = lab
        self.db = store
        self.runs = 0

    def context(self, **params: Any) -> dict[str, Any]:
        self.runs += 1
        defaults = {
            "dry_run": False, "host": None, "rollback_to": None, "accept_breach": False, "reason": "", "tenant": None,
            "approval": None, "watch_minutes": 0,
        }  # fmt: skip
        run = SimpleNamespace(
            dag_id="pmta_config_deploy", run_id=f"run-{self.runs}", run_after=AS_OF, logical_date=None
        )
        return {"dag_run": run, "params": defaults | params}

    def plan(self, host: str = "mta-1", **params: Any) -> dict[str, Any]:
        return PlanDeploy(task_id="plan", mta_host=host).execute(self.context(**params))

    def apply(self, plan: Mapping[str, Any], watched: bool = True, **params: Any) -> dict[str, Any]:
        deploy = DeployHost(task_id="canary", plan=dict(plan), watched=watched)
        return deploy.execute(self.context(**params))

    def reduce(self, plan: Mapping[str, Any], **params: Any) -> list[dict[str, Any]]:
        """What the step `reduce` does about one plan among others."""
        chosen = ChooseHosts(task_id="choose", plans=[plan], part="reduce").execute({})
        return [self.apply(one, watched=False, **params) for one in chosen]

    def deploy(self, host: str = "mta-1", **params: Any) -> dict[str, Any]:
        return self.apply(self.plan(host, **params), **params)

    def running(self, host: str = "mta-1") -> dict[str, Any]:
        found: dict[str, Any] = self.lab.get(f"/powermta/{host}/running")
        return found

    def host(self, name: str = "mta-1") -> dict[str, Any]:
        found: dict[str, Any] = self.lab.state()["powermta"][name]
        return found

    def root(self, host: str = "mta-1") -> Path:
        return next(self.lab_root.rglob(f"{host}/{FILE}")).parents[2]

    @property
    def lab_root(self) -> Path:
        return Path(self.lab.world["state"])

    def file(self, host: str = "mta-1") -> str:
        return (self.root(host) / FILE).read_text()

    def files(self, host: str = "mta-1") -> list[str]:
        return sorted(p.name for p in (self.root(host) / "etc/pmta").iterdir() if p.is_file())

    def allow(self, messages: int, *vmtas: str) -> None:
        """A new allowance with a fleet version, as `warmup_advance` writes it; all IPs unless named."""
        from email_engine.store import versions
        from email_engine.store.fleet import ips

        with self.db.session(tenant="*") as conn:
            version = versions.bump(conn, "test")
            for row in conn.execute(select(schema.ips)).all():
                if not vmtas or row.vmta_name in vmtas:
                    ips.set_allowance(conn, row.id, row.tenant, AS_OF.date(), messages, version, None)

    def change(self, table: Any, where: Any, **values: Any) -> None:
        with self.db.session(tenant="*") as conn:
            conn.execute(update(table).where(where).values(**values))

    def rows(self) -> list[Mapping[str, Any]]:
        with self.db.session(tenant="*") as conn:
            query = select(schema.deployments).order_by(schema.deployments.c.id)
            return [dict(row) for row in conn.execute(query).mappings()]

    def approvals(self) -> list[Mapping[str, Any]]:
        with self.db.session(tenant="*") as conn:
            query = select(schema.approvals).order_by(schema.approvals.c.id)
            return [dict(row) for row in conn.execute(query).mappings()]

    def told(self) -> list[tuple[str, str, str]]:
        with self.db.session(tenant="*") as conn:
            return [(a.event, a.object, a.state) for a in alerts.pending(conn)]


def _host_key(host: Mapping[str, Any]) -> str:
    return Path(host["host_key_file"] + ".pub").read_text().strip()


def connection(lab: RunningLab, number: int = 0, **extra: Any) -> str:
    """`AIRFLOW_CONN_POWERMTA_MTA-N` for a host of the lab."""
    host = lab.world["powermta"][number]
    fields = {
        "host_key": _host_key(host),
        "private_key": lab.client_key_file.read_text(),
        "connect_timeout": PATIENCE,
        "command_timeout": 10,
    }
    return json.dumps(
        {
            "conn_type": "powermta",
            "host": "127.0.0.1",
            "port": host["ssh_port"],
            "login": host.get("username", "pmta"),
            "extra": fields | extra,
        }
    )


@contextmanager
def deploy_lab(state: Path, hosts: int = 1) -> Iterator[RunningLab]:
    """Each host has 4 IPs of each tenant; n on host (n - 1) // 4 + 1."""
    with running_lab(example_world(state, tenants=tuple(NETWORKS), hosts=hosts, ips_per_host=4)) as lab:
        yield lab


def _etc_files(lab: RunningLab, host: str) -> list[Path]:
    etc = Path(lab.world["state"]).rglob(f"{host}/etc/pmta")
    return [file for folder in etc for file in folder.iterdir() if file.is_file()]


def engine_files(lab: RunningLab) -> dict[str, str]:
    """By name, what lies beside the operator's own file on the one host of a lab."""
    (host,) = lab.world["powermta"]
    return {file.name: file.read_text() for file in _etc_files(lab, host["name"]) if file.name != "config"}


def reset(lab: RunningLab, files: Mapping[str, str] | None = None) -> None:
    """Every host as it was when the lab started: no fault, no mail, no hold, the engine's file empty, or with `files`."""
    for host in lab.world["powermta"]:
        name = host["name"]
        for knob, arguments in HARMLESS.items():
            lab.knob(knob, host=name, **arguments)
        for file in _etc_files(lab, name):
            if file.name == "email-engine.conf":
                file.write_text((files or {}).get(file.name, "# Nothing yet.\n"))
                for other, text in (files or {}).items():
                    file.with_name(other).write_text(text)
            elif file.name not in ("config", *(files or {})):
                file.unlink()
        endpoint = PowerMtaEndpoint(
            "127.0.0.1", host["ssh_port"], "pmta", _host_key(host), lab.client_key_file.read_text(),
            connect_timeout=PATIENCE,
        )  # fmt: skip
        with PowerMta(endpoint) as mta:
            mta.pmta("delete", "--queue=*/*", "--no-accounting")
            mta.pmta("resume", "queue", "*/*")
            for source in mta.disabled_sources():
                mta.pmta("enable", "source", source.address, source.queue)
            mta.reload()


def prepare(lab: RunningLab, store: Store, database_url: str, patch: pytest.MonkeyPatch) -> Bench:
    """Of each tenant on each host, three IPs are active with 1,000 a day and the fourth stands by."""
    patch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(database_url))
    hosts = len(lab.world["powermta"])
    with store.session(tenant="*") as conn:
        for number in range(hosts):
            add_host(conn, f"mta-{number + 1}")
            patch.setenv(f"AIRFLOW_CONN_POWERMTA_MTA-{number + 1}", connection(lab, number))
        for tenant in NETWORKS:
            add_tenant(conn, tenant)
            for n in range(1, hosts * 4 + 1):
                state_of = "standby" if n % 4 == 0 else "active"
                add_ip(conn, n, tenant, f"mta-{(n - 1) // 4 + 1}", state_of, NETWORKS[tenant])
    bench = Bench(lab, store)
    bench.allow(1000)
    return bench
