"""Table `dns_checks`: what each run found; and the verdicts that stand in `domains`."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from email_engine.dnsauth.model import DnsFinding, DnsStatus
from email_engine.store.schema import dns_checks, domains, ips

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
    """Writes one IP's findings; a run that is repeated replaces its own."""
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
    """`validity`: spf, dkim, dmarc, ptr, mx to True, False, or None for unknown. An older run never overwrites."""
    verdicts = {f"{group}_valid": verdict for group, verdict in validity.items()}
    not_newer = domains.c.last_dns_check.is_(None) | (domains.c.last_dns_check <= checked_at)
    conn.execute(
        update(domains)
        .where(domains.c.ip_id == ip_id, not_newer)
        .values(last_dns_check=checked_at, **verdicts)
    )


def broken_before(conn: Connection, tenant: str, before: datetime) -> frozenset[Key]:
    """Error findings whose last known status, before that time, is broken; runs that got no answer do not count."""
    newest = (
        select(dns_checks.c.ip_id, dns_checks.c.subject, dns_checks.c.check_id, dns_checks.c.status)
        .where(
            dns_checks.c.tenant == tenant,
            dns_checks.c.checked_at < before,
            dns_checks.c.status != DnsStatus.UNKNOWN.value,
            dns_checks.c.severity == "error",
        )
        .ext(distinct_on(dns_checks.c.ip_id, dns_checks.c.subject, dns_checks.c.check_id))
        .order_by(
            dns_checks.c.ip_id, dns_checks.c.subject, dns_checks.c.check_id, dns_checks.c.checked_at.desc()
        )
    )
    return frozenset(
        (row.ip_id, row.subject, row.check_id)
        for row in conn.execute(newest)
        if row.status == DnsStatus.BROKEN.value
    )
