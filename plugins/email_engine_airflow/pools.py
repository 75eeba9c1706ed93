"""Who goes first: what stops an IP before all else, and never in the pool that bounds work on PowerMTA hosts."""

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
