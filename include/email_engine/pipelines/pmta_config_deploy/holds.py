"""What must stand still and what may run, settled after a reload by what the database says at that moment.

Who brakes writes it down first and holds then. So the database is asked before letting go, and again before holding: a
brake that comes at any moment of a deployment is seen here, or holds by itself after what was done here."""

import logging

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_holds import hold_all, release_ours
from email_engine.errors import EngineError, NotVerified
from email_engine.fleet.model import MtaHost
from email_engine.pipelines.pmta_config_deploy.standstill import read_standstill
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store

log = logging.getLogger(__name__)


def settle(
    store: Store, mta: PowerMta, host: str, text: str, run: Run, *, release: bool = True
) -> tuple[int, int]:
    """A reload may have let go what was paused, and a new state may let go what was held (only with `release`).

    `text`: the configuration that stands. Returns how many virtual MTAs are held, and how many were let go. Raises
    NotVerified."""
    freed = release_ours(mta, read_standstill(store, host, run, text).free) if release else ()
    held = hold_all(mta, read_standstill(store, host, run, text).held)
    still = {hold.vmta for hold in held}
    freed = tuple(hold for hold in freed if hold.vmta not in still)
    wrong = [hold.summary for hold in held if not hold.holds] + [
        hold.summary for hold in freed if not hold.free
    ]
    if wrong:
        raise NotVerified(
            f"deployment to {host}",
            f"the configuration stands, but: {'; '.join(wrong[:5])}",
            "parked virtual MTAs held and sending ones free",
            "the task tries again; meanwhile look at `pmta show disabled sources` on the host",
        )
    return len(held), len(freed)


def hold_anyway(store: Store, mta: PowerMta, host: MtaHost, run: Run) -> None:
    """After a failure: PowerMTA may have reloaded the old file, or an interrupted deployment was undone."""
    try:
        text = (mta.read(host.config_file) or b"").decode("utf-8", "replace")
        hold_all(mta, read_standstill(store, host.name, run, text).held)
    except EngineError as error:
        log.warning("what must stand still could not be held again: %s", error)
