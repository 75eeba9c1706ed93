"""Groups of rows of an accounting file to a summary."""

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from email_engine.accounting.columns import Columns
from email_engine.accounting.deliveries import deliveries_to
from email_engine.accounting.event import LONGEST_WORD, event_of, plain_text
from email_engine.accounting.lexicon import Lexicon
from email_engine.accounting.scan import ATTEMPTS, NEGATIVE, Group, connect, scan
from email_engine.accounting.sink import EventSink
from email_engine.accounting.timeouts import Suspended, waited_out
from email_engine.accounting.values import (
    KINDS,
    Counts,
    Event,
    EventKind,
    SendingSource,
    Summary,
    parse_time,
    plain_address,
)
from email_engine.accounting.wordings import Wordings
from email_engine.fleet.providers import Providers

_EVENTS = {"b": EventKind.BOUNCE, "rb": EventKind.REMOTE_BOUNCE, "f": EventKind.COMPLAINT}
_SHORT = {**KINDS, **{short: short for short in KINDS.values()}}
HOUR_ALONE = len("2026-11-01 10")


class GroupCounter:
    """Groups of rows to a summary."""

    def __init__(
        self,
        providers: Providers,
        lexicon: Lexicon,
        latest: datetime,
        events: EventSink | None,
        suspended: Suspended | None,
        watched: Callable[[], Collection[str]] | None,
    ) -> None:
        self.summary = Summary()
        self.providers = providers
        self.lexicon = lexicon
        self.latest = latest
        self.events = events
        self.suspended = suspended
        self.watched = watched
        self.wordings = Wordings(self.summary, lexicon)
        self.hours: dict[str, datetime | None] = {}
        self.counts: dict[tuple[str, str, str, datetime], Counts] = {}
        self.sources: dict[tuple[str, str], SendingSource] = {}

    def all_of(self, path: Path, columns: Columns, *, header: bool, lines: bool) -> list[tuple[str, Group]]:
        """Takes every group of a file. Those that are wrong, with the reason; without `lines` it ends with the first."""
        wrong: list[tuple[str, Group]] = []
        with connect() as engine:
            for group in scan(
                engine,
                path,
                columns,
                self.providers,
                vocabulary=self.lexicon.vocabulary,
                latest=self.latest,
                header=header,
                lines=lines,
                events=self.events is not None,
            ):
                if reason := self.take(group):
                    wrong.append((reason, group))
                    if not lines:
                        break
        return wrong

    def watch(self, path: Path, columns: Columns, *, header: bool, lines: bool) -> None:
        """Notes the last delivery to each watched recipient."""
        addresses = self.watched() if self.watched else ()
        if not addresses:
            return
        known = self.summary.delivered_to
        with connect() as engine:
            for address, at in deliveries_to(engine, path, columns, addresses, header=header, lines=lines):
                known[address] = max(at, known.get(address, at))

    def take(self, group: Group) -> str | None:
        """Counts the group; or the reason why its rows are wrong."""
        kind = _SHORT.get(group.kind)
        if kind is None:
            if group.kind == NEGATIVE:
                return "a negative size or time in the queue"
            return "unknown record type" + _shown(group.kind)
        hour = self._hour(group.hour)
        if hour is None or hour > self.latest:
            reason = "unreadable time" if hour is None else "dated in the future"
            return reason + (_shown(group.details()[3]) if group.detail is not None else "")
        summary = self.summary
        if kind in ATTEMPTS:
            if not group.provider:
                return "no recipient address"
            if not (group.address or group.vmta):
                return "neither dlvSourceIp nor vmta"
            if kind == "b" and waited_out(self.suspended, group, self._source(group)):
                summary.waited_out += group.rows
                self._seen(kind, group, hour)
                return None
            key = (group.address, group.vmta, group.provider, hour)
            counts = self.counts.get(key)
            if counts is None:
                named = (self._source(group), group.provider, hour)
                counts = self.counts[key] = summary.stats.setdefault(named, Counts())
            if kind == "d":
                counts.delivered += group.rows
            elif kind == "t":
                counts.deferred += group.rows
            else:
                category = plain_text(group.category)[:LONGEST_WORD] or "unknown"
                counts.bounced += group.rows
                counts.bounce_categories[category] = counts.bounce_categories.get(category, 0) + group.rows
            if kind != "d":
                self.wordings.count(kind, group.provider, group, counts, hour)
        if kind in _EVENTS and group.detail is not None:
            self._event(event_of(_EVENTS[kind], group, self._source(group), self.providers), group.rows)
        self._seen(kind, group, hour)
        return None

    def _seen(self, kind: str, group: Group, hour: datetime) -> None:
        summary = self.summary
        summary.by_type[kind] = summary.by_type.get(kind, 0) + group.rows
        summary.records += group.rows
        if summary.first is None or hour < summary.first:
            summary.first = hour
        if summary.last is None or hour > summary.last:
            summary.last = hour

    def finish(self, whole_bytes: int, cut: bool) -> Summary:
        self.summary.whole_bytes, self.summary.cut = whole_bytes, cut
        self.summary.complaints.sort(key=lambda event: (event.at, event.recipient))
        return self.summary

    def _event(self, event: Event | None, rows: int) -> None:
        if event is not None and event.kind is EventKind.COMPLAINT:
            self.summary.complaints += [event] * rows
        elif event is not None and self.events is not None:
            for _ in range(rows):
                self.events.add(event)

    def _hour(self, text: str | None) -> datetime | None:
        """The hour that a group's text names; None if it names none."""
        if text is None:
            return None
        if text not in self.hours:
            self.hours[text] = None
            with suppress(ValueError):
                moment = parse_time(f"{text}:00:00" if len(text) == HOUR_ALONE else text)
                self.hours[text] = moment.replace(minute=0, second=0, microsecond=0)
        return self.hours[text]

    def _source(self, group: Group) -> SendingSource:
        key = (group.address, group.vmta)
        if key not in self.sources:
            self.sources[key] = SendingSource(
                plain_address(plain_text(group.address)), plain_text(group.vmta)
            )
        return self.sources[key]


def _shown(value: str) -> str:
    """What stood there, unless it may be an address: where columns are shifted, anything stands anywhere."""
    return "" if "@" in value else f" {plain_text(value)[:40]!r}"
