"""What was chosen for one IP, before the tenant's quota is dealt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from email_engine.fleet.model import DomainWarmup, Pause
from email_engine.reputation.evidence import GateJudgement
from email_engine.reputation.score import NO_SCORE, Score
from email_engine.warmup.sentences import Evidence


@dataclass(frozen=True, slots=True)
class DomainStep:
    """What an evening does to a domain's own warm-up: `volume` messages a UTC day that it allows from now on, and where it stands
    then; `after` is None when it is over. `binds`: is that less than the IP's own? `sent_days`: days of its phase that were sent."""

    volume: int
    after: DomainWarmup | None
    binds: bool = False
    sent_days: int = 0


class Action(StrEnum):
    """What a decision does. `hold`: a signal is missing or bad, so nothing advances."""

    STAY = "stay"
    HOLD = "hold"
    ADVANCE = "advance"
    STEP_BACK = "step_back"
    GRADUATE = "graduate"
    PAUSE = "pause"
    RESUME = "resume"
    QUARANTINE = "quarantine"
    WARM_DOWN = "warm_down"
    DRAINED = "drained"
    CLEAN = "clean"
    RESTED = "rested"
    START = "start"
    REENTER = "reenter"
    RETIRE = "retire"
    IDLE = "idle"
    SLOW = "slow"
    ABANDON = "abandon"


STOPS = frozenset({Action.PAUSE, Action.QUARANTINE, Action.DRAINED, Action.ABANDON})
"""Actions that bring an IP to 0: the brake follows at once."""

RECIPIENT_LIST_PROBLEM = "list problem"
STREAM_PROBLEM = "stream problem"
"""Causes of what a bad recipient list, or mail that nobody wants, does to all IPs of a stream; it is held against none."""
STREAM_CAUSES = frozenset({RECIPIENT_LIST_PROBLEM, STREAM_PROBLEM})

PROVIDER_OUTAGE = "provider outage"
"""The cause of what a mailbox provider's outage holds: nobody's fault here."""

NOTHING: Mapping[str, Any] = MappingProxyType({})

RELEASES = frozenset({Action.RESUME, Action.START, Action.REENTER})
"""Actions that end a standstill: the brake is asked to let go."""


class Proposal(NamedTuple):
    """`reason`: one sentence without its full stop. `wanted`: messages a UTC day that the IP may be dealt at most.

    `event`: the lifecycle event to apply, None to stay in the state. `new_phase`: the phase begins anew on the day
    that is planned. `quarantine_until`: aware UTC. `at_most`: the allowance must not be more,
    slowed or not. `blames`: a stop counts against the IP; a bad list's does
    not. `cause`: why nothing advances, a word for each kind. `throttle_factors`, `slowed_on`: as in the
    observation, from now on; `kept_back`: it would start, had the quota room; `mix`: parts of its
    mail by provider; `providers`: the deferral gate by provider; `kinds`: what a stop by rates was for; `grows_within`: messages a UTC day by provider while it
    grows behind its last phase; `evidence`: the counts that it goes by, none where it goes by something else; `advice`: what a person
    does now, as it stands behind `Next: `; `domain_step`: of the domain's own warm-up, None where it has none or stays as it was."""

    action: Action
    reason: str
    wanted: int
    phase: int
    event: str | None = None
    new_phase: bool = False
    sent_days: int = 0
    pause: Pause | None = None
    quarantine_until: datetime | None = None
    judgements: Mapping[str, GateJudgement] = NOTHING
    at_most: int | None = None
    blames: bool = True
    cause: str | None = None
    throttle_factors: Mapping[str, float] = NOTHING
    slowed_on: Mapping[str, date] = NOTHING
    mix: Mapping[str, float] = NOTHING
    score: Score = NO_SCORE
    providers: Mapping[str, GateJudgement] = NOTHING
    kept_back: bool = False
    kinds: tuple[str, ...] = ()
    grows_within: Mapping[str, int] = NOTHING
    evidence: tuple[Evidence, ...] = ()
    advice: str = ""
    domain_step: DomainStep | None = None
