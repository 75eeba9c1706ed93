"""The same judgement on the day that still runs: it stops and slows, and never gives anything back."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import ceil

from email_engine.collector import collector_paused
from email_engine.fleet.model import SENDING_STATES
from email_engine.warmup.case import Case, cases_of
from email_engine.warmup.choice import Action, Choice
from email_engine.warmup.ladders import provider_mix
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.pace import WHOLE
from email_engine.warmup.plan import Outcome
from email_engine.warmup.policy import Policy
from email_engine.warmup.stops import stop


@collector_paused()
def guard_tenant(
    observations: Sequence[IpObservation], policy: Policy, day: date
) -> tuple[tuple[Outcome, ...], dict[int, Case]]:
    """What must happen at once, with the UTC `day` known so far; and every IP in a sending state as it was judged, by id.

    Raises `InputError` if the schedule of one is not in the policy."""
    sending = [seen for seen in observations if seen.ip.state in SENDING_STATES]
    cases = {case.ip.ip_id: case for case in cases_of(sending, policy, day, day + timedelta(days=1))}
    found = (_guarded(case) for case in cases.values())
    return tuple(outcome for outcome in found if outcome is not None), cases


def guard_ip(observation: IpObservation, policy: Policy, day: date) -> Outcome | None:
    """A stop or a slow-down of one IP on the running UTC `day`, None if there is no need.

    What is slowed already waits for the end of the day. Raises `InputError` if its schedule is not in the policy."""
    outcomes, _ = guard_tenant([observation], policy, day)
    return outcomes[0] if outcomes else None


def _guarded(case: Case) -> Outcome | None:
    observation = case.seen
    if case.ip.paused_until is not None:
        return None
    stopped = stop(case)
    if stopped is not None:
        return Outcome(observation, stopped, 0, f"{stopped.reason}.", case.day)
    fell = {name: pace for name, pace in case.speeds.paces.items() if name not in observation.paces}
    if not fell or not observation.standing:
        return None
    return _slow(case, fell)


def _slow(case: Case, fell: Mapping[str, float]) -> Outcome:
    seen = case.seen
    mix = provider_mix(seen.providers, case.day)
    kept = 1 - sum(mix.get(name, 0.0) * (1 - pace) for name, pace in fell.items() if name != WHOLE)
    allowance = max(int(seen.standing * max(kept, 0.0) * fell.get(WHOLE, 1.0)), 1)
    bounds = {name: n for name, n in seen.bounds.items() if n < allowance}
    for name, pace in fell.items():
        if name != WHOLE:
            bounds[name] = max(
                min(ceil(seen.standing * mix.get(name, 1.0) * pace), bounds.get(name, allowance)), 1
            )
    slow = f"slowed from {seen.standing} to {allowance} a day"
    if allowance == seen.standing:
        slow = "slowed there"
    reason = f"{_words(case, fell)}, so it is {slow}"
    choice: Choice = case.to(
        Action.SLOW,
        reason,
        allowance,
        paces={**seen.paces, **fell},
        slowed_on={**seen.slowed_on, **dict.fromkeys(fell, case.day)},
        mix=mix,
        sent_days=case.ip.sent_days_in_phase,
    )
    return Outcome(seen, choice, allowance, f"{reason}.", case.day, dict(sorted(bounds.items())))


def _words(case: Case, fell: Mapping[str, float]) -> str:
    parts = []
    if WHOLE in fell:
        parts.append(f"its {case.score.words} is below {case.policy.score.slow_below}")
    for name in fell:
        if name != WHOLE:
            judged = case.judged.deferrals[name]
            parts.append(
                f"{name} deferred or blocked {judged.bad} of {judged.messages} attempts for rate or reputation"
            )
    return " and ".join(parts)[:1].upper() + " and ".join(parts)[1:]
