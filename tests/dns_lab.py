"""The lab with nothing but its DNS world, and the connections that point an operator at it."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import make_url

from email_engine import paths
from lab.testing import RunningLab, example_world, running_lab

AS_OF = datetime(2026, 11, 1, 8, tzinfo=UTC)

PATIENCE: dict[str, Any] = {"timeout": 1.5, "tries": 3}
"""Of a resolver that asks the lab: a busy machine must not look like a silent server."""


@contextlib.contextmanager
def dns_lab(state: Path, **world: Any) -> Iterator[RunningLab]:
    """`world` as `example_world` takes it; its two IPs a tenant are 198.51.100.1 and .2 (aurora)."""
    made = example_world(state, **world) | {"powermta": [], "mailwizz": [], "telegram": None}
    with running_lab(made) as running:
        yield running


def connect(patch: pytest.MonkeyPatch, lab: RunningLab, engine_database_url: str) -> None:
    """The lab's lists, its resolver and the engine's database, as Airflow connections in the environment."""
    url = make_url(engine_database_url)
    database: dict[str, Any] = {
        "conn_type": "postgres", "host": url.host or url.query.get("host"), "port": url.port, "login": url.username,
        "password": url.password, "schema": url.database,
    }  # fmt: skip
    resolver = {"conn_type": "dns_resolver", "host": "127.0.0.1", "port": lab.world["dns"]["port"]}
    patch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", json.dumps(database))
    patch.setenv("AIRFLOW_CONN_DNS_RESOLVER_DEFAULT", json.dumps(resolver | {"extra": PATIENCE}))
    patch.setenv("EMAIL_ENGINE_BLOCKLISTS", str(paths.CONFIG / "blocklists.lab.yaml"))


def context(dag_id: str, as_of: datetime = AS_OF, **params: Any) -> dict[str, Any]:
    """A task's context, as far as the engine's operators read it."""
    run = SimpleNamespace(
        dag_id=dag_id, run_id=f"scheduled__{as_of.isoformat()}", run_after=as_of, logical_date=None
    )
    return {"dag_run": run, "params": {"dry_run": False} | params}
