"""What stands on the hosts enters the history of configurations."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from email_engine.adapters.config_history import ConfigHistory
    from email_engine.store.engine import Store

EVENT = "config-history"


class RecordHistory(EngineOperator):
    """Writes every deployment that reached its host and is not in the history yet: one commit each, in order.

    The history follows table deployments: a run that was killed, a full disk or a folder that was deleted leave nothing
    out for good, since the next run adds what is missing. It never fails the deployment: trouble is an alert, cleared
    when a later run catches up. A dry run writes nothing. Returns `{"added": deployments}`."""

    def __init__(self, *, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine_conn_id = engine_conn_id

    def work(self, context: Any) -> dict[str, int]:
        from email_engine.adapters.config_history import ConfigHistory
        from email_engine.errors import EngineError
        from email_engine.paths import config_history_path
        from email_engine.store import alerts, config_versions
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        run = current_run(context)
        if run.dry_run:
            self.log.info("dry run: nothing is written")
            return {"added": 0}
        path = config_history_path()
        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            added, failure = 0, None
            try:
                history = ConfigHistory(path)
                for deployment in self._missing(store, history):
                    with store.session(tenant="*") as conn:
                        version = config_versions.load_version(conn, deployment)
                    added += history.record([version])
            except EngineError as error:
                failure = error
                self.log.warning("%s", error)
            try:
                with store.session(tenant="*") as conn:
                    if failure is None:
                        alerts.clear(conn, EVENT, str(path))
                    else:
                        text = "The history of configurations is behind\n"
                        text += f"{failure}\nThe deployments themselves are not touched by this."
                        alerts.raise_alert(
                            conn, EVENT, str(path), "behind", "warning", text, None, run.dag_id, run.run_id
                        )
            except EngineError as error:
                self.log.warning("no alert could be noted: %s", error)
        finally:
            store.dispose()
        self.log.info("%d deployments entered the history in %s", added, path)
        return {"added": added}

    def _missing(self, store: "Store", history: "ConfigHistory") -> tuple[int, ...]:
        """Asked twice before the history is held for another's: a deployment may have come between the two looks."""
        from email_engine.adapters.config_history import OtherHistory
        from email_engine.store.config_versions import reached

        for last in (False, True):
            with store.session(tenant="*") as conn:
                known = reached(conn)
            try:
                return history.missing(known)
            except OtherHistory:
                if last:
                    raise
        return ()
