"""What `make up` leaves running: on loopback alone, its task logs readable, and a second `make up` welcome."""

import os
import re
from pathlib import Path

import pytest

from stack import condition
from tests.e2e.conftest import Everything, stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

LISTENING = "0A"
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def family(everything: Everything) -> set[int]:
    """The supervisor, PostgreSQL, and all that they forked."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(place.name))
    report = condition.report(everything.settings)
    assert report is not None
    waiting, found = [report["pid"], report["watched"]["postgresql"]["pid"]], set[int]()
    while waiting:
        found.add(pid := waiting.pop())
        waiting += children.get(pid, [])
    return found


def sockets(pids: set[int]) -> set[str]:
    """Inode numbers of every socket that they hold."""
    found = set()
    for pid in pids:
        try:
            for link in Path(f"/proc/{pid}/fd").iterdir():
                if number := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link)):
                    found.add(number[1])
        except OSError:
            continue  # a task that has just ended
    return found


def listening(table: str, ours: set[str]) -> list[tuple[str, int]]:
    rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return [
        (address, int(port, 16))
        for row in rows
        for address, port in [row[1].split(":")]
        if row[9] in ours and (row[3] == LISTENING or (table.startswith("udp") and row[2].endswith(":0000")))
    ]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are read from Linux's /proc")
def test_every_door_opens_to_this_machine_alone(everything: Everything) -> None:
    ours = sockets(family(everything))
    doors = {table: listening(table, ours) for table in ("tcp", "tcp6", "udp", "udp6") if Path(f"/proc/net/{table}").exists()}  # fmt: skip
    ports = {port for found in doors.values() for _, port in found}
    assert set(everything.settings.ports.values()) <= ports
    assert {address for found in doors.values() for address, _ in found} <= LOOPBACK, doors


def test_a_second_make_up_looks_at_every_part_and_is_well(everything: Everything) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "EMAIL_ENGINE"))}
    env |= {"EMAIL_ENGINE_STATE": str(everything.settings.state)}
    before = condition.supervisor_pid(everything.settings)
    told = stack(env, "up")
    assert "already running" in told
    assert f"http://localhost:{everything.settings.ports['airflow']}" in told
    assert condition.supervisor_pid(everything.settings) == before
    assert "health of scheduler             healthy" in stack(env, "status")


def test_the_api_shows_a_task_s_log_without_a_log_server(everything: Everything) -> None:
    run = everything.run("dns_validate", dry_run=True)
    dag, run_id = "dns_validate", run["dag_run_id"]
    task = next(name for name in everything.tasks(dag, run_id)).partition("[")
    told = everything.log(dag, run_id, task[0], int(task[2].rstrip("]")))
    assert "Could not read served logs" not in told
    assert "task_runner.py" in told or "Task" in told
