"""What accounting files say about a fleet, for a replay: by IP, UTC day and mailbox provider."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from ipaddress import ip_address

from email_engine.accounting.read_files import Read
from email_engine.accounting.summarize import Counts, SendingSource
from email_engine.accounting.values import Event
from email_engine.fleet.model import Fleet, SendingIp
from email_engine.fleet.traffic import DayCounts
from email_engine.reputation.named import NamedList
from email_engine.simulation.replay import Accounting
from email_engine.simulation.truth import Report

PRESSING = ("reputation", "rate")
"""What a deferral means that presses an IP."""


@dataclass
class FileTraffic:
    """The files' counts by address of the fleet, UTC day and mailbox provider; `refusals` by address, day, block list and provider.
    `first`: what was sent before this UTC day is left out."""

    fleet: Fleet
    first: date | None = None
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
    mails: set[tuple[str, str]] = field(default_factory=set)
    """Message-Id and recipient of mail that was complained about."""
    repeated: int = 0

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
            if self.first is not None and hour.date() < self.first:
                continue
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
        """A complaint, known from the day on which it was logged; one about the same mail counts once."""
        ip, mail = self._ip(event.source), (event.message_id, event.recipient.lower())
        if all(mail) and mail in self.mails:
            self.repeated += 1
            return
        if ip is not None:
            self.mails.add(mail)
            sent = (event.sent_at or event.at).date()
            report = Report(event.provider, sent, event.at.date(), 1, dated=event.sent_at is not None)
            if self.first is not None and report.known < self.first:
                return
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
                    NamedList(
                        name,
                        day,
                        dict(by),
                        sum(c.sent for c in self.counts[address][day].values()),
                        asked="a replay cannot ask it",
                    )
                    for name, by in sorted(lists.items())
                ]
                for day, lists in days.items()
            }
            for address, days in self.refusals.items()
        }

    def accounting(self) -> Accounting:
        return Accounting(self.counts, self.known, self.named(), self.reports)

    def findings(self) -> list[str]:
        found = [
            f"not in the fleet, left out: {name} ({count} records)"
            for name, count in sorted(self.unknown_sources.items())
        ]
        found += [f"unreadable, left out: {self.unreadable} rows"] if self.unreadable else []
        found += [f"reports that came again, counted once: {self.repeated}"] if self.repeated else []
        return found + self.refused
