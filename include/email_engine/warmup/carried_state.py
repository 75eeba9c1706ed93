"""What a decision leaves behind: the state that the decision of the next day starts from.

The database (store/warmup.py), the simulation and the replay all go by it, so that they decide alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from email_engine.fleet.model import DomainWarmup, Pause
from email_engine.warmup.domain_warmup import domain_after
from email_engine.warmup.observation import RateStop, midnight
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.proposal import RECIPIENT_LIST_PROBLEM, STREAM_PROBLEM, Action

MOST_STOPS = 10
"""Stops by rates that are kept."""
_ENDS_PAUSE = frozenset({Action.RESUME, Action.QUARANTINE, Action.START, Action.REENTER, Action.ABANDON})
_STOPS = frozenset({Action.PAUSE, Action.QUARANTINE})


@dataclass(frozen=True, slots=True)
class CarriedState:
    """The part of the plan that later decisions look at; `last_stop_at`: aware UTC."""

    phase: int
    sent_days: int
    phase_started_on: date
    pause: Pause | None
    last_stop_at: datetime | None
    throttle_factors: Mapping[str, float]
    slowed_on: Mapping[str, date]
    last_stream_stop_at: datetime | None
    stops: tuple[RateStop, ...] = ()
    domain_warmup: DomainWarmup | None = None


def carried_state_after(ip_decision: IpDecision, effective: date) -> CarriedState:
    """Where the IP stands from the UTC day `effective` on."""
    seen, proposal = ip_decision.observation, ip_decision.proposal
    pause = seen.ip.pause
    if proposal.action is Action.PAUSE:
        pause = proposal.pause
    elif proposal.action in _ENDS_PAUSE:
        pause = None
    stream_stop = proposal.action is Action.PAUSE and proposal.cause in (
        RECIPIENT_LIST_PROBLEM,
        STREAM_PROBLEM,
    )
    return CarriedState(
        phase=proposal.phase,
        sent_days=proposal.sent_days,
        phase_started_on=effective if proposal.new_phase else seen.phase_started_on or effective,
        pause=pause,
        last_stop_at=midnight(effective)
        if proposal.action in _STOPS and proposal.blames
        else seen.last_stop_at,
        throttle_factors=proposal.throttle_factors,
        slowed_on=proposal.slowed_on,
        last_stream_stop_at=midnight(effective) if stream_stop else seen.last_stream_stop_at,
        stops=(*seen.stops, *(RateStop(effective, kind) for kind in proposal.kinds[:1]))[-MOST_STOPS:],
        domain_warmup=domain_after(seen, proposal, effective),
    )
