"""The turns of a long life: re-entry after a minor listing, rest when due, warm-down by steps."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from email_engine.fleet.model import IpRecord, IpState
from email_engine.plural import amount
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.policy import CycleStart, Policy
from email_engine.warmup.proposal import Action, Proposal

DUE = "due for rest"
"""The cause of a choice that only tells."""


def reentry_phase(stopped_in: IpState, phase: int, stages: int, back: int) -> int:
    """The phase in which an IP warms again that was stopped in `phase` of a schedule of `stages`: `back` phases lower, 1 at
    least. An active IP stood one above the last."""
    stood = stages + 1 if stopped_in is IpState.ACTIVE else phase
    return max(min(stood, stages + 1) - back, 1)


def warm_down_step(ip: IpRecord, policy: Policy, effective: date) -> int:
    """Steps of its warm-down that an IP that retires since `ip.state_since` has behind it on the UTC day `effective`."""
    return max((effective - ip.state_since.date()).days, 0) // policy.retiring_days_each


def warm_down(ip: IpRecord, policy: Policy, effective: date, standing: int) -> int | None:
    """Messages for the UTC day `effective` of an IP that retires since `ip.state_since`; None when its warm-down is over.

    `standing`: the allowance in force, which it never exceeds; 0 where none is known."""
    step = warm_down_step(ip, policy, effective)
    if step >= len(policy.retiring_parts):
        return None
    wanted = int(ip.daily_target * policy.retiring_parts[step])
    return min(wanted, standing) if standing else wanted


def due_for_rest(observations: Sequence[IpObservation], policy: Policy, effective: date) -> Mapping[int, str]:
    """The IPs (by id) that were active for the policy's cycle and may retire from the UTC day `effective` on, and why.

    At most one of a pool: the one that was active the longest; none while another of its pool still warms down, and never
    the last that can carry the pool's mail. Paused, listed and held IPs neither retire nor carry."""
    pools: dict[str, list[IpObservation]] = defaultdict(list)
    for observation in observations:
        pools[observation.ip.pool].append(observation)
    due: dict[int, str] = {}
    for members in pools.values():
        if any(one.ip.state is IpState.RETIRING for one in members):
            continue
        carrying = [one for one in members if _carries(one)]
        over = [one for one in carrying if _active_days(one, effective) >= policy.cycle_active_days]
        if not over or len(carrying) < 2:
            continue
        oldest = min(over, key=lambda one: (one.ip.state_since, one.ip.ip_id))
        due[oldest.ip.ip_id] = (
            f"It was active for {amount(_active_days(oldest, effective), 'day')} of a cycle of {policy.cycle_active_days}, "
            "so it is due for a rest"
        )
    return due


def rest_in_turn(
    observations: Sequence[IpObservation], choices: Sequence[Proposal], policy: Policy, effective: date
) -> list[Proposal]:
    """The choices, with those of IPs that are due for a rest changed as policy says: `automatic` retires, `tell` only says so,
    `never` changes nothing. An IP about which anything else was decided than to stay waits for another day."""
    if policy.cycle_start is CycleStart.NEVER:
        return list(choices)
    due = due_for_rest(observations, policy, effective)
    return [
        _rest(observation, proposal, due[observation.ip.ip_id], policy, effective)
        if observation.ip.ip_id in due and proposal.action is Action.STAY
        else proposal
        for observation, proposal in zip(observations, choices, strict=True)
    ]


def _rest(
    observation: IpObservation, proposal: Proposal, due: str, policy: Policy, effective: date
) -> Proposal:
    if policy.cycle_start is CycleStart.TELL:
        return proposal._replace(reason=f"{proposal.reason}. {due}: a person may retire it", cause=DUE)
    since = replace(observation.ip, state_since=midnight(effective))
    wanted = warm_down(since, policy, effective, observation.standing) or 0
    reason = f"{due}: it warms down in {amount(len(policy.retiring_parts), 'step')}, from {amount(wanted, 'message')} a day"
    return proposal._replace(action=Action.RETIRE, reason=reason, wanted=wanted, event="retire")


def _carries(observation: IpObservation) -> bool:
    ip = observation.ip
    free = ip.pause is None and not ip.blacklisted_on and not ip.braked and observation.held_by is None
    return ip.state is IpState.ACTIVE and free


def _active_days(observation: IpObservation, effective: date) -> int:
    return (midnight(effective) - observation.ip.state_since) // timedelta(days=1)
