"""What accounting proves about an IP that sends already: its state, its phase, since when it is warm. Thin evidence proves the lesser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from email_engine.adoption.draft import Blank, Number
from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import Days
from email_engine.plural import amount
from email_engine.warmup.growth import PROVEN_DAYS, PROVEN_WITHIN, WEEK, proven_volume
from email_engine.warmup.policy import Policy, Schedule

NOT_KNOWN = Blank("active, warming or standby? Its host's accounting of these days is not known")
NO_TARGET = Blank(
    "messages a UTC day of one IP, fully warmed; it has no cap, and nothing shows what it can carry"
)
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class IpEvidence:
    """`days`: accounting of whole UTC days from `first` to `last`, days without mail left out."""

    days: Days
    first: date
    last: date

    @property
    def length(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class StateProposal:
    """`target`: messages a UTC day, fully warmed, as far as it is known; `remarks`: by key of the fleet file, why."""

    state: IpState | Blank
    phase: int = 1
    warmed_on: date | None = None
    target: Number = NO_TARGET
    remarks: Mapping[str, str] = field(default_factory=dict)


def propose_state(
    evidence: IpEvidence | None, policy: Policy, schedule: Schedule, target: Number, held: str = ""
) -> StateProposal:
    """`target`: what its cap or quota says, a blank where nothing does; `held`: why it may not count as warm whatever it sent, a clause."""
    if evidence is None:
        return StateProposal(NOT_KNOWN, target=target)
    first, last, days = evidence.first, evidence.last, evidence.days
    sent = [count for count in days.sent if count]
    if not sent:
        return StateProposal(
            IpState.STANDBY, target=target, remarks={"state": f"sent nothing from {first} to {last}"}
        )
    volume, lately = proven_volume(days), _lately(evidence)
    top = min(schedule.stages[-1], target) if isinstance(target, int) else schedule.stages[-1]
    enough = volume >= policy.sent_day_rate * top
    if enough and 2 * lately >= volume and not held:
        return _warm(evidence, policy, target, volume)
    if held:
        why = held
    elif enough:
        why = f"sent {volume} a day before, lately less"
    elif len(sent) < WEEK:
        why = f"sent on {amount(len(sent), 'day')} of {evidence.length}, fewer than {WEEK} prove a volume"
    else:
        why = f"sent {volume} a day on {WEEK} days, its last phase is {top}"
    return _warming(evidence, policy, schedule, target, why)


def _lately(evidence: IpEvidence) -> int:
    """Messages that it sent on three of its last seven days; 0 where there are fewer."""
    recent = evidence.days.between(evidence.last - timedelta(days=PROVEN_WITHIN - 1), evidence.last)
    best = sorted(recent.sent, reverse=True)
    return best[PROVEN_DAYS - 1] if len(best) >= PROVEN_DAYS else 0


def _warm(evidence: IpEvidence, policy: Policy, target: Number, volume: int) -> StateProposal:
    remarks: dict[str, str] = {}
    goal = target
    if not isinstance(target, int) or volume < policy.sent_day_rate * target:
        goal = rounded_down(volume)
        what = f"cap or quota allow {target}" if isinstance(target, int) else "nothing caps it"
        remarks["daily_target"] = f"really sent on {WEEK} days; {what}: raise it, and it grows by proof"
    since = _since(evidence, policy.sent_day_rate * goal) if isinstance(goal, int) else evidence.last
    older = " at least: the files go no further back" if since == evidence.first else ""
    remarks["state"] = (
        f"sent {volume} a day or more on {WEEK} of {evidence.length} days, up to {evidence.last}"
    )
    remarks["warmed_on"] = f"the first day of its run near this volume{older}"
    return StateProposal(IpState.ACTIVE, warmed_on=since, target=goal, remarks=remarks)


def _since(evidence: IpEvidence, near: float) -> date:
    """The first day of the latest run of days near a volume; gaps of a week end a run."""
    days = [day for day, sent in zip(evidence.days.day, evidence.days.sent, strict=True) if sent >= near]
    since = days[-1]
    for day in reversed(days):
        if (since - day).days > PROVEN_WITHIN:
            break
        since = day
    return since


def _warming(
    evidence: IpEvidence, policy: Policy, schedule: Schedule, target: Number, why: str
) -> StateProposal:
    lately = _lately(evidence)
    last_phase = _last_phase(schedule, target)
    if lately:
        phase = min(_phase_of(lately, policy, schedule), last_phase)
        told = f"sent {lately} a day on {PROVEN_DAYS} of its last {PROVEN_WITHIN} days"
    else:
        best = sorted(evidence.days.sent, reverse=True)
        proven = best[PROVEN_DAYS - 1] if len(best) >= PROVEN_DAYS else 0
        phase = max(min(_phase_of(proven, policy, schedule), last_phase) - policy.reentry_phases_back, 1)
        last_sent = max(day for day, sent in zip(evidence.days.day, evidence.days.sent, strict=True) if sent)
        told = f"sent last on {last_sent} and on fewer than {PROVEN_DAYS} of its last {PROVEN_WITHIN} days: the careful phase"
    told += (
        "; if it is warm, write state: active and warmed_on"
        if lately >= schedule.stages[-1] or not lately
        else ""
    )
    return StateProposal(IpState.WARMING, phase, None, target, {"state": why, "phase": told})


def _phase_of(volume: int, policy: Policy, schedule: Schedule) -> int:
    """The highest phase that so many messages a day fill."""
    return max(sum(volume >= policy.sent_day_rate * stage for stage in schedule.stages), 1)


def _last_phase(schedule: Schedule, target: Number) -> int:
    """From which on an IP with this target is active."""
    stages: Sequence[int] = schedule.stages
    if not isinstance(target, int):
        return len(stages)
    return next((n for n, stage in enumerate(stages, 1) if stage >= target), len(stages))


def rounded_down(volume: int) -> int:
    """To three digits: 24,317 is told as 24,300."""
    unit = 10 ** max(len(str(volume)) - _DIGITS, 0)
    return max(volume // unit * unit, 1)


def opening_state(
    evidence: IpEvidence | None, proposal: StateProposal, policy: Policy, schedule: Schedule
) -> tuple[IpState, int, date | None]:
    """State, phase and `warmed_on` as an IP stood on the first of its days, by the first week of them."""
    if evidence is None or not any(evidence.days.sent):
        return IpState.STANDBY, 1, None
    week = evidence.days.between(evidence.first, evidence.first + timedelta(days=PROVEN_WITHIN - 1))
    since = proposal.warmed_on if proposal.state is IpState.ACTIVE else None
    if since is not None and (since - evidence.first).days < PROVEN_WITHIN:
        return IpState.ACTIVE, 1, evidence.first
    best = sorted(week.sent, reverse=True)
    proven = best[PROVEN_DAYS - 1] if len(best) >= PROVEN_DAYS else 0
    phase = min(_phase_of(proven, policy, schedule), _last_phase(schedule, proposal.target))
    return IpState.WARMING, phase, None
