"""Observations for tests: one IP that is fine, changed where a test needs it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from email_engine.fleet.model import IpRecord, IpState, Mode, RiskClass
from email_engine.fleet.traffic import DayCounts, Days, total
from email_engine.simulation.life import Life, after, observe, sent_on
from email_engine.warmup.decide import decide_days
from email_engine.warmup.observation import DnsHealth, IpObservation, midnight
from email_engine.warmup.peers import peers_of
from email_engine.warmup.plan import IpDecision, plan_quota_pool
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import Proposal

DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(days=1)


def record(number: int = 1, **changes: Any) -> IpRecord:
    base = IpRecord(
        ip_id=number,
        address=ip_address(f"198.51.100.{number}"),
        hostname=f"mail{number}.aurora-mail.example",
        domain=f"news{number}.aurora-mail.example",
        tenant="aurora",
        mode=Mode.ACT,
        stream="newsletter",
        risk_class=RiskClass.STANDARD,
        vmta=f"aurora-{number}",
        pool="aurora-newsletter",
        mta_host="mta-1",
        mailwizz="mw-aurora",
        mailwizz_server_id=100 + number,
        dkim_selector="s1",
        dkim_key_path="/etc/pmta/dkim/x.pem",
        state=IpState.WARMING,
        state_since=datetime(2026, 9, 1, tzinfo=UTC),
        allowance=50,
        daily_target=10_000,
        schedule="six_week",
        phase=1,
        sent_days_in_phase=0,
    )
    return replace(base, **changes)


def sent(days: int, delivered: int = 50, until: date = DAY, **counts: int) -> Days:
    """The same counts on each of the last days."""
    return Days.of(DayCounts(until - timedelta(days=n), delivered, **counts) for n in reversed(range(days)))


def observation(
    days: Iterable[DayCounts] = (), *, number: int = 1, ip: dict[str, Any] | None = None, **changes: Any
) -> IpObservation:
    """Among good IPs of its stream; warming in phase 1 of six_week with 50 a day or what it sent, DNS fine, accounting fresh, no list."""
    days = tuple(days)
    fields: dict[str, Any] = {
        "given": max([50, *(counts.sent for counts in days)]),
        "standing": 50,
        "fresh_through": midnight(NEXT) + timedelta(minutes=4),
        "dns": DnsHealth.OK,
        "blocklists_known": True,
        "phase_started_on": DAY - timedelta(days=40),
        "peers": [DayCounts(counts.day, 5_000) for counts in days],
    }
    fields |= changes
    fields |= {name: Days.of(fields[name]) for name in {"peers", "domain"} & fields.keys()}
    providers = {name: Days.of(some) for name, some in fields.pop("providers", {}).items()}
    return IpObservation(record(number, **(ip or {})), Days.of(days), **fields, providers=providers)


def decide_day(seen: IpObservation, policy: Policy, day: date, effective: date) -> Proposal:
    """What is decided about one IP."""
    (proposal,) = decide_days([seen], policy, day, effective)
    return proposal


Traffic = Callable[[int, int, int], Mapping[str, DayCounts]]
"""Number of the IP, number of the day (0 first) and its allowance to its mail by provider; the day in it does not matter."""


def live_through(
    lives: Sequence[Life], traffic: Traffic, days: int, policy: Policy, quota: int = 10_000_000
) -> list[tuple[IpDecision, ...]]:
    """What is decided each evening from DAY on, decisions fed back; every signal good."""
    told = []
    for number in range(days):
        day = DAY + timedelta(days=number)
        given = [life.may_send for life in lives]
        evening = []
        for life, allowed in zip(lives, given, strict=True):
            mail = {
                name: replace(counts, day=day)
                for name, counts in traffic(life.ip.ip_id, number, allowed).items()
            }
            whole = total(mail.values(), day, day)
            evening.append(sent_on(life, whole, mail))
        around = peers_of(
            [life.ip for life in evening], {life.ip.ip_id: life.days for life in evening}, policy.gates
        )
        seen = [
            observe(life, day, midnight(day + timedelta(days=1)), around[life.ip.ip_id], allowed)
            for life, allowed in zip(evening, given, strict=True)
        ]
        ip_decisions = tuple(plan_quota_pool(seen, policy, quota, day, day + timedelta(days=1)))
        told.append(ip_decisions)
        lives = [
            after(life, ip_decision, day + timedelta(days=1))
            for life, ip_decision in zip(evening, ip_decisions, strict=True)
        ]
    return told


def a_life(number: int = 1, allowance: int = 50, **ip: Any) -> Life:
    """An IP whose stage began on DAY; `ip`: its inventory and state."""
    return Life(record(number, **ip), allowance=allowance, phase_started_on=DAY)
