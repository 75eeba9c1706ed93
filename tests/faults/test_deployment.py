"""Deployments under fire, over real SSH: the old configuration runs and is on disk afterwards, and the next run mends."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from email_engine.errors import NotVerified, Unreachable
from email_engine.paths import ROOT
from email_engine.pmta.config.layout import digest
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine_airflow.operators.pmta_config_deploy import DeployHost, PlanDeploy
from lab.testing import RunningLab
from tests.integration.deploy_bench import connection
from tests.whole_lab import Whole, deployed

POWERMTA = "AIRFLOW_CONN_POWERMTA_MTA-1"
PATIENCE = 60.0
LEFTOVERS = ["config", "email-engine.conf", "email-engine.conf.email-engine.bak"]


@pytest.fixture
def whole(
    lab: RunningLab,
    store: Store,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    postgres_url: str,
) -> Iterator[Whole]:
    """One good deployment runs, and a change waits."""
    with deployed(lab, store, engine_database_url, monkeypatch, postgres_url) as made:
        made.allow(2000, 1)
        yield made
    lab.knob("version", version="5.0r5")
    lab.knob("hang_command", seconds=0)
    lab.knob("fail_reload", times=0)


def folder(whole: Whole) -> Path:
    return next(Path(whole.lab.world["state"]).rglob("mta-1/etc/pmta"))


def file(whole: Whole) -> str:
    return (folder(whole) / "email-engine.conf").read_text()


def running(whole: Whole) -> str:
    return str(whole.lab.get("/powermta/mta-1/running")["digest"])


def plan(whole: Whole) -> dict[str, Any]:
    return PlanDeploy(task_id="plan", mta_host="mta-1").execute(whole.context("pmta_config_deploy"))


def apply(whole: Whole, planned: dict[str, Any]) -> dict[str, Any]:
    return DeployHost(task_id="canary", plan=planned).execute(whole.context("pmta_config_deploy"))


def last(whole: Whole) -> Any:
    return whole.rows(s.deployments)[-1]


def require_mended(whole: Whole) -> None:
    """The next run brings the change, whatever is left of the failed one."""
    planned = plan(whole)
    if planned["changed"]:
        assert apply(whole, planned)["status"] == "verified"
    assert "max-smtp-msg-rate 2400/d" in file(whole)
    assert running(whole) == digest(file(whole))
    assert plan(whole)["changed"] is False
    assert "applying" not in {row.status for row in whole.rows(s.deployments)}
    assert sorted(path.name for path in folder(whole).iterdir() if path.is_file()) == LEFTOVERS


@pytest.mark.parametrize(
    ("method", "call", "stands"),
    [
        ("write", 1, "old"),
        ("write", 2, "old"),
        ("rename", 1, "old"),
        ("rename", 2, "old"),
        ("test_config", 1, "new"),
        ("reload", 1, "new"),
        ("vmta_settings", 1, "new"),
    ],
    ids=["upload", "backup", "in the backup", "exchange", "test", "reload", "verify"],
)
def test_killed_at_any_step_the_next_run_finishes_or_undoes(
    whole: Whole, tmp_path: Path, method: str, call: int, stands: str
) -> None:
    old, mark = file(whole), tmp_path / "reached"
    asked = {
        "operator": "email_engine_airflow.operators.pmta_config_deploy:DeployHost",
        "arguments": {"plan": plan(whole)},
        "dag_id": "pmta_config_deploy",
        "run_id": "killed",
        "run_after": whole.now.isoformat(),
        "stand_still": [method, call, str(mark)],
    }
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.faults.child", json.dumps(asked)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE
        while not mark.exists():
            assert child.poll() is None, f"it ended by itself:\n{child.communicate()[0][-3000:]}"
            assert time.monotonic() < deadline, "it never came to the step"
            time.sleep(0.05)
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert last(whole).status == "applying"
    assert (file(whole) == old) is (stands == "old")
    assert (running(whole) == digest(old)) is (method != "vmta_settings")
    require_mended(whole)


class Scissors:
    """A way to the host that cuts the line in the middle of the first large packet from the client, once."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sharp = False
        self.cuts = 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.own_port = self._door.getsockname()[1]
        self._ends: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._door, *self._ends):
            end.close()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            host = socket.create_connection(("127.0.0.1", self.port))
            self._ends += [client, host]
            threading.Thread(target=self._carry, args=(client, host, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(host, client, False), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, from_client: bool) -> None:
        try:
            while data := source.recv(65_536):
                if from_client and self.sharp and len(data) > 4000:
                    self.sharp, self.cuts = False, self.cuts + 1
                    target.sendall(data[: len(data) // 2])
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def test_half_an_upload_changes_nothing(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    old, planned = file(whole), plan(whole)
    with Scissors(whole.lab.world["powermta"][0]["ssh_port"]) as scissors:
        document = json.loads(connection(whole.lab)) | {"port": scissors.own_port}
        monkeypatch.setenv(POWERMTA, json.dumps(document))
        scissors.sharp = True
        with pytest.raises(Unreachable):
            apply(whole, planned)
        assert scissors.cuts == 1
        assert file(whole) == old
        assert running(whole) == digest(old)
        assert (last(whole).status, last(whole).failed_step) == ("failed", "upload")
        require_mended(whole)


@pytest.mark.parametrize("command", ["test config", "vmta-settings", "show version"])
def test_a_pmta_that_hangs_leaves_the_old_configuration(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    old, planned = file(whole), plan(whole)
    monkeypatch.setenv(POWERMTA, connection(whole.lab, command_timeout=3))
    whole.lab.knob("hang_command", seconds=30, command=command)
    with pytest.raises(Unreachable, match="did not end within 3 s"):
        apply(whole, planned)
    whole.lab.knob("hang_command", seconds=0)
    assert file(whole) == old
    assert running(whole) == digest(old)
    require_mended(whole)


def test_a_reload_that_fails_twice_leaves_the_old_file_and_says_what_to_do(whole: Whole) -> None:
    old, planned = file(whole), plan(whole)
    whole.lab.knob("fail_reload", times=2)
    with pytest.raises(
        NotVerified, match=r"so did going back.*put .*\.bak back by hand and run `pmta reload`"
    ):
        apply(whole, planned)
    assert file(whole) == old
    assert running(whole) == digest(old)
    assert (last(whole).status, last(whole).failed_step) == ("failed", "restore")
    require_mended(whole)


class TestAnotherRelease:
    @pytest.mark.parametrize("release", ["4.5r13", "5.5r1"])
    def test_a_host_that_comes_back_with_another_release_gets_no_file(
        self, whole: Whole, release: str
    ) -> None:
        path = folder(whole) / "email-engine.conf"
        path.write_text("# Nothing yet.\n")
        whole.lab.knob("version", version=release)
        with pytest.raises(
            AirflowFailException,
            match=f"PowerMTA {release} is installed there and the fleet says 5.0r5.*correct `version` of this host",
        ):
            plan(whole)
        assert path.read_text() == "# Nothing yet.\n"

    def test_nor_if_it_changes_after_the_plan(self, whole: Whole) -> None:
        old, planned = file(whole), plan(whole)
        whole.lab.knob("version", version="5.5r1")
        with pytest.raises(AirflowFailException, match=r"the fleet says 5\.0r5"):
            apply(whole, planned)
        assert file(whole) == old
        assert last(whole).status == "verified"

    def test_another_revision_of_the_release_is_fine(self, whole: Whole) -> None:
        whole.lab.knob("version", version="5.0r8")
        require_mended(whole)


class TestAtOnce:
    def test_a_second_deployment_to_the_host_waits_for_the_first(self, whole: Whole) -> None:
        planned = plan(whole)
        whole.lab.knob("hang_command", seconds=3, command="test config")
        first = threading.Thread(target=apply, args=(whole, planned))
        first.start()
        try:
            deadline = time.monotonic() + PATIENCE
            while last(whole).status != "applying":
                assert time.monotonic() < deadline
                time.sleep(0.02)
            with pytest.raises(AirflowRescheduleException):
                apply(whole, planned)
            with pytest.raises(AirflowRescheduleException):
                plan(whole)
        finally:
            first.join(PATIENCE)
            whole.lab.knob("hang_command", seconds=0)
        assert last(whole).status == "verified"
        assert apply(whole, planned)["status"] == "unchanged"
        assert ("deployment", "Busy") not in {(a.event, a.state) for a in whole.rows(s.alerts)}
