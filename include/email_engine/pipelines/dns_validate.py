"""The checks of one tenant's domains and IPs in DNS."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from email_engine.dkim.key import SigningKey
from email_engine.dnsauth.dkim import BadKey, public_key_of
from email_engine.dnsauth.model import DnsFinding, Subject
from email_engine.dnsauth.validate import validate, validity
from email_engine.fleet.model import IpRecord, IpState
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store import dkim_keys, dns_checks
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.telling import alerts

log = logging.getLogger(__name__)

UNKNOWN_ALERT_RATE = 0.5
SHOWN = 15


def check(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    """Checks SPF, DKIM, DMARC, PTR, HELO and MX of every IP of one tenant, and records what it found.

    It changes no state: `warmup_advance` reads the verdicts in `domains` and holds.

    Returns `{"tenant", "ips", "broken", "unknown", "changed"}`: numbers of IPs with an error, of IPs with an unanswered
    check, and of errors that came or went since the last answer. What is unknown keeps its last verdict."""
    with store.session(tenant=tenant) as conn:
        records = load_ips(conn, day=run.as_of.date(), tenant=tenant)
        keys = dkim_keys.signing(conn)
    subjects = {
        ip.ip_id: subject_of(ip, keys.get(ip.domain)) for ip in records if ip.state is not IpState.ABANDONED
    }
    found = validate(list(subjects.values()), clients.resolver().resolve_many)
    findings = {ip_id: found[subject] for ip_id, subject in subjects.items()}
    with store.session(tenant=tenant) as conn:
        summary = _record(conn, tenant, findings, run)
    log.info("%s%s", "dry run, nothing written: " if run.dry_run else "", summary)
    return summary


def _record(
    conn: Connection, tenant: str, findings: Mapping[int, Sequence[DnsFinding]], run: Run
) -> dict[str, Any]:
    before = dns_checks.broken_before(conn, tenant, run.as_of)
    change = _Change(findings, before)
    for ip_id, of_ip in findings.items():
        for finding in of_ip:
            if finding.status != "ok":
                log.info(
                    "%s %s: %s (%s)", finding.check_id, finding.subject, finding.observed, finding.status
                )
        if not run.dry_run:
            dns_checks.record_findings(conn, tenant, ip_id, of_ip, run.as_of, run.dag_id, run.run_id)
            dns_checks.set_validity(conn, ip_id, validity(of_ip), run.as_of)
    if not run.dry_run:
        _tell(conn, tenant, change, run)
    return {
        "tenant": tenant,
        "ips": len(findings),
        "broken": len({key[0] for key in change.broken}),
        "unknown": change.unknown_ips,
        "changed": len(change.new) + len(change.mended),
    }


class _Change:
    """Errors now against errors at their last answer; what is unknown now has not changed."""

    def __init__(
        self, findings: Mapping[int, Sequence[DnsFinding]], before: frozenset[tuple[int, str, str]]
    ) -> None:
        keyed = {
            (ip_id, f.subject, f.check_id): f
            for ip_id, of_ip in findings.items()
            for f in of_ip
            if f.severity == "error"
        }
        self.broken = {key: f for key, f in keyed.items() if f.status == "broken"}
        unknown = {key for key, f in keyed.items() if f.status == "unknown"}
        answered = {_group(key) for key in keyed} - {_group(key) for key in unknown}
        self.new = {key: f for key, f in self.broken.items() if key not in before}
        # A check that is not made any more (the record is gone, or there at last) is mended if its group was answered.
        self.mended = {key for key in before - self.broken.keys() - unknown if _group(key) in answered}
        self.still = len(self.broken) - len(self.new)
        self.unsettled = {key for key in before - self.broken.keys() if _group(key) not in answered}
        self.ips = len(findings)
        self.unknown_ips = len({key[0] for key in unknown})


def _group(key: dns_checks.Key) -> tuple[int, str]:
    return key[0], key[2].partition(".")[0]


def subject_of(ip: IpRecord, key: SigningKey | None) -> Subject:
    """What of an IP is looked at in DNS; `key`: the one that signs for its domain, None where none is known."""
    return Subject(
        domain=ip.domain,
        address=ip.address,
        hostname=ip.hostname,
        selector=ip.dkim_selector,
        dkim_key_path=ip.dkim_key_path,
        public_key=key.public_key if key else public_key(ip.dkim_key_path),
    )


def public_key(path: str) -> str | None:
    """The public half of the signing key, when its file can be read here; usually it lies on the MTA host alone."""
    try:
        return public_key_of(Path(path).read_bytes())
    except (OSError, BadKey):
        return None


def _tell(conn: Connection, tenant: str, change: _Change, run: Run) -> None:
    ids: dict[str, Any] = {"tenant": tenant, "dag_id": run.dag_id, "run_id": run.run_id}
    if change.new or change.mended:
        lines = [f"{f.check_id} {f.subject}: {f.observed}. Next: {f.remedy}" for f in change.new.values()]
        lines = lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])
        mended = [f"mended: {check_id} {subject}" for _, subject, check_id in sorted(change.mended)]
        lines += mended[:SHOWN] + ([f"and {len(mended) - SHOWN} more mended"] if len(mended) > SHOWN else [])
        if change.still:
            lines.append(f"{change.still} more were broken before.")
        state = f"checked {run.as_of.isoformat()}"
        severity = "warning" if change.new else "info"
        title = f"{tenant}: {amount(len(change.new), 'DNS check')} newly broken, {len(change.mended)} mended"
        alerts.raise_alert(conn, "dns", tenant, state, severity, "\n".join([title, *lines]), **ids)
    if not change.broken and not change.unsettled:
        alerts.clear(conn, "dns", tenant)
    if change.ips and change.unknown_ips >= UNKNOWN_ALERT_RATE * change.ips:
        text = (
            f"{tenant}: DNS of {change.unknown_ips} of {change.ips} IPs could not be checked\nNo answers; their warm-up holds. "
            "Look at the resolver (connection dns_resolver_default) and the zones' servers."
        )
        alerts.raise_alert(conn, "dns_unknown", tenant, "unknown", "warning", text, **ids)
    else:
        alerts.clear(conn, "dns_unknown", tenant)
