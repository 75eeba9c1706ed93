"""What happens to one IP when a UTC day closes: a pure function of what is known, the policy and the day."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from math import ceil

from email_engine.errors import InputError
from email_engine.fleet.model import PARKED_STATES, IpState
from email_engine.fleet.traffic import total
from email_engine.warmup.choice import Action, Choice
from email_engine.reputation.evidence import Judgement, Verdict, judge
from email_engine.warmup.observation import IpObservation, evidence_days, midnight
from email_engine.warmup.parked import decide_parked, obstacle, unknown
from email_engine.warmup.policy import Gate, Policy, Schedule

TRIPWIRE_DAYS = 7


def decide_day(observation: IpObservation, policy: Policy, day: date, effective: date) -> Choice:
    """Closes the UTC `day` for one IP.

    `effective` is the first day that the decision can still shape: the day after, or later when days were missed.
    Raises `InputError` if the IP's schedule is not in the policy."""
    ip = observation.ip
    if ip.state in PARKED_STATES:
        return decide_parked(observation, policy, effective)
    if ip.schedule not in policy.schedules:
        raise InputError(
            f"ip {ip.address}",
            f"schedule {ip.schedule}",
            ", ".join(policy.schedules),
            "name a schedule of the policy",
        )
    return _Sending(observation, policy, day, effective).choose()


class _Sending:
    """One warming, active or retiring IP at the end of a day; answers are tried in the order of `choose`."""

    def __init__(self, observation: IpObservation, policy: Policy, day: date, effective: date) -> None:
        self.seen = observation
        self.ip = observation.ip
        self.policy = policy
        self.day = day
        self.effective = effective
        counted = evidence_days(observation, day)
        self.judgements: Mapping[str, Judgement] = {
            "bounces": self._judge([(c.bounced, c.sent) for c in counted], policy.bounces),
            "complaints": self._judge(
                [(c.complained, max(c.delivered, c.complained)) for c in counted], policy.complaints
            ),
        }
        needed = ceil(policy.sent_day_rate * self.stage)
        self.sent_days = sum(c.sent >= needed for c in counted) if self.warming else 0

    def _judge(self, days: list[tuple[int, int]], gate: Gate) -> Judgement:
        return judge(days, gate.limit, self.policy.confidence, self.policy.stop_evidence)

    @property
    def warming(self) -> bool:
        return self.ip.state is IpState.WARMING

    @property
    def schedule(self) -> Schedule:
        return self.policy.schedules[self.ip.schedule]

    @property
    def phase(self) -> int:
        return min(max(self.ip.phase, 1), len(self.schedule.stages)) if self.warming else self.ip.phase

    def volume(self, phase: int) -> int:
        """Messages a UTC day of a phase, never more than the IP's target."""
        return min(self.schedule.stages[phase - 1], self.ip.daily_target)

    @property
    def stage(self) -> int:
        return self.volume(self.phase) if self.warming else self.ip.daily_target

    def _to(self, action: Action, reason: str, wanted: int | None = None, **changes: object) -> Choice:
        fields: dict[str, object] = {
            "phase": self.phase,
            "sent_days": self.sent_days,
            "judgements": self.judgements,
        }
        return Choice(action, reason, self.stage if wanted is None else wanted, **(fields | changes))  # type: ignore[arg-type]

    def _hold(self, reason: str) -> Choice:
        """Keeps what stands. The first allowance of all is not an advance: it is the stage that a person declared."""
        return self._to(
            Action.HOLD, reason, min(self.seen.standing, self.stage) if self.seen.given else self.stage
        )

    def choose(self) -> Choice:
        return (
            self._paused()
            or self._tripped()
            or self._stopped()
            or self._retiring()
            or self._held()
            or self._unproven()
            or self._moved()
        )

    def _paused(self) -> Choice | None:
        until = self.ip.paused_until
        if until is None:
            return None
        if until > midnight(self.effective):
            return self._to(Action.STAY, f"It is paused until {until:%Y-%m-%d}", 0, paused_until=until)
        if blocked := obstacle(self.seen):
            return self._to(Action.HOLD, f"Its pause is over by date, but {blocked}", 0, paused_until=until)
        if missing := unknown(self.seen):
            return self._to(Action.HOLD, f"Its pause is over by date, but {missing}", 0, paused_until=until)
        if self.ip.state is IpState.RETIRING:
            return self._resumed_retiring(until)
        phase = max(self.phase - 1, 1) if self.warming else self.phase
        wanted = self.volume(phase) if self.warming else self.ip.daily_target
        where = f"in phase {phase} at {wanted} a day" if self.warming else "with its share of the quota"
        return self._to(
            Action.RESUME, f"Its pause ended on {until:%Y-%m-%d}, so it goes on {where}", wanted,
            phase=phase, new_phase=True, sent_days=0,
        )  # fmt: skip

    def _resumed_retiring(self, until: datetime) -> Choice | None:
        """Its warm-down went on by date while it was paused."""
        going_down = self._retiring()
        if going_down is None or going_down.action is Action.DRAINED:
            return going_down
        return self._to(
            Action.RESUME, f"Its pause ended on {until:%Y-%m-%d}; {going_down.reason}", going_down.wanted,
            new_phase=True, sent_days=0,
        )  # fmt: skip

    def _quarantine(self, event: str, reason: str) -> Choice:
        until = midnight(self.effective) + timedelta(days=self.policy.quarantine_days)
        return self._to(Action.QUARANTINE, reason, 0, event=event, quarantine_until=until)

    def _tripped(self) -> Choice | None:
        counted = evidence_days(self.seen, self.day)
        week = total(counted, self.day - timedelta(days=TRIPWIRE_DAYS - 1), self.day)
        if (
            week.complained < self.policy.tripwire_complaints
            or week.sent >= self.policy.tripwire_below_messages
        ):
            return None
        return self._quarantine(
            "tripwire",
            f"{week.complained} complaints about only {week.sent} messages in 7 days tripped the wire",
        )

    def _stopped(self) -> Choice | None:
        bad = [name for name, judged in self.judgements.items() if judged.verdict is Verdict.REGRESS]
        if not bad:
            return None
        what = " and ".join(self._words(name) for name in bad)
        last = self.seen.last_stop_at
        if last and midnight(self.effective) - last <= timedelta(days=self.policy.second_within_days):
            return self._quarantine(
                "second_stop",
                f"{what}, the second stop within {self.policy.second_within_days} days after {last:%Y-%m-%d}",
            )
        until = midnight(self.effective) + timedelta(days=self.policy.pause_days)
        return self._to(Action.PAUSE, f"{what}, so it pauses until {until:%Y-%m-%d}", 0, paused_until=until)

    def _words(self, gate: str) -> str:
        judged = self.judgements[gate]
        limit = getattr(self.policy, gate).limit
        return {
            Verdict.REGRESS: f"{judged.bad} {gate} of {judged.messages} prove a rate above {limit:.1%}",
            Verdict.HOLD: f"{judged.bad} {gate} of {judged.messages} are at the limit of {limit:.1%} or above",
            Verdict.INSUFFICIENT: f"{judged.bad} {gate} of {judged.messages} do not yet prove a rate below {limit:.1%}",
            Verdict.PASS: f"{judged.bad} {gate} of {judged.messages} prove a rate below {limit:.1%}",
        }[judged.verdict]

    def _held(self) -> Choice | None:
        frozen = min(self.seen.standing, self.stage)
        if blocked := obstacle(self.seen):
            return self._to(Action.HOLD, f"Nothing advances, because {blocked}", frozen)
        if not self.seen.given:
            return None
        needed = midnight(self.day + timedelta(days=1)) - timedelta(hours=self.policy.accounting_lag_hours)
        newest = self.seen.fresh_through
        if newest and newest >= needed:
            return None
        age = f"is known up to {newest:%Y-%m-%d %H:%M} UTC only" if newest else "never came"
        return self._to(
            Action.HOLD,
            f"Nothing advances, because the accounting of {self.ip.mta_host} {age}",
            frozen,
        )

    def _retiring(self) -> Choice | None:
        if self.ip.state is not IpState.RETIRING:
            return None
        step = max((self.effective - self.ip.state_since.date()).days, 0) // self.policy.retiring_days_each
        if step >= len(self.policy.retiring_parts):
            return self._to(Action.DRAINED, "Its warm-down reached 0, so it rests", 0, event="drained")
        wanted = int(self.ip.daily_target * self.policy.retiring_parts[step])
        if self.seen.standing:
            wanted = min(wanted, self.seen.standing)
        return self._to(Action.WARM_DOWN, f"Step {step + 1} of its warm-down allows {wanted} a day", wanted)

    def _unproven(self) -> Choice | None:
        """Weak evidence against the IP, or a rate at the limit."""
        for name, judged in self.judgements.items():
            if judged.evidence >= self.policy.step_back_evidence and self.warming and self.phase > 1:
                phase = self.phase - 1
                reason = (
                    f"{judged.bad} {name} of {judged.messages} speak against it, so it steps back to phase {phase} "
                    f"at {self.volume(phase)} a day"
                )
                return self._to(
                    Action.STEP_BACK, reason, self.volume(phase), phase=phase, new_phase=True, sent_days=0
                )
            if judged.evidence >= self.policy.step_back_evidence:
                return self._hold(
                    f"Nothing advances, because {judged.bad} {name} of {judged.messages} speak against it"
                )
            if judged.verdict is Verdict.HOLD:
                return self._hold(f"Nothing advances, because {self._words(name)}")
        return None

    def _moved(self) -> Choice:
        if not self.warming:
            return self._to(Action.STAY, "Its rates hold, so it keeps its share of the quota")
        counted = min(self.sent_days, self.schedule.sent_days)
        progress = f"{counted} of {self.schedule.sent_days} days of phase {self.phase} were sent"
        if self.sent_days < self.schedule.sent_days:
            return self._to(Action.STAY, f"{progress}, so it stays at {self.stage} a day")
        for name, judged in self.judgements.items():
            asked = getattr(self.policy, name).must_pass_from
            if asked and self.phase >= asked and judged.verdict is not Verdict.PASS:
                return self._to(
                    Action.STAY, f"{progress}, but {self._words(name)}, so it stays at {self.stage} a day"
                )
        if missing := unknown(self.seen):
            return self._hold(f"{progress}, but nothing advances, because {missing}")
        if self.phase == len(self.schedule.stages) or self.stage == self.ip.daily_target:
            return self._to(
                Action.GRADUATE, f"{progress}, the last of {self.ip.schedule}, so it is warm", self.ip.daily_target,
                event="graduate", phase=len(self.schedule.stages), new_phase=True, sent_days=0,
            )  # fmt: skip
        phase = self.phase + 1
        return self._to(
            Action.ADVANCE, f"{progress}, so it moves to phase {phase} at {self.volume(phase)} a day",
            self.volume(phase), phase=phase, new_phase=True, sent_days=0,
        )  # fmt: skip
