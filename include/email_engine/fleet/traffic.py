"""What one IP's mail met in one UTC day, counted from PowerMTA's accounting."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Messages of one IP in one UTC day; deferrals are attempts that will be made again."""

    day: date
    delivered: int = 0
    bounced: int = 0
    deferred: int = 0
    complained: int = 0

    @property
    def sent(self) -> int:
        """Messages that came to an end: delivered or bounced."""
        return self.delivered + self.bounced


def total(days: Iterable[DayCounts], first: date, last: date) -> DayCounts:
    """The sum of all days from `first` to `last`, both included; its `day` is `last`."""
    chosen = [counts for counts in days if first <= counts.day <= last]
    return DayCounts(
        last,
        sum(counts.delivered for counts in chosen),
        sum(counts.bounced for counts in chosen),
        sum(counts.deferred for counts in chosen),
        sum(counts.complained for counts in chosen),
    )
