"""Three domains of aurora on one host of the lab, whose keys the engine looks after; a person who publishes; days that go by."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from email_engine.dkim.key import SigningKey
from email_engine.dkim.stages import KeyStage
from email_engine.pipelines.dkim_rotate.steps import STEPS, step
from email_engine.pipelines.run import Run
from email_engine.store import dkim_keys
from email_engine.store import schema as s
from email_engine.store.versions import made_by
from email_engine_airflow.clients import airflow_clients
from tests.core.dkim.fakes import DOMAINS
from tests.signed_mail import publish
from tests.whole_lab import Whole


@dataclass
class Bench:
    """`told`: what people read, newest last."""

    whole: Whole
    told: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return Path(self.whole.lab.world["state"]) / "mta-1/etc/pmta/dkim"

    @property
    def config(self) -> str:
        return (self.folder.parent / "email-engine.conf").read_text()

    @property
    def signs(self) -> dict[str, str]:
        """Domain to selector, as the host's file says."""
        lines = [line.split()[1].split(",") for line in self.config.splitlines() if "domain-key" in line]
        return {domain: selector for selector, domain, _ in lines}

    def keys(self, domain: str = DOMAINS[0]) -> dict[str, SigningKey]:
        with self.whole.db.session(tenant="*") as conn:
            return {key.selector: key for key in dkim_keys.load(conn, domain=domain)}

    def stages(self, domain: str = DOMAINS[0]) -> dict[str, str]:
        return {selector: key.stage.value for selector, key in self.keys(domain).items()}

    def run(self, run_id: str = "", dry_run: bool = False, **params: Any) -> Run:
        name = run_id or f"run-{next(self.whole.runs)}"
        return Run("dkim_rotate", name, self.whole.now, dry_run, "ops", params)

    def steps(self, run: Run | None = None, *names: str, **params: Any) -> dict[str, dict[str, Any]]:
        """The whole run, or some of its steps."""
        this = run or self.run(**params)
        clients = airflow_clients()
        return {name: step(name, self.whole.db, clients, "aurora", this) for name in names or STEPS}

    def deploy_if_asked(self, run: Run) -> bool:
        with self.whole.db.session(tenant="*") as conn:
            asked = made_by(conn, run.dag_id, run.run_id) is not None
        if asked:
            self.whole.deploy()
        return asked

    def publish_what_is_asked(self) -> list[str]:
        """A person publishes every record that the engine waits for; names of those that changed."""
        with self.whole.db.session(tenant="*") as conn:
            waiting = dkim_keys.load(conn, stages=[KeyStage.MADE, KeyStage.REVOKING])
        for key in waiting:
            gone = key.stage is KeyStage.REVOKING
            publish(self.whole.lab, key.selector, key.domain, None if gone else key.public_key)
        return [key.record_name for key in waiting]

    def alerts(self) -> list[tuple[str, str]]:
        """Severity and text of every alert about DKIM keys, oldest first."""
        with self.whole.db.session(tenant="*") as conn:
            query = select(s.alerts).where(s.alerts.c.event == "dkim").order_by(s.alerts.c.id)
            return [(row.severity, row.text) for row in conn.execute(query)]

    def advance(self, **span: float) -> None:
        self.whole.lab.advance(self.whole.now + timedelta(**span))

    def mail(self, n: int = 2, domain: str = "gmail.com") -> None:
        for number, sender in enumerate(DOMAINS, 1):
            self.whole.lab.knob(
                "put_mail_in_queue", vmta=f"aurora-{number}", domain=domain, n=n, mail_from=f"bounce@{sender}"
            )


@contextmanager
def dkim_bench(whole: Whole) -> Iterator[Bench]:
    """Domains as the lab's zones have them, first keys made and published, and deployed."""
    bench = Bench(whole)
    with whole.db.session(tenant="*") as conn:
        for row in conn.execute(select(s.domains).order_by(s.domains.c.ip_id)).all():
            name = DOMAINS[row.ip_id - 1]
            path = f"/etc/pmta/dkim/{name}.pem"
            conn.execute(
                update(s.domains).where(s.domains.c.id == row.id).values(name=name, dkim_key_path=path)
            )
    for file in bench.folder.iterdir():
        file.unlink()
    bench.steps(None, "make")
    for domain in DOMAINS:
        publish(whole.lab, "s1", domain, bench.keys(domain)["s1"].public_key)
    whole.deploy()
    whole.lab.knob("keep_delivered", n=100_000)
    try:
        yield bench
    finally:
        whole.lab.knob("keep_delivered", n=0)
        whole.lab.knob("signs_at_receipt", on=False)
        whole.lab.knob("silence_dns", on=False)


def fast_resolver(patch: pytest.MonkeyPatch, whole: Whole) -> None:
    """One that gives up soon: silence of days must not cost minutes."""
    fields = {
        "host": "127.0.0.1",
        "port": whole.lab.world["dns"]["port"],
        "extra": {"timeout": 0.5, "tries": 1},
    }
    patch.setenv("AIRFLOW_CONN_DNS_RESOLVER_DEFAULT", json.dumps({"conn_type": "dns_resolver", **fields}))
