"""`email-engine replay ACCT...`: what the engine would have decided, from real accounting files; nothing is stored."""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from email_engine.accounting.summarize import Counts, SendingSource
from email_engine.accounting.values import Event
from email_engine.commands.ingest import Read, read_all
from email_engine.commands.output import add_json
from email_engine.commands.policies import add_fleet_and_policy, chosen_fleet, chosen_policies
from email_engine.errors import InputError
from email_engine.fleet.model import Fleet, SendingIp
from email_engine.fleet.traffic import DayCounts
from email_engine.reputation.named import NamedList
from email_engine.simulation.days import IpDay
from email_engine.simulation.replay import replay
from email_engine.simulation.truth import Report
from email_engine.warmup.proposal import Action

MOST_DAYS = 400
PRESSING = ("reputation", "rate")
"""What a deferral means that presses an IP."""


def configure(parser: argparse.ArgumentParser) -> None:
    """ACCT..., --fleet, --policy and --json."""
    parser.add_argument(
        "files", metavar="ACCT", nargs="+", type=Path, help="accounting file (CSV with header)"
    )
    add_fleet_and_policy(parser, several=False)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Exit 1 if rows were unreadable or named a source that the fleet does not have; both are told on stderr."""
    fleet, (policy,) = chosen_fleet(args), chosen_policies(args).values()
    seen = _Traffic(fleet)
    for file in read_all(list(dict.fromkeys(args.files))):
        seen.take(file)
    seen.refuse_gaps()
    days = replay(fleet, policy, seen.counts, seen.known, seen.named(), seen.reports)
    if args.json:
        for one in days:
            print(json.dumps(_export(one), ensure_ascii=False))
    else:
        _print(days)
    for line in (*seen.findings(), *seen.copies):
        print(line, file=sys.stderr)
    return 1 if seen.findings() else 0


@dataclass
class _Traffic:
    """The files' counts by address of the fleet, UTC day and mailbox provider; `refusals` by address, day, block list and provider."""

    fleet: Fleet
    counts: dict[str, dict[date, dict[str, DayCounts]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    known: dict[str, dict[date, datetime]] = field(default_factory=lambda: defaultdict(dict))
    refusals: dict[str, dict[date, dict[str, Counter[str]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(Counter)))
    )
    reports: dict[str, dict[date, list[Report]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    unknown_sources: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    unreadable: int = 0

    def __post_init__(self) -> None:
        self.by_address = {str(ip.address): ip for ip in self.fleet.ips}
        self.by_vmta = {ip.vmta.lower(): ip for ip in self.fleet.ips}
        bound = [str(ip.bind_address) for ip in self.fleet.ips if ip.bind_address]
        once = {address for address, times in Counter(bound).items() if times == 1}
        self.by_bind = {str(ip.bind_address): ip for ip in self.fleet.ips if str(ip.bind_address) in once}
        """Without those that several hosts bind, each behind a NAT of its own: a file does not say its host."""

    def _ip(self, source: SendingSource) -> SendingIp | None:
        try:
            address = str(ip_address(source.address))
        except ValueError:
            address = ""
        return (
            self.by_address.get(address)
            or self.by_vmta.get(source.vmta.strip().lower())
            or self.by_bind.get(address)
        )

    def take(self, file: Read) -> None:
        self.unreadable += file.summary.rejected_rows
        if file.copy_of:
            self.copies.append(f"{file.path}: its rows stand in {file.copy_of} too, and count once")
        if file.refused:
            self.refused.append(
                f"the pipeline would refuse {file.path}: {file.summary.rejected_rate:.1%} unreadable"
            )
        for event in file.summary.complaints:
            self._report(event)
        for (source, provider, hour), counts in file.summary.rows():
            ip = self._ip(source)
            if ip is None:
                self.unknown_sources[source.address or source.vmta] += counts.attempts + counts.complained
                continue
            days, day = self.counts[str(ip.address)], hour.date()
            for name, count in counts.named_lists.items():
                self.refusals[str(ip.address)][day][name][provider] += count
            days[day][provider] = self._added(days[day].get(provider, DayCounts(day)), counts)
            if counts.attempts:
                known, until = self.known[ip.mta_host], hour + timedelta(hours=1)
                known[day] = max(until, known.get(day, until))

    def _report(self, event: Event) -> None:
        """A complaint, known from the day on which it was logged."""
        ip = self._ip(event.source)
        if ip is not None:
            sent = (event.sent_at or event.at).date()
            report = Report(event.provider, sent, event.at.date(), 1, dated=event.sent_at is not None)
            self.reports[str(ip.address)][report.known].append(report)

    def _added(self, was: DayCounts, counts: Counts) -> DayCounts:
        return DayCounts(
            day=was.day,
            delivered=was.delivered + counts.delivered,
            bounced=was.bounced + counts.bounced,
            deferred=was.deferred + counts.deferred,
            blocked=was.blocked + counts.bounce_meanings.get("reputation", 0),
            throttling_deferrals=was.throttling_deferrals
            + sum(counts.deferral_meanings.get(one, 0) for one in PRESSING),
            unknown_users=was.unknown_users + counts.bounce_meanings.get("address", 0),
            content_refusals=was.content_refusals + counts.bounce_meanings.get("content", 0),
        )

    def named(self) -> dict[str, dict[date, list[NamedList]]]:
        """Block lists that replies named, by address and day."""
        return {
            address: {
                day: [
                    NamedList(name, day, dict(by), sum(c.sent for c in self.counts[address][day].values()))
                    for name, by in sorted(lists.items())
                ]
                for day, lists in days.items()
            }
            for address, days in self.refusals.items()
        }

    def refuse_gaps(self) -> None:
        """A wrong clock in one row would make years of empty days."""
        every = sorted({day for days in self.counts.values() for day in days})
        if every and (every[-1] - every[0]).days >= MOST_DAYS:
            raise InputError(
                "accounting files", f"{every[0]} to {every[-1]}", f"{MOST_DAYS} days at most",
                "replay a part of the files, and look for rows of a wrong clock",
            )  # fmt: skip

    def findings(self) -> list[str]:
        found = [
            f"not in the fleet, left out: {name} ({count} records)"
            for name, count in sorted(self.unknown_sources.items())
        ]
        found += [f"unreadable, left out: {self.unreadable} rows"] if self.unreadable else []
        return found + self.refused


def _export(one: IpDay) -> dict[str, Any]:
    """`score` and `band` are null where there is too little mail, or where nothing is judged."""
    return {
        "date": one.day.isoformat(),
        "ip": one.address,
        "state": one.state,
        "stage": one.stage,
        "allowance": one.allowance,
        "sent": one.counts.sent,
        "verdict": one.verdict and str(one.verdict),
        "score": one.score.value,
        "band": [one.score.low, one.score.high] if one.score.known else None,
        "action": str(one.action),
        "gates": {gate: str(verdict) for gate, verdict in one.gates.items()},
        "paces": dict(one.throttle_factors),
        "reason": one.reason,
    }


def _print(days: Iterable[IpDay]) -> None:
    """Days on which something else than staying was decided, and how often what was."""
    actions: Counter[str] = Counter()
    for one in days:
        actions[str(one.action)] += 1
        if one.action is not Action.STAY:
            where = f"{one.state} {one.stage}, allowed {one.allowance}, sent {one.counts.sent}"
            print(f"{one.day}  {one.address}  {one.action}  ({where}): {one.reason}")
    told = ", ".join(f"{count} {action.replace('_', ' ')}" for action, count in sorted(actions.items()))
    print(f"{actions.total()} decisions: {told}" if actions else "No mail of this fleet, nothing to decide.")
