"""What a decision leaves behind: the footing on which the IP stands when the next day closes.

The database (store/warmup.py), the simulation and the replay all go by it, so that they decide alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from email_engine.warmup.choice import LIST_PROBLEM, Action
from email_engine.warmup.observation import midnight
from email_engine.warmup.plan import Outcome

_ENDS_PAUSE = frozenset({Action.RESUME, Action.QUARANTINE, Action.START, Action.REENTER, Action.ABANDON})
_STOPS = frozenset({Action.PAUSE, Action.QUARANTINE})


@dataclass(frozen=True, slots=True)
class Footing:
    """The part of the plan that later decisions look at; `paused_until`, `last_stop_at`: aware UTC."""

    phase: int
    sent_days: int
    phase_started_on: date
    paused_until: datetime | None
    last_stop_at: datetime | None
    paces: Mapping[str, float]
    slowed_on: Mapping[str, date]
    last_list_stop_at: datetime | None


def footing_after(outcome: Outcome, effective: date) -> Footing:
    """Where the IP stands from the UTC day `effective` on."""
    seen, choice = outcome.observation, outcome.choice
    paused_until = seen.ip.paused_until
    if choice.action is Action.PAUSE:
        paused_until = choice.paused_until
    elif choice.action in _ENDS_PAUSE:
        paused_until = None
    list_stop = choice.action is Action.PAUSE and choice.cause == LIST_PROBLEM
    return Footing(
        phase=choice.phase,
        sent_days=choice.sent_days,
        phase_started_on=effective if choice.new_phase else seen.phase_started_on or effective,
        paused_until=paused_until,
        last_stop_at=midnight(effective) if choice.action in _STOPS and choice.blames else seen.last_stop_at,
        paces=choice.paces,
        slowed_on=choice.slowed_on,
        last_list_stop_at=midnight(effective) if list_stop else seen.last_list_stop_at,
    )
