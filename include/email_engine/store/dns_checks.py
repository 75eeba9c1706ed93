"""Table `dns_checks`: what each run found; and the verdicts that stand in `domains`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from email_engine.dnsauth.model import DnsFinding, DnsStatus, Gravity
from email_engine.store.fleet.ips import KEY_PATH, SELECTOR, SIGNS
from email_engine.store.schema import dkim_keys, dns_checks, domains, ips

Key = tuple[int, str, str]
"""(ip_id, subject, check_id)."""


def tenants_to_check(conn: Connection) -> tuple[str, ...]:
    """Tenants that have an IP in the inventory and are visible to the session, by name."""
    query = select(ips.c.tenant).where(ips.c.removed.is_(False)).distinct().order_by(ips.c.tenant)
    return tuple(conn.execute(query).scalars())


def record_findings(
    conn: Connection,
    tenant: str,
    ip_id: int,
    findings: Iterable[DnsFinding],
    checked_at: datetime,
    dag_id: str | None,
    run_id: str | None,
) -> None:
    """Writes one IP's findings, without information that is as it should be; a run that is repeated replaces its own."""
    rows = [
        {
            "tenant": tenant,
            "ip_id": ip_id,
            "subject": finding.subject,
            "check_id": finding.check_id,
            "status": finding.status.value,
            "severity": finding.severity.value,
            "observed": finding.observed,
            "expected": finding.expected,
            "remedy": finding.remedy,
            "checked_at": checked_at,
            "dag_id": dag_id,
            "run_id": run_id,
        }
        for finding in findings
        if finding.status is not DnsStatus.OK or finding.severity is not Gravity.INFO
    ]
    if not rows:
        return
    statement = insert(dns_checks)
    told = ("status", "severity", "observed", "expected", "remedy", "dag_id", "run_id")
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["ip_id", "subject", "check_id", "checked_at"],
            set_={name: statement.excluded[name] for name in told},
        ),
        rows,
    )


def set_validity(
    conn: Connection, ip_id: int, validity: Mapping[str, bool | None], checked_at: datetime
) -> None:
    """`validity`: spf, dkim, dmarc, ptr, mx to True, False, or None for unknown, which keeps the last answer. An older run never
    overwrites."""
    verdicts = {f"{group}_valid": verdict for group, verdict in validity.items() if verdict is not None}
    not_newer = domains.c.last_dns_check.is_(None) | (domains.c.last_dns_check <= checked_at)
    conn.execute(
        update(domains)
        .where(domains.c.ip_id == ip_id, not_newer)
        .values(last_dns_check=checked_at, **verdicts)
    )


def broken_before(conn: Connection, tenant: str, before: datetime) -> frozenset[Key]:
    """Error findings that the last answered run before that time found broken, by IP and group of checks (spf, ptr ...); runs in
    which the group got no answer do not count, and what a later run no longer found is over."""
    checks = dns_checks.c
    group = func.split_part(checks.check_id, ".", 1)
    broken = (checks.severity == "error") & (checks.status == DnsStatus.BROKEN.value)
    unknown = (checks.severity == "error") & (checks.status == DnsStatus.UNKNOWN.value)
    runs = (
        select(checks.ip_id, group.label("of"), checks.checked_at)
        .where(checks.tenant == tenant, checks.checked_at < before)
        .group_by(checks.ip_id, group, checks.checked_at)
        .having(func.bool_or(broken) | ~func.bool_or(unknown))
        .subquery()
    )
    last = (
        select(runs.c.ip_id, runs.c.of, func.max(runs.c.checked_at).label("checked_at"))
        .group_by(runs.c.ip_id, runs.c.of)
        .subquery()
    )
    query = (
        select(checks.ip_id, checks.subject, checks.check_id)
        .join(
            last,
            (last.c.ip_id == checks.ip_id) & (last.c.of == group) & (last.c.checked_at == checks.checked_at),
        )
        .where(broken)
    )
    return frozenset((row.ip_id, row.subject, row.check_id) for row in conn.execute(query))


def sender_of(conn: Connection, domain: str) -> Any:
    """The IP that sends for the domain: `address`, `hostname`, `selector`, `key_path` (it may hold `{selector}`), `tenant`; `public_key` of
    that selector, where table dkim_keys has it. None where the fleet has none."""
    query = (
        select(
            ips.c.address, ips.c.hostname, ips.c.tenant, SELECTOR.label("selector"), KEY_PATH.label("key_path"),
            dkim_keys.c.public_key,
        )
        .select_from(ips)
        .join(domains, domains.c.ip_id == ips.c.id)
        .outerjoin(dkim_keys, SIGNS)
        .where(domains.c.name == domain, ips.c.removed.is_(False))
    )  # fmt: skip
    return conn.execute(query).one_or_none()
