"""What every task of every DAG begins with."""

from datetime import timedelta
from typing import Any

from email_engine.blocklists.config import EVERY_HOURS, load_every_hours
from email_engine.errors import EngineError

DEFAULTS: dict[str, Any] = {"owner": "email-engine", "retries": 2, "retry_delay": timedelta(seconds=30)}


def within(minutes: int, **others: Any) -> dict[str, Any]:
    """DEFAULTS for tasks that may take so long; `others` are further arguments of operators, or other values."""
    return DEFAULTS | {"execution_timeout": timedelta(minutes=minutes)} | others


def sweep_hours() -> int:
    """Hours between two sweeps, as the block-list file says. A file with a mistake keeps the usual ones: its run names the mistake,
    where a DAG that cannot be read would only vanish."""
    try:
        return load_every_hours()
    except EngineError:
        return EVERY_HOURS
