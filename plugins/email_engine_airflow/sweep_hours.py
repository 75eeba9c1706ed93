"""How often rbl_sweep runs, as the block-list file says. Apart from `defaults`: no other DAG reads that file when it is parsed."""

from email_engine.blocklists.config import EVERY_HOURS, load_every_hours
from email_engine.errors import EngineError


def sweep_hours() -> int:
    """Hours between two sweeps, as the block-list file says. A file with a mistake keeps the usual ones: its run names the mistake,
    where a DAG that cannot be read would only vanish."""
    try:
        return load_every_hours()
    except EngineError:
        return EVERY_HOURS
