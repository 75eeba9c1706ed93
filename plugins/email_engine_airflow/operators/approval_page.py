"""What the page of a question needs to know beside the question: mail that waits, what caused it, where to read on."""

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from email_engine.pmta.config.approval_page import Cause, Waiting
    from email_engine.store.approvals import Approval
    from email_engine.store.engine import Store

VERSIONS = 100
"""Read; the page shows the newest and says how many more there are."""


def open_questions_url() -> str:
    """The list of open questions: the sign in a row opens its question as wide as a phone, as a task's page does not."""
    return f"{_base()}/required_actions"


def _base() -> str:
    from airflow.sdk.configuration import conf

    base: str = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    return base.rstrip("/")


def run_url(dag_id: str, run_id: str, *task: str) -> str:
    """The address of a run in Airflow, or of a page of one of its tasks."""
    path = "/".join(("tasks", *task)) if task else ""
    run = f"{_base()}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
    return f"{run}/{path}" if path else run


def body(store: "Store", approval: "Approval", until: datetime, whole: str) -> str:
    """`whole`: the address at which the difference can be read."""
    from email_engine.pmta.config.approval_page import render_question

    back = f"roll-back to deployment {approval.rollback_to}" if approval.rollback_to else ""
    return render_question(
        host=approval.mta_host,
        until=until,
        why=approval.breaches,
        waiting=_waiting(store, approval),
        causes=_causes(store, approval),
        meaning=approval.summary,
        diff=approval.diff,
        whole=whole,
        only=back or (f"for tenant {approval.only_tenant} alone" if approval.only_tenant else ""),
    )


def _waiting(store: "Store", approval: "Approval") -> "Waiting":
    from email_engine.pmta.config.approval_page import Waiting, vanishing
    from email_engine.store import health

    names = vanishing(approval.diff)
    with store.session(tenant="*") as conn:
        at, recipients = health.waiting(conn, approval.mta_host, names)
    return Waiting(at, recipients)


def _causes(store: "Store", approval: "Approval") -> "list[Cause]":
    """The run that asked, who changed the fleet file, and the fleet versions since the last deployment that went through,
    newest first. The file is looked at now: its time tells whether it is the change that is asked about."""
    from email_engine.adapters.file_history import last_change
    from email_engine.paths import CONFIG, fleet_path
    from email_engine.pmta.config.approval_page import Cause
    from email_engine.store import deployments, versions
    from email_engine_airflow.operators.approval import DEPLOYING

    with store.session(tenant="*") as conn:
        last = deployments.last_whole(conn, approval.mta_host)
        after = last.fleet_version if last else 0
        made = versions.between(conn, after, approval.fleet_version, VERSIONS)
    asked_by = Cause(
        "asked" if approval.caused_by == DEPLOYING else f"asked for {approval.caused_by}",
        DEPLOYING,
        run_url(DEPLOYING, approval.run_id) if approval.run_id else "",
    )
    found = [
        Cause(
            f"fleet version {one.version}: {one.reason}",
            one.dag_id or "",
            run_url(one.dag_id, one.run_id) if one.dag_id and one.run_id else "",
        )
        for one in made
    ]
    path = fleet_path()
    changed = "" if path.parent == CONFIG else last_change(path)
    return [asked_by, *([Cause(f"fleet file: {changed}")] if changed else []), *found]
