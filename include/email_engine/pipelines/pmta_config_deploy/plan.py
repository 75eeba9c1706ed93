"""One host is planned for: what would change there, and what a person must be asked."""

import logging
from datetime import UTC, datetime

from email_engine.pipelines.clients import Clients
from email_engine.pipelines.pmta_config_approval.links import answer_url
from email_engine.pipelines.pmta_config_deploy.as_planned import require_approved
from email_engine.pipelines.pmta_config_deploy.heal import heal
from email_engine.pipelines.pmta_config_deploy.news import APPLIED, PLANNED, QUESTION, told
from email_engine.pipelines.pmta_config_deploy.planned import Plan
from email_engine.pipelines.pmta_config_deploy.view import View, breaches_of, look, read_wanted
from email_engine.pipelines.pmta_config_deploy.words import question_text
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import open_questions_url
from email_engine.pmta.config.guard import Breach
from email_engine.pmta.config.plan import plan_deployment
from email_engine.pmta.language.compare import lines_for_people
from email_engine.store.deployment import approvals
from email_engine.store.deployment.approvals import Approval
from email_engine.store.engine import Store
from email_engine.store.telling import alerts

DIFF_LINES = 400
COMMENTS = "comments only"
DONE = "nothing more: what differed only slowed down, and that is done already"

log = logging.getLogger(__name__)


def plan_host(store: Store, clients: Clients, host: str, run: Run, base_url: str) -> Plan:
    """Reads what one host runs, renders what it should run, and lets the guard judge the difference.

    What a killed run left is finished or undone first. A breach becomes a question to a person (table approvals), with its page
    below `base_url`, Airflow's own; nothing here waits for the answer. The configuration itself stays out of the plan:
    `apply` renders it again.

    Raises Busy: another deployment has the host; EngineError: people were told."""
    with told(store, PLANNED, host, run):
        view, breaches = judge(store, clients, host, run)
        question = ask(store, view, run, breaches, base_url) if breaches else None
        if question is None and not run.dry_run:
            clear(store, view)
    return as_plan(view, run, needs_person=question is not None, question=question)


def judge(store: Store, clients: Clients, host: str, run: Run) -> tuple[View, tuple[Breach, ...]]:
    """One look at the host, and the guard's objections that stop this run: none in a dry run, or where a person accepts them."""
    wanted = read_wanted(store, host, run)
    with clients.mta(wanted.host.connection) as mta:
        if wanted.interrupted and not run.dry_run:
            heal(store, mta, wanted.host, run)
            wanted = read_wanted(store, host, run)
        view = look(mta, wanted)
        _show(view)
        breaches = breaches_of(store, mta, view)
    for breach in breaches:
        log.warning("guard: %s", breach.message)
    if view.wanted.approval:
        require_approved(view)
        return view, ()
    if breaches and (run.dry_run or run.params.get("accept_breach")):
        said = run.reason or "dry run"
        log.warning("the guard's objection does not stop this run (%s)", said)
        return view, ()
    return view, breaches


def as_plan(view: View, run: Run, *, needs_person: bool, question: Approval | None = None) -> Plan:
    reductions = view.reductions
    at_once = not view.plan.changed or view.only_lowers
    return {
        "host": view.plan.host,
        "digest": view.plan.new_digest,
        "previous": view.plan.old_digest,
        "reduced": reductions.plan.new_digest if reductions else None,
        "kind": "approval" if needs_person else "at_once" if at_once else "canary",
        "changed": view.changed,
        "lowers": reductions is not None or view.holds_there,
        "summary": view.summary,
        "approval": question.id if question else None,
        "fleet_version": view.wanted.fleet_version,
        "dry_run": run.dry_run,
    }


def _show(view: View) -> None:
    log.info("%s", view.summary)
    lines = view.plan.diff.splitlines()
    for line in lines[:DIFF_LINES]:
        log.info("%s", line)
    if len(lines) > DIFF_LINES:
        log.info("... and %d lines more", len(lines) - DIFF_LINES)


def ask(store: Store, view: View, run: Run, breaches: tuple[Breach, ...], base_url: str) -> Approval:
    """The question in table approvals, asked now or before, and people told of it."""
    host, reductions, plan = view.plan.host, view.reductions, view.plan
    if reductions:
        plan = plan_deployment(host, reductions.text, view.text)
    question = approvals.Question(
        mta_host=host,
        fleet_version=view.wanted.fleet_version,
        digest=plan.new_digest,
        previous_digest=plan.old_digest,
        breaches=[breach.message for breach in breaches],
        summary="\n".join(lines_for_people(plan.changes)) or (COMMENTS if plan.changed else DONE),
        diff=plan.diff,
        caused_by=run.caused_by,
        rollback_to=view.wanted.rollback.id if view.wanted.rollback else None,
        only_tenant=view.wanted.only_tenant,
        dag_id=run.dag_id,
        run_id=run.run_id,
    )
    with store.session(tenant="*") as conn:
        asked = approvals.ask(conn, question, datetime.now(UTC))
        text = question_text(
            host, asked, question.breaches, answer_url(asked, base_url), reductions is not None,
            open_questions_url(base_url),
        )  # fmt: skip
        alerts.clear(conn, PLANNED, host)
        alerts.raise_alert(
            conn, QUESTION, host, f"{asked.status} {asked.id}", "warning", text, dag_id=run.dag_id,
            run_id=run.run_id,
        )  # fmt: skip
    log.warning("%s", text)
    return asked


def clear(store: Store, view: View) -> None:
    """Nothing is in the way: the question that another version asked is superseded, and so are the alerts."""
    host = view.plan.host
    with store.session(tenant="*") as conn:
        said = f"superseded by fleet version {view.wanted.fleet_version}"
        approvals.supersede(conn, host, said, datetime.now(UTC))
        alerts.clear(conn, PLANNED, host)
        alerts.clear(conn, QUESTION, host)
        if not view.changed:
            alerts.clear(conn, APPLIED, host)
