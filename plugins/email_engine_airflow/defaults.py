"""What every task of every DAG begins with."""

from datetime import timedelta
from typing import Any

DEFAULTS: dict[str, Any] = {"owner": "email-engine", "retries": 2, "retry_delay": timedelta(seconds=30)}


def within(minutes: int, **others: Any) -> dict[str, Any]:
    """DEFAULTS for tasks that may take so long; `others` are further arguments of operators, or other values."""
    return DEFAULTS | {"execution_timeout": timedelta(minutes=minutes)} | others
