"""Who goes first: what stops an IP before all else, and never in the pool that bounds work on PowerMTA hosts."""

import os
from typing import Any

POOL = "powermta"
"""Airflow pool of deployments, ingest and health checks. `make up` makes it; elsewhere `airflow pools set` does. Airflow never starts
the tasks of a pool that does not exist."""
SLOTS = 4
DESCRIPTION = "Deployments, ingest and health checks of PowerMTA hosts; what stops an IP never waits here"
HOST_WORK: dict[str, Any] = {"pool": POOL}
REDUCTIONS: dict[str, Any] = {"pool": POOL, "priority_weight": 100, "weight_rule": "absolute"}
FIRST: dict[str, Any] = {"priority_weight": 1000, "weight_rule": "absolute"}
"""For tasks that stop an IP, or stand before one that does: in the default pool, before everything else that waits for a worker."""
NICE = 10
"""Of the process of every other task: where processors are scarce, what stops an IP goes first there too."""


def step_aside(priority_weight: int) -> None:
    """Lowers this process, if it is a task's own (Airflow hides its database from those) and stops nothing."""
    own = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "").startswith("airflow-db-not-allowed")
    if own and priority_weight < FIRST["priority_weight"]:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
