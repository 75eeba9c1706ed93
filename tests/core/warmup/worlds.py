"""Observations for tests: one IP that is fine, changed where a test needs it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from email_engine.fleet.model import IpRecord, IpState, Mode, RiskClass
from email_engine.fleet.traffic import DayCounts
from email_engine.warmup.observation import DnsHealth, IpObservation, midnight

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


def sent(days: int, delivered: int = 50, until: date = DAY, **counts: int) -> tuple[DayCounts, ...]:
    """The same counts on each of the last days."""
    return tuple(DayCounts(until - timedelta(days=n), delivered, **counts) for n in reversed(range(days)))


def observation(
    days: Sequence[DayCounts] = (), *, number: int = 1, ip: dict[str, Any] | None = None, **changes: Any
) -> IpObservation:
    """Warming in phase 1 of six_week with 50 a day or what it sent, DNS fine, accounting fresh, no list."""
    fields: dict[str, Any] = {
        "given": max([50, *(counts.sent for counts in days)]),
        "standing": 50,
        "fresh_through": midnight(NEXT) + timedelta(minutes=4),
        "dns": DnsHealth.OK,
        "lists_known": True,
        "phase_started_on": DAY - timedelta(days=40),
    }
    return IpObservation(record(number, **(ip or {})), tuple(days), **fields | changes)
