"""What the page of a question needs to know beside the question: mail that waits, what caused it, where to read on."""

from datetime import datetime

from email_engine.adapters.file_history import last_change
from email_engine.paths import CONFIG, fleet_path
from email_engine.pipelines.pmta_config_approval.links import DEPLOYING
from email_engine.pipelines.trouble import log_url
from email_engine.pmta.config.approval_page import Cause, Waiting, render_question, vanishing
from email_engine.store import versions
from email_engine.store.deployment import deployments
from email_engine.store.deployment.approvals import Approval
from email_engine.store.engine import Store
from email_engine.store.hosts import health

VERSIONS = 100
"""Read; the page shows the newest and says how many more there are."""


def body(store: Store, approval: Approval, until: datetime, whole: str, base_url: str) -> str:
    """`whole`: the address at which the difference can be read."""
    back = f"roll-back to deployment {approval.rollback_to}" if approval.rollback_to else ""
    return render_question(
        host=approval.mta_host,
        until=until,
        why=approval.breaches,
        waiting=_waiting(store, approval),
        causes=_causes(store, approval, base_url),
        meaning=approval.summary,
        diff=approval.diff,
        whole=whole,
        only=back or (f"for tenant {approval.only_tenant} alone" if approval.only_tenant else ""),
    )


def _waiting(store: Store, approval: Approval) -> Waiting:
    names = vanishing(approval.diff)
    with store.session(tenant="*") as conn:
        at, recipients = health.waiting(conn, approval.mta_host, names)
    return Waiting(at, recipients)


def _causes(store: Store, approval: Approval, base_url: str) -> list[Cause]:
    """The run that asked, who changed the fleet file, and the fleet versions since the last deployment that went through,
    newest first. The file is looked at now: its time tells whether it is the change that is asked about."""
    with store.session(tenant="*") as conn:
        last = deployments.last_whole(conn, approval.mta_host)
        after = last.fleet_version if last else 0
        made = versions.between(conn, after, approval.fleet_version, VERSIONS)
    asked_by = Cause(
        "asked" if approval.caused_by == DEPLOYING else f"asked for {approval.caused_by}",
        DEPLOYING,
        _run_url(base_url, DEPLOYING, approval.run_id),
    )
    of_versions = [
        Cause(
            f"fleet version {version.version}: {version.reason}",
            version.dag_id or "",
            _run_url(base_url, version.dag_id, version.run_id),
        )
        for version in made
    ]
    path = fleet_path()
    changed = "" if path.parent == CONFIG else last_change(path)
    return [asked_by, *([Cause(f"fleet file: {changed}")] if changed else []), *of_versions]


def _run_url(base_url: str, dag_id: str | None, run_id: str | None) -> str:
    return log_url(base_url, dag_id, run_id, None, None) if dag_id and run_id else ""
