"""What the engine would have done about each IP in days that are over, in a few words."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any

from email_engine.plural import amount
from email_engine.simulation.days import IpDay
from email_engine.warmup.proposal import Action
from email_engine.warmup.provider_limits import WHOLE

TOLD = (Action.QUARANTINE, Action.PAUSE, Action.STEP_BACK, Action.SLOW, Action.HOLD, Action.IDLE)
"""What is told with its day, the gravest first."""
STOPS = frozenset({Action.QUARANTINE, Action.PAUSE})
MOST_TOLD = 5
_WORDS = {
    Action.QUARANTINE: "quarantine", Action.PAUSE: "pause", Action.STEP_BACK: "step back", Action.SLOW: "slowing",
    Action.HOLD: "hold", Action.ADVANCE: "phase more", Action.GRADUATE: "graduation", Action.IDLE: "return to warm-up",
}  # fmt: skip
_PLURAL = {Action.ADVANCE: "phases more"}


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that would have happened; `until`: the last day of an unbroken row of holds, else `day` itself."""

    day: date
    until: date
    action: Action
    reason: str

    def __str__(self) -> str:
        days = f"{self.day}" if self.day == self.until else f"{self.day} to {self.until}"
        return f"{days}: {_WORDS.get(self.action, str(self.action))}. {self.reason}"


@dataclass(frozen=True, slots=True)
class Hindsight:
    """One IP: `counts` of what was decided, `told` the gravest of it in the order of days; `slowed_days` on which less than all its speed
    was left; `score` at the end, None where too little mail tells it."""

    address: str
    days: int
    sent: int
    counts: Mapping[Action, int]
    told: tuple[Told, ...]
    more: int = 0
    slowed_days: int = 0
    score: int | None = None
    first_stop: date | None = None

    @property
    def stopped(self) -> bool:
        return self.first_stop is not None

    def words(self) -> str:
        """`2 pauses, 3 holds`; "nothing" where it would have been left alone."""
        named = [
            f"{count} {_PLURAL[action]}" if action in _PLURAL and count > 1 else amount(count, words)
            for action, words in _WORDS.items()
            if (count := self.counts.get(action, 0))
        ]
        if self.slowed_days:
            named.append(f"slowed on {amount(self.slowed_days, 'day')}")
        return ", ".join(named) or "nothing"

    def as_json(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "days": self.days,
            "sent": self.sent,
            "decisions": {str(action): count for action, count in sorted(self.counts.items())},
            "told": [{"day": str(one.day), "until": str(one.until), "action": str(one.action), "reason": one.reason} for one in self.told],
            "more": self.more,
            "slowed_days": self.slowed_days,
            "score": self.score,
        }  # fmt: skip


@dataclass(slots=True)
class _Story:
    days: int = 0
    sent: int = 0
    counts: Counter[Action] = field(default_factory=Counter)
    told: list[Told] = field(default_factory=list)
    slowed: int = 0
    score: int | None = None
    stop: date | None = None


def hindsight(days: Iterable[IpDay]) -> tuple[Hindsight, ...]:
    """By address; `days` as `replay` gives them."""
    every = sorted(days, key=lambda one: (one.address, one.day))
    return tuple(_one(address, list(group)) for address, group in groupby(every, key=lambda one: one.address))


def _one(address: str, days: list[IpDay]) -> Hindsight:
    story = _Story()
    for today in days:
        story.days += 1
        story.sent += today.counts.sent
        story.slowed += today.throttle_factors.get(WHOLE, 1.0) < 1
        if today.action is not Action.STAY:
            story.counts[today.action] += 1
        if today.action in STOPS:
            story.stop = story.stop or today.day
        if today.score.known:
            story.score = today.score.value
        if today.action in TOLD:
            _add(story.told, today)
    graver = sorted(story.told, key=lambda one: (TOLD.index(one.action), one.day))[:MOST_TOLD]
    told = tuple(sorted(graver, key=lambda one: one.day))
    return Hindsight(
        address, story.days, story.sent, dict(story.counts), told, len(story.told) - len(told), story.slowed, story.score, story.stop
    )  # fmt: skip


def _add(told: list[Told], today: IpDay) -> None:
    last = told[-1] if told else None
    row = last is not None and last.action is today.action is Action.HOLD
    if last is not None and row and (today.day - last.until).days == 1:
        told[-1] = Told(last.day, today.day, last.action, last.reason)
    else:
        told.append(Told(today.day, today.day, today.action, today.reason))
