"""What people are told about the health of a MailWizz: one incident a cause, opened once, counted, ended when a look proves it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from email_engine.errors import EngineError
from email_engine.fleet.model import MailwizzInstance
from email_engine.mailer.health import MailwizzFinding, MailwizzLevel
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import LONGEST, cause_and_title, origin
from email_engine.store.engine import Store
from email_engine.store.telling import alerts, incidents

KNOWN = (MailwizzLevel.GOOD, MailwizzLevel.INFO)
"""Levels that prove that nothing is wrong, where the finding is no incident itself."""


def tell(store: Store, instance: MailwizzInstance, findings: Sequence[MailwizzFinding], run: Run) -> None:
    """An instance that answered is no longer away; what is unknown or not asked neither opens nor ends anything."""
    now = datetime.now(UTC)
    with store.session(tenant="*") as conn:
        alerts.set_lock_timeout(conn)
        incidents.proved_over(conn, _origin(instance, "reachable", run), now)
        for found in findings:
            _tell(conn, instance, found, run, now)


def _tell(
    conn: Connection, instance: MailwizzInstance, found: MailwizzFinding, run: Run, now: datetime
) -> None:
    cause = f"MailWizz {instance.name}: {found.check}"
    if not found.title:
        if found.level in KNOWN:
            incidents.over(
                conn, cause, now, f"MailWizz {instance.name}: {found.check} is well again", instance.tenant
            )
        return
    trouble = incidents.Trouble(
        cause, f"MailWizz {instance.name}: {found.title}", found.level.value, found.told[:LONGEST], found.allowed,
        found.next_step, _origin(instance, found.check, run), run.dag_id, run.run_id, "check", details=found.details,
        tenant=instance.tenant,
    )  # fmt: skip
    incidents.note(conn, trouble, now)


def tell_away(store: Store, instance: MailwizzInstance, error: EngineError, run: Run) -> None:
    """The incident of every pipeline that meets this instance; nothing else of it changes."""
    cause, title = cause_and_title(error, "MailWizz", instance.name) or (
        f"MailWizz {instance.name}",
        error.subject,
    )
    trouble = incidents.Trouble(
        cause, title, "critical", error.observed[:LONGEST], error.allowed, error.next_step,
        _origin(instance, "reachable", run), run.dag_id, run.run_id, "check", tenant=instance.tenant,
    )  # fmt: skip
    with store.session(tenant="*") as conn:
        alerts.set_lock_timeout(conn)
        incidents.note(conn, trouble, datetime.now(UTC))


def _origin(instance: MailwizzInstance, check: str, run: Run) -> str:
    """Not the task's own: that it came to its end proves nothing."""
    return origin(run.dag_id, "check", f"{instance.name} {check}")
