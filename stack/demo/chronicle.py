"""What the engine's database says of the simulated days: the material of the timeline and of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, Select, cast, func, select

from email_engine.store.engine import Store
from email_engine.store.schema import (
    allowances,
    blacklist_events,
    decisions,
    delivery_stats,
    deployments,
    dns_checks,
    ip_state_history,
    ips,
    quota_syncs,
)

Curve = Mapping[date, tuple[int, int]]
"""Day -> (allowance, messages that the accounting files say were sent)."""


def _in_force(days: Mapping[date, tuple[int | None, int]], every_day: Sequence[date]) -> Curve:
    """An allowance stands until the next row says otherwise."""
    curve: dict[date, tuple[int, int]] = {}
    standing = 0
    for day in every_day:
        decided, sent = days.get(day, (None, 0))
        standing = standing if decided is None else decided
        curve[day] = (standing, sent)
    return curve


@dataclass(frozen=True, slots=True)
class Event:
    """One thing worth a line in the timeline."""

    at: datetime
    what: str


class Chronicle:
    """Reads only; everything it tells came into the database through the pipelines."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def _rows(self, query: Select[Any]) -> list[Any]:
        with self.store.session(tenant="*") as conn:
            return list(conn.execute(query))

    def states(self) -> dict[str, int]:
        """State -> number of IPs now."""
        query = select(ips.c.status, func.count()).where(ips.c.removed.is_(False)).group_by(ips.c.status)
        return dict(self._rows(query))

    def state_of(self, address: str) -> str:
        return str(self._rows(select(ips.c.status).where(ips.c.address == address))[0][0])

    def sent_on(self, day: date) -> tuple[int, int, int]:
        """(delivered, bounced, deferred) of one UTC day, from accounting."""
        c = delivery_stats.c
        hour = cast(func.timezone("UTC", c.hour), Date)
        found = self._rows(
            select(func.sum(c.delivered), func.sum(c.bounced), func.sum(c.deferred)).where(hour == day)
        )
        return tuple(int(n or 0) for n in found[0])  # type: ignore[return-value]

    def last_sent(self, address: str) -> datetime | None:
        """The last hour in which accounting saw an attempt from this IP."""
        query = (
            select(func.max(delivery_stats.c.hour))
            .join_from(delivery_stats, ips, ips.c.id == delivery_stats.c.ip_id)
            .where(ips.c.address == address, delivery_stats.c.attempts > 0)
        )
        return self._rows(query)[0][0]

    def curves(self) -> dict[str, Curve]:
        """Virtual MTA -> allowance and sent a day."""
        hour = cast(func.timezone("UTC", delivery_stats.c.hour), Date)
        sent = self._rows(
            select(ips.c.vmta_name, hour, func.sum(delivery_stats.c.delivered + delivery_stats.c.bounced))
            .join_from(delivery_stats, ips, ips.c.id == delivery_stats.c.ip_id)
            .group_by(ips.c.vmta_name, hour)
        )
        allowed = self._rows(
            select(ips.c.vmta_name, allowances.c.day, allowances.c.messages)
            .join_from(allowances, ips, ips.c.id == allowances.c.ip_id)
            .where(allowances.c.provider == "*")
        )
        curves: dict[str, dict[date, tuple[int | None, int]]] = {}
        for vmta, day, messages in allowed:
            curves.setdefault(vmta, {})[day] = (messages, 0)
        for vmta, day, number in sent:
            known = curves.setdefault(vmta, {}).get(day, (None, 0))
            curves[vmta][day] = (known[0], int(number))
        every_day = sorted({day for days in curves.values() for day in days})
        return {vmta: _in_force(days, every_day) for vmta, days in curves.items()}

    def initially(self, status: str) -> list[str]:
        """Virtual MTAs that came aboard in a state, by number."""
        first = select(ip_state_history.c.ip_id).where(
            ip_state_history.c.from_status.is_(None), ip_state_history.c.to_status == status
        )
        query = select(ips.c.vmta_name).where(ips.c.id.in_(first)).order_by(ips.c.id)
        return [row[0] for row in self._rows(query)]

    def events(self, since: datetime) -> list[Event]:
        """State changes, listings, deployments that failed or healed, pauses and DNS findings after `since`."""
        h, b, d = ip_state_history.c, blacklist_events.c, decisions.c
        found = [
            Event(at, f"{vmta} {before} -> {after}: {reason}")
            for at, vmta, before, after, reason in self._rows(
                select(h.as_of, ips.c.vmta_name, h.from_status, h.to_status, h.reason)
                .join_from(ip_state_history, ips, ips.c.id == h.ip_id)
                .where(h.as_of > since, h.from_status.is_not(None), h.from_status != h.to_status)
            )
        ]
        found += [
            Event(at, f"{vmta} listed on {zone}: {reason or 'no reason given'}")
            for at, vmta, zone, reason in self._rows(
                select(b.opened_at, ips.c.vmta_name, b.zone, b.reason)
                .join_from(blacklist_events, ips, ips.c.id == b.ip_id)
                .where(b.opened_at > since)
            )
        ]
        found += [
            Event(at, f"{subject} {action}: {reason}")
            for at, subject, action, reason in self._rows(
                select(d.as_of, d.subject, d.action, d.reason).where(
                    d.as_of > since,
                    d.pipeline == "warmup_advance",
                    d.action.in_(("pause", "step_back", "resume")),
                )
            )
        ]
        c = dns_checks.c
        first = func.min(c.checked_at)
        found += [
            Event(at, f"{subject}: {check} is broken; the remedy is in dns_checks")
            for at, subject, check in self._rows(
                select(first, c.subject, c.check_id)
                .where(c.status == "broken", c.severity == "error")
                .group_by(c.subject, c.check_id)
                .having(first > since)
            )
        ]
        return sorted(found, key=lambda event: event.at)

    def graduated(self) -> int:
        """IPs that went from warming to active."""
        h = ip_state_history.c
        query = select(func.count()).where(h.from_status == "warming", h.to_status == "active")
        return int(self._rows(query)[0][0])

    def last_deployment(self, host: str) -> str | None:
        """Result of the newest deployment of a host."""
        d = deployments.c
        found = self._rows(select(d.status).where(d.mta_host == host).order_by(d.id.desc()).limit(1))
        return str(found[0][0]) if found else None

    def deployments_by_status(self) -> dict[str, int]:
        query = select(deployments.c.status, func.count()).group_by(deployments.c.status)
        return dict(self._rows(query))

    def broken_dns(self, subject: str) -> int:
        """How often a check of this domain or IP was found broken."""
        query = select(func.count()).where(
            dns_checks.c.subject.contains(subject), dns_checks.c.status == "broken"
        )
        return int(self._rows(query)[0][0])

    def totals(self) -> dict[str, int]:
        """Rows written on the way."""
        tables = {
            "decisions": decisions,
            "deployments": deployments,
            "quota changes": quota_syncs,
            "DNS checks": dns_checks,
        }
        return {
            name: int(self._rows(select(func.count()).select_from(table))[0][0])
            for name, table in tables.items()
        }

    def decisions_of(self, subject: str, action: str) -> int:
        query = select(func.count()).where(decisions.c.subject == subject, decisions.c.action == action)
        return int(self._rows(query)[0][0])
