"""What a person asks of IPs: every guard looked at, and the choice that follows; or every refusal at once."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from email_engine.errors import InputError
from email_engine.fleet.model import IpState, Pause
from email_engine.lifecycle.machine import Cause, Event, Transition, known, transition_of
from email_engine.warmup.domain_warmup import domain_volume
from email_engine.warmup.growth import proven_most
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.parked import NO_BLOCKLISTS, obstacle, unknown
from email_engine.warmup.plan import Quotas
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import RELEASES, Action, Proposal
from email_engine.warmup.rotation import reentry_phase, warm_down
from email_engine.warmup.transition_request import Request


@dataclass(frozen=True, slots=True)
class Move:
    """One IP's move. `allowance`: messages from today on, None to leave what stands; `reason`: one sentence."""

    observation: IpObservation
    proposal: Proposal
    transition: Transition
    allowance: int | None
    reason: str

    @property
    def stops(self) -> bool:
        """The brake must follow at once."""
        return self.allowance == 0 and self.proposal.action not in RELEASES


@dataclass(frozen=True, slots=True)
class Answer:
    """`moves`: what to do, if nothing is refused; `refused`: one error an IP; `untouched`: IPs whose state does not know the
    event, where more than one IP was meant."""

    moves: tuple[Move, ...] = ()
    refused: tuple[InputError, ...] = ()
    untouched: tuple[IpObservation, ...] = ()


def answer(
    observations: Sequence[IpObservation],
    meant: Collection[int],
    request: Request,
    policy: Policy,
    quotas: Quotas,
    as_of: datetime,
) -> Answer:
    """What follows from the request for the IPs `meant` (ids) of one tenant, whose IPs all are in `observations`.

    Of several IPs those whose state does not know the event are left untouched; a single one is refused."""
    moves: list[Move] = []
    refused: list[InputError] = []
    untouched: list[IpObservation] = []
    rooms = _Rooms(observations, quotas)
    for seen in (one for one in observations if one.ip.ip_id in meant):
        if len(meant) > 1 and not known(seen.ip.state, request.event):
            untouched.append(seen)
            continue
        try:
            row = transition_of(seen.ip.state, request.event, Cause.PERSON)
        except InputError as error:
            refused.append(
                InputError(
                    f"ip {seen.ip.address}: {error.subject}", error.observed, error.allowed, error.next_step
                )
            )
            continue
        asked = _Asked(seen, request, policy, as_of, rooms)
        proposal = _ASKED[request.event](asked)
        if asked.against:
            refused.append(
                InputError(
                    f"{request.event} of ip {seen.ip.address} ({seen.ip.state})", "; ".join(asked.against), row.when(policy),
                    asked.next_step,
                )
            )  # fmt: skip
        elif proposal is not None:
            gives = None if proposal.action is Action.CLEAN else proposal.wanted
            cause = f" Cause: {request.cause}." if request.cause else ""
            moves.append(
                Move(seen, proposal, row, gives, f"{request.reason.rstrip('.')}. {proposal.reason}.{cause}")
            )
    return Answer(tuple(moves), tuple(refused), tuple(untouched))


class _Rooms:
    """Of each pot of the tenant's quota: what is `left` today, the `level` of its active IPs, and what may still be promised
    to warming ones (`for_warming`)."""

    def __init__(self, observations: Sequence[IpObservation], quotas: Quotas) -> None:
        self.quotas = quotas
        self.left: dict[str | None, int] = {}
        self.level: dict[str | None, int] = {}
        self.for_warming: dict[str | None, int] = {}
        for quota_pool in {quotas.quota_pool(one.ip.stream) for one in observations}:
            mine = [
                one for one in observations if quotas.quota_pool(one.ip.stream) == quota_pool and one.ip.sends
            ]
            self.left[quota_pool] = max(quotas.size(quota_pool) - sum(one.ip.allowance for one in mine), 0)
            self.level[quota_pool] = max(
                (one.ip.allowance for one in mine if one.ip.state is IpState.ACTIVE), default=0
            )
            warming = sum(one.ip.allowance for one in mine if one.ip.state is IpState.WARMING)
            self.for_warming[quota_pool] = quotas.size(quota_pool) - warming

    def take(self, stream: str, wanted: int) -> int:
        """So much of `wanted` as the pot has left today."""
        quota_pool = self.quotas.quota_pool(stream)
        given = min(wanted, self.left[quota_pool])
        self.left[quota_pool] -= given
        return given


class _Asked:
    """One IP and what is asked of it; what speaks against it is collected in `against`."""

    def __init__(
        self, seen: IpObservation, request: Request, policy: Policy, as_of: datetime, rooms: _Rooms
    ) -> None:
        self.seen, self.ip = seen, seen.ip
        self.request, self.policy, self.as_of, self.rooms = request, policy, as_of, rooms
        self.against: list[str] = []
        self.next_step = "mend what is named and trigger again; nothing was changed"

    def refuse(self, *reasons: str | None) -> None:
        self.against += [one for one in dict.fromkeys(reasons) if one and one not in self.against]

    @property
    def stages(self) -> tuple[int, ...]:
        schedule = self.policy.schedules.get(self.ip.schedule)
        if schedule is None:
            self.refuse(f"its schedule {self.ip.schedule} is not in the policy")
            return (0,)
        return schedule.stages

    @property
    def most(self) -> int:
        """Nobody gets more without a warm-up, of the IP or of its domain, whoever asks."""
        most = proven_most(self.seen, self.policy, self.as_of.date())
        warmup = self.ip.domain_warmup
        if warmup is None or self.ip.schedule not in self.policy.schedules:
            return most
        return min(most, domain_volume(self.ip, warmup, self.policy))

    def stage(self, phase: int) -> int:
        return min(self.stages[phase - 1], self.ip.daily_target, self.most)

    def need_known(self) -> None:
        """Nothing holds it, and its signals are known and trusted: unknown is never good."""
        self.refuse(obstacle(self.seen), self.seen.trouble, unknown(self.seen))
        self.refuse(None if self.seen.blocklists_known else NO_BLOCKLISTS)

    def need_room(self, wanted: int) -> None:
        """Warming IPs are dealt first: one more may warm if the quota pays for its stage beside theirs."""
        quota_pool = self.rooms.quotas.quota_pool(self.ip.stream)
        room = self.rooms.for_warming[quota_pool]
        if wanted > room:
            self.refuse(
                f"of the quota {max(room, 0)} a day are not promised to warming IPs, and it needs {wanted}"
            )
        self.rooms.for_warming[quota_pool] = room - wanted

    def need_time(self) -> None:
        """The quarantine is over by date, block lists answered, and nothing holds the IP."""
        end = self.ip.quarantine_until or self.ip.state_since + timedelta(days=self.policy.quarantine_days)
        if end > self.as_of:
            self.refuse(f"its quarantine lasts until {end:%Y-%m-%d %H:%M} UTC")
        self.refuse(obstacle(self.seen), None if self.seen.blocklists_known else NO_BLOCKLISTS)

    def choice(
        self, action: Action, reason: str, wanted: int, phase: int | None = None, **more: Any
    ) -> Proposal:
        event = self.request.event.value
        return Proposal(
            action, reason, wanted, self.ip.phase if phase is None else phase, event=event, **more
        )


def _start(asked: _Asked) -> Proposal:
    ip, policy = asked.ip, asked.policy
    asked.need_known()
    ready = asked.seen.clean_since + timedelta(days=policy.clean_days)
    if ready > asked.as_of:
        asked.refuse(f"its {policy.clean_days} clean days end on {ready:%Y-%m-%d %H:%M} UTC")
    stage = asked.stage(1)
    asked.need_room(stage)
    given = asked.rooms.take(ip.stream, stage)
    return asked.choice(Action.START, _today("It warms from phase 1", given, stage), given, 1, new_phase=True)


def _today(what: str, given: int, stage: int) -> str:
    if given == stage:
        return f"{what} at {stage} a day"
    return f"{what} at {stage} a day; {given} are left of today's quota, the rest is dealt at midnight"


def _pause(asked: _Asked) -> Proposal | None:
    if asked.request.until is None:
        return None
    until = midnight(asked.request.until)
    pause = asked.ip.pause
    if pause and (pause.until is None or pause.until >= until):
        asked.refuse(f"it is paused {pause.ends} already")
        asked.next_step = "give a later date, or resume it"
    return asked.choice(
        Action.PAUSE, f"It is paused until {until:%Y-%m-%d}", 0, pause=Pause(until), blames=False
    )


def _resume(asked: _Asked) -> Proposal:
    seen, ip, policy = asked.seen, asked.ip, asked.policy
    if ip.pause is None:
        asked.refuse("it is not paused")
    asked.need_known()
    stopped = seen.last_stop_at
    paused_for = timedelta(days=policy.pause_days)
    ends = ip.pause.until if ip.pause else None
    blamed = bool(stopped and ends and stopped >= ends - paused_for)
    if stopped and blamed and asked.as_of - stopped < paused_for and not asked.request.cause:
        asked.refuse(f"its rates stopped it on {stopped:%Y-%m-%d}, and no cause is named")
        asked.next_step = (
            f"name the cause, or wait: it resumes by itself {policy.pause_days} days after its stop"
        )
    effective = asked.as_of.date()
    if ip.state is IpState.WARMING:
        phase = max(min(ip.phase, len(asked.stages)) - blamed, 1)
        stage = asked.stage(phase)
        given = asked.rooms.take(ip.stream, stage)
        what = _today(f"It goes on in phase {phase}", given, stage)
        return asked.choice(Action.RESUME, what, given, phase, new_phase=blamed)
    if ip.state is IpState.RETIRING:
        level = warm_down(ip, policy, effective, 0) or 0
    else:
        quota_pool = asked.rooms.quotas.quota_pool(ip.stream)
        level = min(ip.daily_target, asked.rooms.level[quota_pool] or asked.stage(len(asked.stages)))
    given = asked.rooms.take(ip.stream, min(level, asked.most))
    return asked.choice(Action.RESUME, f"It goes on with {given} today", given, new_phase=blamed)


def _quarantine(asked: _Asked) -> Proposal:
    until = asked.as_of + timedelta(days=asked.policy.quarantine_days)
    if asked.request.until:
        until = max(until, midnight(asked.request.until))
    reason = f"It is in quarantine until {until:%Y-%m-%d} at least"
    return asked.choice(Action.QUARANTINE, reason, 0, quarantine_until=until)


def _release(asked: _Asked) -> Proposal:
    asked.need_time()
    reason = f"It is off the block lists and rests {asked.policy.rest_days} days"
    return asked.choice(Action.CLEAN, reason, 0, 1, new_phase=True)


def _reenter(asked: _Asked) -> Proposal | None:
    asked.need_time()
    asked.need_known()
    stopped_in = asked.seen.quarantined_from
    if not asked.seen.minor_listing or stopped_in not in (IpState.WARMING, IpState.ACTIVE):
        asked.refuse("more than one minor listing that ended stopped it")
        asked.next_step = "release it: it rests, stands by, and warms from phase 1"
        return None
    stages = asked.stages
    phase = reentry_phase(stopped_in, asked.ip.phase, len(stages), asked.policy.reentry_phases_back)
    stage = asked.stage(phase)
    asked.need_room(stage)
    given = asked.rooms.take(asked.ip.stream, stage)
    what = _today(f"It warms again in phase {phase}", given, stage)
    return asked.choice(Action.REENTER, what, given, phase, new_phase=True)


def _retire(asked: _Asked) -> Proposal:
    seen, ip, policy = asked.seen, asked.ip, asked.policy
    first = min(int(ip.daily_target * policy.retiring_parts[0]), asked.most)
    given = first if ip.awaits_first_allowance else min(first, ip.allowance)
    steps = f"{len(policy.retiring_parts)} steps of {policy.retiring_days_each} days"
    reason = f"It warms down in {steps}, from {given} a day" if given else "It sends nothing any more"
    return asked.choice(Action.RETIRE, reason, given, new_phase=True, pause=seen.ip.pause)


def _abandon(asked: _Asked) -> Proposal:
    return asked.choice(Action.ABANDON, "It is given up for good", 0)


_ASKED: dict[Event, Callable[[_Asked], Proposal | None]] = {
    Event.START: _start,
    Event.PAUSE: _pause,
    Event.RESUME: _resume,
    Event.QUARANTINE: _quarantine,
    Event.RELEASE: _release,
    Event.REENTER: _reenter,
    Event.RETIRE: _retire,
    Event.ABANDON: _abandon,
}
