"""`email-engine replay ACCT...`: what the engine would have decided, from real accounting files; nothing is stored."""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from email_engine.commands.output import add_json
from email_engine.commands.policies import add_fleet_and_policy, chosen_fleet, chosen_policies
from email_engine.errors import InputError
from email_engine.fleet.model import Fleet, SendingIp
from email_engine.fleet.providers import shipped_providers
from email_engine.fleet.traffic import DayCounts
from email_engine.mta.accounting import Counts, Source, summarize
from email_engine.simulation.days import IpDay
from email_engine.simulation.replay import replay
from email_engine.warmup.choice import Action

MOST_DAYS = 400


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
    for path in dict.fromkeys(args.files):
        seen.take(*_read(path))
    seen.refuse_gaps()
    days = replay(fleet, policy, seen.counts, seen.known_until)
    if args.json:
        for one in days:
            print(json.dumps(_export(one), ensure_ascii=False))
    else:
        _print(days)
    for finding in seen.findings():
        print(finding, file=sys.stderr)
    return 1 if seen.findings() else 0


def _read(path: Path) -> tuple[Iterable[tuple[Source, datetime, Counts]], int]:
    """What the file says of each source and hour, and how many of its rows were unreadable."""
    try:
        summary = summarize(path, path.name, shipped_providers())
    except OSError as error:
        observed = error.strerror or type(error).__name__
        raise InputError(str(path), observed, "a readable accounting file", "check the path") from None
    rows = ((source, hour, counts) for (source, _, hour), counts in summary.rows())
    return rows, summary.rejected_rows


@dataclass
class _Traffic:
    """The files' counts by address of the fleet and UTC day."""

    fleet: Fleet
    counts: dict[str, dict[date, DayCounts]] = field(default_factory=lambda: defaultdict(dict))
    known_until: dict[str, datetime] = field(default_factory=dict)
    strangers: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0

    def __post_init__(self) -> None:
        self.by_address = {str(ip.address): ip for ip in self.fleet.ips}
        self.by_vmta = {ip.vmta: ip for ip in self.fleet.ips}

    def _ip(self, source: Source) -> SendingIp | None:
        try:
            address = str(ip_address(source.address))
        except ValueError:
            address = ""
        return self.by_address.get(address) or self.by_vmta.get(source.vmta)

    def take(self, rows: Iterable[tuple[Source, datetime, Counts]], unreadable: int) -> None:
        self.unreadable += unreadable
        for source, hour, counts in rows:
            ip = self._ip(source)
            if ip is None:
                self.strangers[source.address or source.vmta] += counts.attempts + counts.complained
                continue
            days, day = self.counts[str(ip.address)], hour.date()
            was = days.get(day, DayCounts(day))
            days[day] = replace(
                was,
                delivered=was.delivered + counts.delivered,
                bounced=was.bounced + counts.bounced,
                deferred=was.deferred + counts.deferred,
                complained=was.complained + counts.complained,
            )
            until = hour + timedelta(hours=1)
            self.known_until[ip.mta_host] = max(until, self.known_until.get(ip.mta_host, until))

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
            for name, count in sorted(self.strangers.items())
        ]
        return found + ([f"unreadable, left out: {self.unreadable} rows"] if self.unreadable else [])


def _export(one: IpDay) -> dict[str, Any]:
    """`score` stays null until the engine has one."""
    return {
        "date": one.day.isoformat(),
        "ip": one.address,
        "state": one.state,
        "stage": one.stage,
        "allowance": one.allowance,
        "sent": one.counts.sent,
        "verdict": one.verdict and str(one.verdict),
        "score": None,
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
