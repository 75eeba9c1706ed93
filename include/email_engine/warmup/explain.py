"""A decision made again from its stored inputs: it must come out the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from email_engine.errors import InputError
from email_engine.warmup.guard import guard_ip
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.plan import IpDecision, plan_quota_pool
from email_engine.warmup.policy import Policy
from email_engine.warmup.snapshot import observation_of

GUARD = "reputation_guard"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row of table decisions. `subject`: the IP's address; `inputs`: plain JSON, with the snapshot under `observed`."""

    subject: str
    day: date
    action: str
    reason: str
    inputs: Mapping[str, Any]
    verdicts: Mapping[str, Any]
    policy_digest: str
    run_id: str | None
    pipeline: str = "warmup_advance"
    run_key: str = ""

    @property
    def rules(self) -> int:
        """The number of the rules that decided it; 0 where its row holds no snapshot."""
        observed = self.inputs.get("observed")
        return int(observed.get("rules", 1)) if isinstance(observed, Mapping) else 0

    @property
    def party(self) -> tuple[Any, ...]:
        """Decisions of one party were made together: they shared a pot of the quota."""
        return (
            self.day,
            self.run_id,
            self.policy_digest,
            *map(self.inputs.get, ("effective", "pot", "quota")),
        )


@dataclass(frozen=True, slots=True)
class Again:
    """The decision made again; `differences` names what came out otherwise: field, then and now."""

    ip_decision: IpDecision
    differences: tuple[tuple[str, Any, Any], ...]

    @property
    def agrees(self) -> bool:
        return not self.differences


def decide_again(recorded: Recorded, others: Sequence[Recorded], policy: Policy) -> Again:
    """Args:
        recorded: the decision in question.
        others: all decisions of its tenant and day, itself among them or not.
        policy: the one that its digest names in table policies.

    Raises InputError where a snapshot is missing or of another release."""
    ip_decision = (
        _guarded(recorded, policy) if recorded.pipeline == GUARD else _planned(recorded, others, policy)
    )
    now = {
        "action": ip_decision.proposal.action.value,
        "reason": ip_decision.reason,
        "verdicts": ip_decision.verdicts,
    } | ip_decision.result
    then = {
        "action": recorded.action,
        "reason": recorded.reason,
        "verdicts": dict(recorded.verdicts),
    } | {name: recorded.inputs.get(name) for name in ip_decision.result}
    return Again(ip_decision, tuple((name, then[name], now[name]) for name in now if then[name] != now[name]))


def _guarded(recorded: Recorded, policy: Policy) -> IpDecision:
    ip_decision = guard_ip(_observed(recorded), policy, recorded.day)
    if ip_decision is None:
        raise InputError(
            f"decision of {GUARD} about {recorded.subject} at {recorded.run_key}",
            "made again there is no need to act",
            f"action {recorded.action}",
            "its row or the engine was changed since; compare both",
        )
    return ip_decision


def _planned(recorded: Recorded, others: Sequence[Recorded], policy: Policy) -> IpDecision:
    party = {one.subject: one for one in (*others, recorded) if one.party == recorded.party}
    seen = sorted((_observed(one) for one in party.values()), key=lambda one: one.ip.ip_id)
    effective = date.fromisoformat(recorded.inputs["effective"])
    ip_decisions = plan_quota_pool(
        seen, policy, int(recorded.inputs["quota"]), recorded.day, effective, recorded.inputs.get("pot")
    )
    return next(one for one in ip_decisions if str(one.observation.ip.address) == recorded.subject)


def _observed(recorded: Recorded) -> IpObservation:
    document = recorded.inputs.get("observed")
    if not document:
        raise InputError(
            f"decision about {recorded.subject} on {recorded.day}",
            "its row holds no snapshot",
            "a decision of this release",
            "read its inputs; it cannot be made again",
        )
    try:
        return observation_of(document)
    except ValueError as error:
        raise InputError(
            f"decision about {recorded.subject} on {recorded.day}",
            f"its snapshot cannot be read ({type(error).__name__})",
            "a snapshot of this release",
            "read its inputs; it cannot be made again",
        ) from error
