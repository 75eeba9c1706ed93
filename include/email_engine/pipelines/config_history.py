"""What stands on the hosts enters the history of configurations."""

import logging
from pathlib import Path

from email_engine.adapters.config_history import ConfigHistory, OtherHistory
from email_engine.errors import EngineError
from email_engine.paths import config_history_path
from email_engine.pipelines.run import Run
from email_engine.store.deployment import config_versions
from email_engine.store.engine import Store
from email_engine.store.telling import alerts

EVENT = "config-history"

log = logging.getLogger(__name__)


def record(store: Store, run: Run) -> dict[str, int]:
    """Writes every deployment that reached its host and is not in the history yet: one commit each, in order.

    The history follows table deployments: a run that was killed, a full disk or a folder that was deleted leave nothing
    out for good, since the next run adds what is missing. It never fails the deployment: trouble is an alert, cleared
    when a later run catches up. A dry run writes nothing. Returns `{"added": deployments}`."""
    if run.dry_run:
        log.info("dry run: nothing is written")
        return {"added": 0}
    path = config_history_path()
    added, failure = 0, None
    try:
        history = ConfigHistory(path)
        for deployment in _missing(store, history):
            with store.session(tenant="*") as conn:
                version = config_versions.load_version(conn, deployment)
            added += history.record([version])
    except EngineError as error:
        failure = error
        log.warning("%s", error)
    _tell(store, path, failure, run)
    log.info("%d deployments entered the history in %s", added, path)
    return {"added": added}


def _missing(store: Store, history: ConfigHistory) -> tuple[int, ...]:
    """Asked twice before the history is held for another's: a deployment may have come between the two looks."""
    for last in (False, True):
        with store.session(tenant="*") as conn:
            known = config_versions.reached(conn)
        try:
            return history.missing(known)
        except OtherHistory:
            if last:
                raise
    return ()


def _tell(store: Store, path: Path, failure: EngineError | None, run: Run) -> None:
    try:
        with store.session(tenant="*") as conn:
            if failure is None:
                alerts.clear(conn, EVENT, str(path))
                return
            text = "The history of configurations is behind\n"
            text += f"{failure}\nThe deployments themselves are not touched by this."
            alerts.raise_alert(
                conn, EVENT, str(path), "behind", "warning", text, None, run.dag_id, run.run_id
            )
    except EngineError as error:
        log.warning("no alert could be noted: %s", error)
