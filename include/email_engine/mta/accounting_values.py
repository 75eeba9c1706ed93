"""What an accounting file says, as values; and its three ways to write a time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

KEPT_REJECTIONS = 50
_US_TIMES = ("%m/%d/%Y %H:%M:%S%z", "%m/%d/%Y %H:%M:%S")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a message left from, as the row says it: source IP and virtual MTA name, '' where the row is silent."""

    address: str
    vmta: str


@dataclass(slots=True)
class Counts:
    """Recipients of one source, provider and hour. `bounce_categories`: PowerMTA's `bounceCat` to count."""

    delivered: int = 0
    bounced: int = 0
    deferred: int = 0
    complained: int = 0
    bounce_categories: dict[str, int] = field(default_factory=dict)

    @property
    def attempts(self) -> int:
        return self.delivered + self.bounced + self.deferred

    def add(self, other: "Counts") -> None:
        self.delivered += other.delivered
        self.bounced += other.bounced
        self.deferred += other.deferred
        self.complained += other.complained
        for category, count in other.bounce_categories.items():
            self.bounce_categories[category] = self.bounce_categories.get(category, 0) + count


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that could not be read: its last line in the file, and why."""

    line: int
    reason: str


Key = tuple[Source, str, datetime]


@dataclass(slots=True)
class Summary:
    """What one file says. `stats` is keyed by (source, provider, hour as aware UTC); `records` counts good rows of
    every type, `rejected_rows` the lines of unreadable ones, `rejected` keeps the first of them."""

    stats: dict[Key, Counts] = field(default_factory=dict)
    records: int = 0
    by_type: dict[str, int] = field(default_factory=dict)
    rejected_rows: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    complaints_without_source: int = 0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def rejected_rate(self) -> float:
        """Unreadable rows as a ratio of all rows; 0 for a file without rows."""
        total = self.records + self.rejected_rows
        return self.rejected_rows / total if total else 0.0

    def reject(self, line: int, reason: str, rows: int = 1) -> None:
        self.rejected_rows += rows
        if len(self.rejected) < KEPT_REJECTIONS:
            self.rejected.append(Rejected(line, reason))


def parse_time(text: str) -> datetime:
    """`timeLogged` as aware UTC: ISO with offset, Unix seconds (`iso-times no`), or MM/DD/YYYY HH:MM:SS.

    A time without offset is taken as UTC. ValueError for anything else, and for years before 2000."""
    if text.isdecimal():
        moment = datetime.fromtimestamp(int(text), UTC) if len(text) <= 11 else None
    elif text[2:3] == "/":
        moment = _parse_us(text)
    else:
        moment = datetime.fromisoformat(text) if len(text) >= 19 else None
    if moment is None or moment.year < 2000:
        raise ValueError(f"{text!r} is no time of sending")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parse_us(text: str) -> datetime | None:
    for pattern in _US_TIMES:
        try:
            return datetime.strptime(text, pattern)  # noqa: DTZ007 - the caller sets the zone
        except ValueError:
            continue
    return None
