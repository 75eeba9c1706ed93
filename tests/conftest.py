"""What every test needs before Airflow is imported; servers come from tests/postgres_fixtures.py."""

import atexit
import gc
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from stack.postgres import memory_folder

ROOT = Path(__file__).resolve().parents[1]
AIRFLOW_HOME = tempfile.mkdtemp(prefix="email-engine-airflow-", dir=memory_folder())
"""Its database waits for the disk at each commit."""
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)

os.environ |= {
    "EMAIL_ENGINE_CONFIG_HISTORY": f"{AIRFLOW_HOME}/config-history",
    "EMAIL_ENGINE_HYGIENE": f"{AIRFLOW_HOME}/hygiene",
    "AIRFLOW_HOME": AIRFLOW_HOME,
    "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME}/airflow.db",
}

logging.getLogger("asyncssh").setLevel(logging.WARNING)  # the lab's SSH hosts tell of every channel

UNTIMED: Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
"""A machine may be busy with other tests: no property is judged by the time that it takes."""
settings.register_profile("repeatable", derandomize=True, **UNTIMED)
settings.register_profile("exploring", derandomize=False, **UNTIMED)
settings.load_profile("exploring" if os.environ.get("EXPLORE") else "repeatable")

pytest_plugins = ["tests.mariadb_fixtures", "tests.postgres_fixtures", "tests.stack_fixtures"]


def pytest_collection_finish() -> None:
    """What was collected stays to the end: no search for cyclic garbage need walk through it."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()


MASKERS = tuple(f"airflow.{part}_shared.secrets_masker.secrets_masker" for part in ("", "sdk."))
"""Each keeps all secrets of a process in one pattern, compiled anew for each new one: a process of one task sees few of them, the
keys of a thousand tests took half of the tests' time."""


def pytest_runtest_teardown() -> None:
    for name in MASKERS:
        if name in sys.modules:
            sys.modules[name].reset_secrets_masker()


@pytest.fixture(scope="session")
def airflow_database() -> Iterator[None]:
    """Airflow's own tables, for tests that run a whole DAG; `dag.test()` waits for nothing there."""
    from airflow.utils import db

    from tests.dag_runs import quicken

    db.initdb()
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        yield
