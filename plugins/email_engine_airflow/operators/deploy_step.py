"""What the steps of `pmta_config_deploy` share: the engine's database, and one way to fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from email_engine_airflow.run import Run

if TYPE_CHECKING:
    from email_engine.store.engine import Store


class DeployStep(BaseOperator):
    """The engine's database, and one way to fail: told to people, tried again only where that can help."""

    def __init__(self, *, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine_conn_id = engine_conn_id

    @contextmanager
    def store(self) -> "Iterator[Store]":
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            yield store
        finally:
            store.dispose()

    @contextmanager
    def told(self, store: "Store", event: str, host: str, run: Run) -> Iterator[None]:
        """Turns an EngineError into an alert and a failed task; a dry run tells nobody."""
        from email_engine.errors import EngineError, GuardBreach, NotVerified, Unreachable
        from email_engine.store import alerts
        from email_engine.store.deployments import Busy

        try:
            yield
        except EngineError as error:
            if not run.dry_run and not isinstance(error, Busy):
                severity = "warning" if isinstance(error, GuardBreach | Unreachable) else "critical"
                state = type(error).__name__
                try:
                    with store.session(tenant="*") as conn:
                        alerts.raise_alert(
                            conn,
                            event,
                            host,
                            state,
                            severity,
                            str(error),
                            dag_id=run.dag_id,
                            run_id=run.run_id,
                        )
                except EngineError as second:
                    # the database may be what failed: the first error is the one to see
                    self.log.warning("no alert could be noted: %s", second.observed)
            if isinstance(error, Unreachable | NotVerified | Busy):
                raise
            raise AirflowFailException(str(error)) from error
