"""A fleet of any size whose delivery servers stand in a real MailWizz database: for the quota sync without Airflow."""

from datetime import UTC, datetime
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self, cast

from sqlalchemy import URL, Engine, insert, update

from email_engine.adapters.mailwizz_db import MailwizzDatabase, MailwizzDb
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.engine import Store
from tests import fleet_rows
from tests.integration import mailwizz_rows as rows

NOW = datetime(2026, 11, 1, 8, 5, tzinfo=UTC)
FIRST = ip_address("10.0.0.1")
FIRST_SERVER = 101


def add_fleet(store: Store, count: int, allowance: int) -> None:
    """Active IPs of tenant aurora, whose delivery servers are 101 and so on."""
    with store.session(tenant="*") as conn:
        fleet_rows.add_tenant(conn)
        fleet_rows.add_host(conn)
        numbers = range(1, count + 1)
        common = {
            "tenant": "aurora", "stream": "newsletter", "purpose": "newsletter", "status": "active",
            "status_since": fleet_rows.SINCE, "pool_name": "aurora-newsletter", "mta_host": "mta-1", "mailwizz": "mw-aurora",
        }  # fmt: skip
        ids = list(conn.execute(
            insert(s.ips).returning(s.ips.c.id, sort_by_parameter_order=True),
            [common | {"address": str(FIRST + n - 1), "hostname": f"mail{n}.aurora.example", "vmta_name": f"aurora-{n}",
                       "mailwizz_server_id": FIRST_SERVER + n - 1} for n in numbers],
        ).scalars())  # fmt: skip
        conn.execute(
            insert(s.domains),
            [{"name": f"news{n}.aurora.example", "tenant": "aurora", "ip_id": ip_id, "dkim_selector": "s1",
              "dkim_key_path": "/k.pem"} for n, ip_id in zip(numbers, ids, strict=True)],
        )  # fmt: skip
        plan = {
            "tenant": "aurora",
            "schedule": "six_week",
            "phase": 1,
            "current_daily_quota": 50,
            "target_daily_quota": 10_000,
        }
        conn.execute(insert(s.warmup_plans), [plan | {"ip_id": ip_id} for ip_id in ids])
        version = versions.bump(conn, "test")
        given = {"tenant": "aurora", "day": NOW.date(), "messages": allowance, "fleet_version": version}
        conn.execute(insert(s.allowances), [given | {"ip_id": ip_id} for ip_id in ids])


def allow(store: Store, allowance: int, *numbers: int) -> None:
    """Another allowance for these IPs, counted from 1; for all where none is named."""
    with store.session(tenant="*") as conn:
        mine = [str(FIRST + n - 1) for n in numbers]
        which = s.allowances.c.ip_id.in_(conn.execute(
            s.ips.select().with_only_columns(s.ips.c.id).where(s.ips.c.address.in_(mine) if mine else True)  # type: ignore[arg-type]
        ).scalars().all())  # fmt: skip
        conn.execute(
            update(s.allowances)
            .where(which)
            .values(messages=allowance, fleet_version=versions.bump(conn, "more"))
        )


def fill(mailwizz: Engine, count: int, daily: int = 100, hourly: int = 10) -> None:
    """As many running servers, and nothing else."""
    with mailwizz.begin() as conn:
        for table in rows.metadata.sorted_tables:
            conn.execute(table.delete())
        conn.execute(
            insert(rows.server),
            [{"server_id": FIRST_SERVER + n - 1, "type": "smtp-pmta", "name": f"aurora-{n}", "hostname": "mta-1",
              "meta_data": rows.header(f"aurora-{n}"), "daily_quota": daily, "hourly_quota": hourly, "status": "active"}
             for n in range(1, count + 1)],
        )  # fmt: skip


class NoServersShown:
    """MailWizz's API as it answers for a customer who owns no delivery server."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def delivery_servers(self) -> tuple[Any, ...]:
        return ()


def clients(url: URL) -> Clients:
    """Only MailWizz: its database at `url`."""
    given: dict[str, Any] = dict.fromkeys(("mta", "resolver", "blocklist_keys", "telegram"))
    return Clients(
        **given,
        mailwizz_db=lambda name: MailwizzDb(MailwizzDatabase(name, url)),
        mailwizz_api=lambda name: cast(Any, NoServersShown()),
    )


def run(number: int = 1, *, dry_run: bool = False) -> Run:
    return Run("mailwizz_quota_sync", f"run-{number}", NOW, dry_run, "mailwizz_quota_sync", {})
