"""One host, planned for and deployed to in one go: the DAG's steps for who needs no canary and asks nobody."""

from dataclasses import replace

from email_engine.errors import GuardBreach
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.pmta_config_deploy.apply import Deployed, apply_plan
from email_engine.pipelines.pmta_config_deploy.hosts import hosts
from email_engine.pipelines.pmta_config_deploy.news import PLANNED, told
from email_engine.pipelines.pmta_config_deploy.plan import as_plan, clear, judge
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store


def deploy(store: Store, clients: Clients, host: str, run: Run) -> Deployed:
    """Plans for `host` as task `plan` of the DAG does, and deploys as its task `rest` does: verified, or the host is as it was.
    Nothing is watched afterwards, and no question is asked: what the guard objects to is refused, all of it. A dry run logs the
    difference and the objections. Takes the DAG's params `rollback_to`, `tenant`, `accept_breach` and `reason`.

    Raises:
        InputError: a param leads nowhere, or the host is not the fleet's.
        GuardBreach: the guard objects, and nobody accepted that; the host was not changed.
        Busy: another deployment has the host.
        EngineError: it did not come to its end; people were told."""
    run = replace(run, params={**run.params, "host": host})
    hosts(store, run)
    with told(store, PLANNED, host, run):
        view, breaches = judge(store, clients, host, run)
        if not breaches and not run.dry_run:
            clear(store, view)
    if breaches:
        raise GuardBreach(
            f"deployment to {host}",
            f"the guard objects: {'; '.join(breach.message for breach in breaches)}",
            "no objection, or a person who accepts it",
            "nothing was changed; read the difference, then run it again with `accept_breach` and a reason",
        )
    plan = as_plan(view, run, needs_person=False)
    if run.dry_run:
        return Deployed(host, "planned", plan["digest"], summary=plan["summary"])
    if not plan["changed"]:
        return Deployed(host, "unchanged", plan["digest"], summary=plan["summary"])
    return replace(apply_plan(store, clients, plan, run), summary=plan["summary"])
