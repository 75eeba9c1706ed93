"""What stops an IP goes first: for a worker, and for a processor."""

import os
import subprocess
import sys

import pytest

from email_engine_airflow.pools import FIRST, NICE

ASK = """
import os, sys
from email_engine_airflow.pools import step_aside
step_aside(int(sys.argv[1]))
print(os.getpriority(os.PRIO_PROCESS, 0))
"""
TASK = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "airflow-db-not-allowed:///"}


@pytest.mark.parametrize(
    ("weight", "env", "nice"),
    [(1, TASK, NICE), (FIRST["priority_weight"], TASK, 0), (1, {}, 0)],
    ids=["a deployment", "a stop", "no process of its own"],
)
def test_every_task_but_a_stop_steps_aside_in_its_own_process(
    weight: int, env: dict[str, str], nice: int
) -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__DATABASE")}
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(weight)],
        env=inherited | env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == os.getpriority(os.PRIO_PROCESS, 0) + nice
