"""Waiting for DNS: look, write down what was seen, look again later; what is good stays good."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from email_engine.dnsauth.model import DnsFinding, DnsStatus
from email_engine.dnsauth.validate import validate, validity
from email_engine.fleet.model import IpRecord, IpState
from email_engine.onboarding.policy import shipped_onboard_policy
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.dns_validate import subject_of
from email_engine.pipelines.fleet_onboard.plan import ONBOARDING
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store import dkim_keys, dns_checks
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.telling.alerts import News, announce
from email_engine.warmup.policy_file import load_policy

log = logging.getLogger(__name__)
SHOWN = 10
NO_RESOLVER = (
    "Next: the resolver answered none of these questions, so nothing is known of what is published: look at it (connection "
    "dns_resolver_default) before anything is published again"
)
NEXT = (
    "Next: publish what `hand_over` wrote (records.txt, with the PTR for whoever owns the addresses), make the delivery servers; "
    "`email-engine fleet records --missing` shows what DNS does not answer yet"
)


@dataclass(frozen=True, slots=True)
class Looked:
    """`good`: IPs whose DNS is right; `again_at`: when to look next (aware UTC), None where nothing is left to wait for."""

    good: int
    waiting: int
    again_at: datetime | None = None


def look(
    store: Store, clients: Clients, tenant: str, addresses: Sequence[str], run: Run, now: datetime
) -> Looked:
    """One look at the DNS of these IPs, as far as the fleet has them and they stand by; its findings are those of `dns_validate`, so
    that the clean days begin with the first good one. No answer is no good answer. No row is held while DNS is asked."""
    wanted = {ip_address(address) for address in addresses}
    with store.session(tenant=tenant) as conn:
        records = {
            ip.address: ip for ip in load_ips(conn, day=now.date(), tenant=tenant) if ip.address in wanted
        }
        keys = dkim_keys.signing(conn)
    absent = sorted(wanted - records.keys(), key=int)
    asked = [ip for ip in records.values() if ip.state is IpState.STANDBY]
    subjects = {ip.ip_id: subject_of(ip, keys.get(ip.domain)) for ip in asked}
    found = validate(list(subjects.values()), clients.resolver().resolve_many) if subjects else {}
    wrong: dict[IpRecord, list[DnsFinding]] = {}
    with store.session(tenant=tenant) as conn:
        for ip in asked:
            of_ip = found[subjects[ip.ip_id]]
            dns_checks.record_findings(conn, tenant, ip.ip_id, of_ip, now, run.dag_id, run.run_id)
            dns_checks.set_validity(conn, ip.ip_id, validity(of_ip), now)
            if bad := [f for f in of_ip if f.severity == "error" and f.status != "ok"]:
                wrong[ip] = bad
    waiting, good = len(wrong) + len(absent), len(records) - len(wrong)
    for line in _missing(wrong, [str(one) for one in absent]):
        log.info("%s", line)
    if not waiting:
        _tell_good(store, tenant, records, run, now)
        return Looked(good, 0)
    _remind(store, tenant, wrong, absent, run, now)
    return Looked(good, waiting, now + pause(now - run.as_of))


def pause(waited: timedelta) -> timedelta:
    """Often while somebody sits before it, then as often as zones change."""
    if waited < timedelta(minutes=10):
        return timedelta(seconds=30)
    if waited < timedelta(hours=1):
        return timedelta(minutes=2)
    return timedelta(minutes=15) if waited < timedelta(days=2) else timedelta(hours=1)


def _missing(wrong: dict[IpRecord, list[DnsFinding]], absent: Sequence[str]) -> list[str]:
    lines = []
    if absent:
        lines.append(
            f"{amount(len(absent), 'IP')} not in the fleet yet, from {absent[0]} on: its file lacks the lines that the plan shows"
        )
    kinds = Counter(f"{f.check_id} {f.status}" for of_ip in wrong.values() for f in of_ip)
    if kinds:
        lines.append(
            f"{amount(len(wrong), 'IP')} wait: "
            + ", ".join(f"{kind} ({n})" for kind, n in kinds.most_common(SHOWN))
        )
    for ip, of_ip in list(wrong.items())[:SHOWN]:
        lines.append(f"{ip.address}: {'; '.join(f'{f.check_id} {f.subject}: {f.observed}' for f in of_ip)}")
    silent = kinds and all(f.status is DnsStatus.UNKNOWN for of_ip in wrong.values() for f in of_ip)
    return [*lines, NO_RESOLVER if silent else NEXT] if lines else []


def _remind(
    store: Store,
    tenant: str,
    wrong: dict[IpRecord, list[DnsFinding]],
    absent: Sequence[object],
    run: Run,
    now: datetime,
) -> None:
    """Once every `remind_days`, with what is missing."""
    times = (now - run.as_of) // shipped_onboard_policy().remind_after
    if times < 1:
        return
    lines = _missing(wrong, [str(one) for one in absent])
    text = "\n".join([f"{tenant}: an onboarding waits for DNS since {run.as_of:%Y-%m-%d}", *lines])
    announce(
        store,
        [News(ONBOARDING, run.run_id, f"waits {times}", "warning", text, tenant, run.dag_id, run.run_id)],
    )


def _tell_good(store: Store, tenant: str, records: Mapping[Any, IpRecord], run: Run, now: datetime) -> None:
    policy = load_policy()
    first, last = min(records, key=int), max(records, key=int)
    ready = now.date() + timedelta(days=policy.clean_days)
    start = (
        "then they start by themselves"
        if policy.auto_start_standby
        else "then a person starts them with `ip_transition`"
    )
    text = (
        f"{tenant}: DNS of {amount(len(records), 'new IP')} is right ({first} to {last})\n"
        f"Their {amount(policy.clean_days, 'clean day')} run until {ready}; {start}, if a delivery server in MailWizz names their virtual MTA."
    )
    log.info("%s", text)
    announce(
        store, [News(ONBOARDING, f"{tenant} {first}", "good", "info", text, tenant, run.dag_id, run.run_id)]
    )
