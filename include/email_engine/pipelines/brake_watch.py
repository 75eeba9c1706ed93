"""Which hosts must be looked at because something stands still there."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from email_engine.pipelines.emergency_stop import bound_waits
from email_engine.pipelines.fleet import stop_removed
from email_engine.pipelines.host_moves import stop_moving, tell_waiting
from email_engine.pipelines.names import hosts_with_brakes
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import origin
from email_engine.store import clock
from email_engine.store.engine import Store

log = logging.getLogger(__name__)


def find_brakes(store: Store, run: Run, task_id: str) -> list[str]:
    """The MTA hosts on which a brake stands, all of which are looked at again; `[]` in a dry run.

    IPs that left the fleet file by `email-engine fleet apply` while they were sending get theirs here. `task_id`: where a
    clock that was ahead is told to have been met."""
    if run.dry_run:
        return []
    left = _apart(lambda: _stop_removed(store, run))
    hosts = hosts_with_brakes(store, run)
    _apart(lambda: _look_at_the_clock(store, run, task_id))
    if left is not None and not hosts:
        raise left
    return hosts


def _apart(work: Callable[[], None]) -> Exception | None:
    """What fails here keeps no host from being looked at."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - it is logged, or raised where nothing else is to do
        log.warning("%s", error)
        return error
    return None


def _stop_removed(store: Store, run: Run) -> None:
    with store.session(tenant="*") as conn:
        bound_waits(conn)
        stop_removed(conn, run)
        stop_moving(conn, run)
        tell_waiting(conn, run)


def _look_at_the_clock(store: Store, run: Run, task_id: str) -> None:
    """Decisions in the future come from a clock that was ahead: said once, over when the last of them is past."""
    seen = clock.Seen(origin(run.dag_id, task_id, clock.CAUSE), run.dag_id, run.run_id, task_id)
    with store.session(tenant="*") as conn:
        clock.look(conn, datetime.now(UTC), seen)
