"""The lab's time: the real one, or one that a person or the demo moves by hand."""

from datetime import UTC, datetime


class Clock:
    """Time for every stand-in. With `start` given the clock stands still until `advance_to`."""

    def __init__(self, start: datetime | None = None) -> None:
        self._manual = start

    @property
    def manual(self) -> bool:
        return self._manual is not None

    def now(self) -> datetime:
        """Aware UTC."""
        return self._manual or datetime.now(UTC)

    def advance_to(self, moment: datetime) -> None:
        """Moves a manual clock forward; a real clock and a step back are errors."""
        if self._manual is None:
            raise ValueError("the lab runs on real time; start it with clock.mode = manual")
        if moment < self._manual:
            raise ValueError(f"time runs forward: now {self._manual}, asked {moment}")
        self._manual = moment

    def release(self) -> None:
        """From now on real time (after a fast-forwarded past)."""
        self._manual = None
