"""One question to a person: shown, answered or not, and what is deployed after a yes."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from email_engine.errors import InputError
from email_engine.forms import one_line
from email_engine.pipelines.pmta_config_approval.links import DEPLOYING, answer_url, run_of
from email_engine.pipelines.pmta_config_approval.page import body
from email_engine.pipelines.pmta_config_deploy.news import QUESTION, tell
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import log_url
from email_engine.store.deployment import approvals
from email_engine.store.deployment.approvals import Approval
from email_engine.store.engine import Store

LOGGED_LINES = 5000
"""Lines of the difference in the log of `ask`, to which the page links."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QuestionPage:
    """What a person is shown. `over`: a sentence why nobody is asked; else an answer counts until `until`."""

    approval: int
    subject: str
    body: str
    until: datetime
    url: str
    over: str | None = None


@dataclass(frozen=True, slots=True)
class NextRun:
    """The run that follows, by id and `conf`; neither where `said` is why none does."""

    said: str
    run_id: str = ""
    conf: dict[str, Any] | None = None


def to_ask(store: Store, approval_id: int, base_url: str) -> NextRun:
    """The run that asks a person, while the question is open."""
    with store.session(tenant="*") as conn:
        approval = approvals.find(conn, approval_id)
    if approval.status != "pending":
        return NextRun(approval.ended)
    url = answer_url(approval, base_url)
    log.info("answer here: %s", url)
    return NextRun(url, run_of(approval, "approval"), {"approval": approval.id})


def prepare(store: Store, run: Run, base_url: str, hours: float) -> QuestionPage:
    """The page of the question that internal key `approval` names; every line of the difference goes to the log.
    `hours`: so long an answer counts, unless the run's key `hours` says otherwise.

    Raises InputError: no question was named, or it is not in the database."""
    until = datetime.now(UTC) + timedelta(hours=float(run.internal("hours") or hours))
    approval = _find(store, run)
    whole = log_url(base_url, run.dag_id, run.run_id, "ask", None)
    text = body(store, approval, until, whole, base_url)
    subject = f"{approval.mta_host}: deploy fleet version {approval.fleet_version}?"
    _log(approval.diff)
    over = None if approval.status == "pending" else approval.ended
    if run.dry_run:
        log.info("%s\n%s", subject, text)
        over = "dry run: nobody is asked"
    return QuestionPage(approval.id, subject, text, until, answer_url(approval, base_url), over)


def ended(store: Store, approval_id: int) -> str | None:
    """A sentence why the question has no sense any more; None while it is open."""
    with store.session(tenant="*") as conn:
        found = approvals.find(conn, approval_id)
    return None if found.status == "pending" else found.ended


def answered(store: Store, run: Run, *, yes: bool, by: str, reason: object) -> NextRun:
    """A person's answer. The row in table approvals is what counts: one that comes too late changes nothing."""
    said = one_line(reason) or None
    if not yes:
        return _no(store, run, "refused", by, said)
    approval, taken = _settle(store, run, "approved", by, said)
    if not taken:
        return NextRun(approval.ended)
    log.info("%s", approval.ended)
    conf = {
        "host": approval.mta_host,
        "approval": approval.id,
        "reason": said,
        "rollback_to": approval.rollback_to,
        "tenant": approval.only_tenant,
    }
    return NextRun(approval.ended, run_of(approval, "approved"), conf)


def not_answered(store: Store, run: Run) -> NextRun:
    """The time is over: that means no, and people are told."""
    return _no(store, run, "expired", None, "nobody answered in time")


def _no(store: Store, run: Run, status: str, by: str | None, reason: str | None) -> NextRun:
    approval, taken = _settle(store, run, status, by, reason)
    if not taken:
        return NextRun(approval.ended)
    said = f"{approval.ended}; nothing was changed on {approval.mta_host}"
    severity = "warning" if status == "expired" else "info"
    what = "nobody answered in time" if status == "expired" else "a person said no"
    text = f"{approval.mta_host}: {what}, nothing was changed\n{said}"
    tell(store, QUESTION, approval.mta_host, f"{status} {approval.id}", severity, text, run)
    return NextRun(said)


def _settle(store: Store, run: Run, status: str, by: str | None, reason: str | None) -> tuple[Approval, bool]:
    """The question as it stands now, and whether this answer is the one that counts: also one given before, by a task that
    is run again."""
    asked = int(run.params["approval"])
    with store.session(tenant="*") as conn:
        taken = approvals.answer(conn, asked, status, by, reason, datetime.now(UTC))
        approval = approvals.find(conn, asked)
    return approval, taken or (approval.status, approval.answered_by) == (status, by)


def _find(store: Store, run: Run) -> Approval:
    number = run.internal("approval")
    if number is None:
        raise InputError(
            "approval 0", "not in the database: no question was named", "the id of an approval",
            f"trigger {DEPLOYING} instead, which asks where it must",
        )  # fmt: skip
    with store.session(tenant="*") as conn:
        return approvals.find(conn, number)


def _log(diff: str) -> None:
    """The lines that the page links to; secrets are hidden in them already."""
    lines = diff.splitlines()
    for line in lines[:LOGGED_LINES]:
        log.info("%s", line)
    if len(lines) > LOGGED_LINES:
        log.info("... and %d lines more, in table approvals", len(lines) - LOGGED_LINES)
