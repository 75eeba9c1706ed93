"""A small fleet in the engine's database, for tests that are not about the fleet file."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from email_engine.accounting.summarize import Counts
from email_engine.store import schema as s
from email_engine.store.accounting.counts import add_counts

SINCE = datetime(2026, 9, 1, tzinfo=UTC)


def add_tenant(conn: Connection, name: str = "aurora", mode: str = "act", daily_quota: int = 500_000) -> None:
    """A tenant with its MailWizz `mw-NAME` and the stream `newsletter`, pool `NAME-newsletter`."""
    conn.execute(insert(s.tenants).values(name=name, title=name.title(), mode=mode, daily_quota=daily_quota))
    conn.execute(
        insert(s.mailwizz_instances).values(
            name=f"mw-{name}",
            tenant=name,
            api_connection=f"mailwizz_api_mw-{name}",
            db_connection=f"mailwizz_db_mw-{name}",
        )
    )
    conn.execute(
        insert(s.streams).values(
            tenant=name,
            name="newsletter",
            purpose="newsletter",
            consent="opt-in",
            risk_class="standard",
            pool=f"{name}-newsletter",
            mailwizz=f"mw-{name}",
        )
    )


def add_host(conn: Connection, name: str = "mta-1") -> None:
    conn.execute(
        insert(s.mta_hosts).values(
            name=name,
            connection=f"powermta_{name}",
            version="5.0r5",
            config_file="/etc/pmta/email-engine.conf",
            accounting_dir="/var/log/pmta/done",
        )
    )


def add_ip(
    conn: Connection,
    number: int,
    tenant: str = "aurora",
    mta_host: str = "mta-1",
    state: str = "warming",
    network: str = "198.51.100",
    since: datetime = SINCE,
    plan: Mapping[str, Any] | None = None,
    **columns: Any,
) -> int:
    """IP `network.number` with domain and warm-up plan (phase 1 of six_week, target 10,000); returns its id."""
    ip_id = conn.execute(
        insert(s.ips)
        .values(
            address=f"{network}.{number}",
            hostname=f"mail{number}.{tenant}-mail.example",
            tenant=tenant,
            stream="newsletter",
            purpose="newsletter",
            status=state,
            status_since=since,
            vmta_name=f"{tenant}-{number}",
            pool_name=f"{tenant}-newsletter",
            mta_host=mta_host,
            mailwizz=f"mw-{tenant}",
            mailwizz_server_id=100 + number,
            **columns,
        )
        .returning(s.ips.c.id)
    ).scalar_one()
    conn.execute(
        insert(s.domains).values(
            name=f"news{number}.{tenant}-mail.example",
            tenant=tenant,
            ip_id=ip_id,
            dkim_selector="s1",
            dkim_key_path=f"/etc/pmta/dkim/{tenant}-{number}.pem",
        )
    )
    wanted = {"schedule": "six_week", "phase": 1, "current_daily_quota": 50, "target_daily_quota": 10_000}
    conn.execute(insert(s.warmup_plans).values(tenant=tenant, ip_id=ip_id, **wanted | dict(plan or {})))
    return ip_id


def add_delivery(conn: Connection, ip_id: int, day: datetime, tenant: str = "aurora", **counts: Any) -> None:
    """Accounting for noon of the day: delivered, bounced, deferred, complained."""
    add_hour(conn, ip_id, day + timedelta(hours=12), tenant=tenant, **counts)


def add_hour(
    conn: Connection,
    ip_id: int,
    hour: datetime,
    provider: str = "gmail",
    tenant: str = "aurora",
    **counts: Any,
) -> None:
    """Accounting of one hour, added by hour and by day: the fields of `Counts`."""
    add_counts(conn, {(ip_id, tenant, provider, hour): Counts(**counts)})
