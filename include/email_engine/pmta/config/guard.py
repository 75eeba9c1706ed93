"""Whether a planned deployment may go ahead without a person."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from email_engine.pmta.config.deploy_policy import DeployPolicy
from email_engine.pmta.config.plan import DeployPlan

NAMED = 5


@dataclass(frozen=True, slots=True)
class Breach:
    """`kind`: disappears, queued_mail, pool_disappears, cap_raised, unexplained, other_tenant, drift, undealt, or
    rolled_back where the watch took this very configuration back."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the engine and the host know beside the plan; everything names virtual MTAs.

    `decided`: those with a decision, a change of state or allowance, or a brake since the last deployment. `may_rise`:
    those whose allowance, state or brake changed since then: a decision to hold raises no cap. `queued`: recipients
    waiting in those that would disappear. `undealt`: those that send and about which nothing was decided yet.
    `drifted`: the file is none that the engine ever deployed there, or gone. `tenant`: the only one whose part may change.
    `rates_may_rise`: limits other than an IP's cap and its part at a provider, which no decision about an IP gives, may
    rise."""

    decided: Collection[str] = ()
    may_rise: Collection[str] = ()
    queued: Mapping[str, int] | None = None
    drifted: bool = False
    rates_may_rise: bool = False
    undealt: Collection[str] = ()
    tenant: str | None = None


def find_breaches(plan: DeployPlan, grounds: Grounds, policy: DeployPolicy) -> tuple[Breach, ...]:
    """Everything about a plan that a person should see first; nothing where nothing changes."""
    return tuple(_breaches(plan, grounds, policy)) if plan.changed else ()


def _breaches(plan: DeployPlan, grounds: Grounds, policy: DeployPolicy) -> Iterator[Breach]:
    if plan.removed:
        yield Breach("disappears", f"{_virtual_mtas(plan.removed)} would disappear")
    waiting = {name: count for name in plan.removed if (count := (grounds.queued or {}).get(name))}
    if waiting:
        listed = ", ".join(f"{name} {count}" for name, count in sorted(waiting.items())[:NAMED])
        yield Breach(
            "queued_mail", f"queued mail would bounce with 5.3.5: {listed}; pause and drain it first"
        )
    gone = [pool for pool in plan.pools_removed if not plan.members_left(pool) <= set(grounds.decided)]
    if gone:
        yield Breach("pool_disappears", f"pools would disappear: {_some(gone)}")
    raised = [name for name in plan.raised if name not in grounds.may_rise]
    if raised:
        yield Breach("cap_raised", f"{_virtual_mtas(raised)} would get a higher limit that no decision gave")
    rates = plan.raised_rates(() if policy.rates_a_day else grounds.may_rise)
    if rates and not grounds.rates_may_rise:
        yield Breach("cap_raised", f"rates would rise that no decision about an IP gives: {_some(rates)}")
    lines = plan.unexplained_lines(grounds.decided)
    if plan.old_lines and lines * 100 > policy.unexplained_lines_percent * plan.old_lines:
        yield Breach(
            "unexplained",
            f"{lines} of {plan.old_lines} lines change without a decision since the last deployment "
            f"(limit {policy.unexplained_lines_percent} %)",
        )
    if grounds.tenant is not None:
        others = sorted("the whole host" if one is None else one for one in plan.sections - {grounds.tenant})
        if others:
            yield Breach(
                "other_tenant", f"a run for {grounds.tenant} would change the part of {_some(others)}"
            )
    if grounds.drifted:
        yield Breach(
            "drift",
            "the file that the engine deployed is gone: somebody removed it by hand"
            if plan.old_digest is None
            else "the file there is none that the engine deployed: somebody edited it by hand",
        )
    if grounds.undealt:
        yield Breach(
            "undealt",
            f"{_virtual_mtas(sorted(grounds.undealt))} have no allowance yet and would be capped at 1 a day; run "
            "warmup_advance first",
        )


def _virtual_mtas(names: Collection[str]) -> str:
    return f"{len(names)} virtual MTA{'s' if len(names) > 1 else ''} ({_some(names)})"


def _some(names: Collection[str]) -> str:
    return ", ".join(list(names)[:NAMED]) + (", ..." if len(names) > NAMED else "")
