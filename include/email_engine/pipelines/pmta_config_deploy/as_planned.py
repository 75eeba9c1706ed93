"""What is about to be deployed must be what was planned, and what a person approved, over the file that stood there then."""

from email_engine.errors import GuardBreach
from email_engine.pipelines.pmta_config_deploy.planned import REDUCTIONS, Plan
from email_engine.pipelines.pmta_config_deploy.view import View
from email_engine.store.deployment.approvals import Superseded
from email_engine.store.deployment.deployments import Deployment


def require_planned(plan: Plan, view: View, left: Deployment | None) -> str | None:
    """`left`: what a killed run left, mended since the plan was made.

    Returns what to say where a newer fleet version has a run of its own, which planned with all that is in this one: then nothing
    is to be done here. Raises GuardBreach: a person was not asked yet; Superseded: another change than the planned or approved one."""
    partial = plan.get("part") == REDUCTIONS
    if plan["kind"] == "approval" and not partial:
        raise GuardBreach(
            f"deployment to {view.plan.host}",
            "the guard stopped this plan",
            "an approval",
            "answer it under Required Actions",
        )
    planned = (plan["reduced"] or plan["previous"]) if partial else plan["digest"]
    moved = view.plan.changed and view.plan.new_digest != planned
    known = [plan["previous"], plan["reduced"] or plan["previous"]]
    known += [left.digest, left.previous_digest] if left else []
    edited = view.plan.changed and view.plan.old_digest not in known
    if (moved or edited) and view.wanted.fleet_version > plan["fleet_version"]:
        return f"superseded by fleet version {view.wanted.fleet_version}; nothing was changed, its own run follows"
    if moved or edited:
        raise Superseded(
            f"deployment to {view.plan.host}",
            "another configuration is wanted than was planned"
            if moved
            else "the file there was changed after the plan was made",
            f"digest {str(planned)[:12]} over {str(plan['previous'])[:12]}",
            "nothing was changed; start pmta_config_deploy again, it plans anew",
        )
    require_approved(view)
    return None


def require_approved(view: View) -> None:
    """Raises Superseded unless this is the very change that a person approved, or nothing is left to do."""
    approval, plan = view.wanted.approval, view.plan
    if approval is None or not plan.changed:
        return
    if plan.new_digest != approval.digest:
        observed = f"superseded: fleet version {view.wanted.fleet_version} wants another configuration"
    elif plan.old_digest != approval.previous_digest:
        observed = (
            "superseded: another configuration stands on the host than the one that was approved to change"
        )
    else:
        return
    raise Superseded(
        f"approval {approval.id} of {approval.mta_host}",
        observed,
        f"digest {approval.digest[:12]} over {str(approval.previous_digest)[:12]}",
        "nothing was changed; it is planned anew, by the next run or by hand",
    )
