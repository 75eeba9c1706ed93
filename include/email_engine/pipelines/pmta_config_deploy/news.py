"""What people are told of a deployment, as alerts: good news, and every error that ends a step."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from email_engine.errors import EngineError, Unreachable
from email_engine.pipelines.pmta_config_deploy.words import failure_text
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import cause_and_title
from email_engine.store.deployment.approvals import Superseded
from email_engine.store.engine import Store
from email_engine.store.hosts.lock import Busy, LockLost
from email_engine.store.telling import alerts

PLANNED = "deployment_plan"
APPLIED = "deployment"
QUESTION = "deployment_approval"
"""What the guard stopped: only a person helps, so that the clock does not try it again."""

log = logging.getLogger(__name__)


@contextmanager
def told(store: Store, event: str, host: str, run: Run) -> Iterator[None]:
    """Notes an alert about an EngineError, which goes on; a dry run tells nobody. That another deployment has the host (Busy) is
    no news, that it took over (LockLost) is no trouble."""
    try:
        yield
    except Busy as error:
        if isinstance(error, LockLost):
            log.warning("%s", error)
            if not run.dry_run:
                text = failure_text(host, error, planning=event == PLANNED)
                tell(store, event, host, Superseded.__name__, "info", text, run)
        raise
    except EngineError as error:
        if not run.dry_run:
            severity = "warning" if isinstance(error, Superseded | Unreachable) else "critical"
            text = failure_text(host, error, planning=event == PLANNED)
            away = cause_and_title(error, "host", host) is not None
            tell(store, event, host, type(error).__name__, severity, text, run, silent=away)
            error.told = not away
        raise


def tell(
    store: Store,
    event: str,
    host: str,
    state: str,
    severity: str,
    text: str,
    run: Run,
    *,
    silent: bool = False,
) -> None:
    """Notes an alert; a database that is away does not hide what is to be told. `silent`: the hourly run must know of it,
    and people are told by the incident that other tasks share."""
    try:
        with store.session(tenant="*") as conn:
            row = alerts.raise_alert(
                conn, event, host, state, severity, text, dag_id=run.dag_id, run_id=run.run_id
            )
            if silent and row is not None:
                alerts.mark_sent(conn, [row], datetime.now(UTC))
    except EngineError as second:
        # the database may be what failed: the first error is the one to see
        log.warning("no alert could be noted: %s", second.observed)
