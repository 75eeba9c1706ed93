"""Whether a planned deployment may go ahead without a person."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from email_engine.errors import GuardBreach
from email_engine.mta.plan import DeployPlan
from email_engine.mta.policy import DeployPolicy


@dataclass(frozen=True, slots=True)
class Breach:
    """`kind`: disappears, queued_mail, pool_disappears, unexplained, drift or undealt."""

    kind: str
    message: str


def find_breaches(
    plan: DeployPlan,
    decided: Collection[str],
    queued: Mapping[str, int],
    drifted: bool,
    policy: DeployPolicy,
    undealt: Collection[str] = (),
) -> tuple[Breach, ...]:
    """Args:
    decided: virtual MTAs with a decision, a change of state or allowance, or a brake since the last deployment.
    queued: recipients in the queues of the virtual MTAs that would disappear.
    drifted: the file is none that the engine ever deployed there.
    undealt: virtual MTAs that send and about which nothing was decided yet.
    """
    if not plan.changed:
        return ()
    found = []
    if plan.removed:
        names = ", ".join(plan.removed[:5]) + (" ..." if len(plan.removed) > 5 else "")
        found.append(Breach("disappears", f"{len(plan.removed)} virtual MTAs would disappear: {names}"))
    waiting = {name: queued[name] for name in plan.removed if queued.get(name)}
    if waiting:
        listed = ", ".join(f"{name} {count}" for name, count in sorted(waiting.items())[:5])
        found.append(Breach("queued_mail", f"queued mail would bounce with 5.3.5: {listed}; drain it first"))
    gone = [change.pool for change in plan.pools if change.vanished and not set(change.left) <= set(decided)]
    if gone:
        found.append(Breach("pool_disappears", f"pools would disappear: {', '.join(gone[:5])}"))
    unexplained = [name for name in plan.changed_vmtas if name not in decided]
    if len(unexplained) * 100 > policy.unexplained_vmtas_percent * plan.old_vmtas:
        found.append(
            Breach(
                "unexplained",
                f"{len(unexplained)} of {plan.old_vmtas} virtual MTAs change without a decision since the last "
                f"deployment (limit {policy.unexplained_vmtas_percent} %)",
            )
        )
    if drifted:
        found.append(
            Breach("drift", "the file there is none that the engine deployed: somebody edited it by hand")
        )
    if undealt:
        names = ", ".join(sorted(undealt)[:5]) + (" ..." if len(undealt) > 5 else "")
        found.append(
            Breach(
                "undealt",
                f"{len(undealt)} sending virtual MTAs have no allowance yet and would be capped at 1 a day: {names}; "
                "run warmup_advance first",
            )
        )
    return tuple(found)


def require_safe(host: str, breaches: Collection[Breach]) -> None:
    """Raises GuardBreach that names every breach."""
    if breaches:
        raise GuardBreach(
            f"deployment to {host}",
            "; ".join(breach.message for breach in breaches),
            "a change that follows recorded decisions",
            "read the diff; if it is meant, run pmta_config_deploy by hand with `accept_breach` and a reason",
        )
