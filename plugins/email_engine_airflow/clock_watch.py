"""A thread of Airflow's triggerer that looks every minute for runs in the future: the one place that goes on when schedules
stand still and may write to Airflow's database. An Airflow listener starts it."""

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from email_engine.store.clock import MovedRuns

EVERY = 60.0
"""Seconds between two looks, by a clock that nobody sets."""
THREAD = "email-engine clock watch"
ORIGIN = "airflow.triggerer clock"
log = logging.getLogger(__name__)


class ClockWatch:
    """Heals, then tells; what could not be told is told with the next look."""

    def __init__(self) -> None:
        self.untold: MovedRuns | None = None

    def look(self) -> None:
        """Never raises: the next look tries again."""
        try:
            self._heal()
            if self.untold is not None:
                self._tell(self.untold)
                self.untold = None
        except Exception as error:  # noqa: BLE001 - the triggerer's own work goes on
            log.warning("looking for runs in the future failed: %s", error)

    def _heal(self) -> None:
        from airflow.utils.session import create_session

        from email_engine_airflow import future_runs

        with create_session() as session:
            healed = future_runs.heal(session, future_runs.latest_clock(session))
        if healed.moved is not None:
            log.warning("runs in the future were moved to the present: %s", healed.moved)
            self.untold = healed.moved
        elif healed.parsing:
            log.warning("the DAG processor's clock was ahead: it was asked to parse again")

    def _tell(self, moved: "MovedRuns") -> None:
        from datetime import UTC, datetime

        from email_engine.store import clock
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        store = EngineDbHook().get_conn()
        try:
            with store.session(tenant="*") as conn:
                clock.look(conn, datetime.now(UTC), clock.Seen(ORIGIN), moved)
        finally:
            store.dispose()


def _run(every: float) -> None:
    watch, pause = ClockWatch(), threading.Event()
    while not pause.wait(every):
        watch.look()


@hookimpl
def on_starting(component: Any) -> None:
    """Called by every Airflow process and task that starts; `component` does not say yet which one it is."""
    if sys.argv[1:2] == ["triggerer"] and THREAD not in {each.name for each in threading.enumerate()}:
        threading.Thread(target=_run, args=(EVERY,), name=THREAD, daemon=True).start()
