"""One machine that plays all containers, for every test that wants the services themselves."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.compose.compose_file import ROOT
from tests.compose.without_containers import AIRFLOW, Host


def _redis() -> None:
    """Debian's Redis, installed where we may."""
    if shutil.which("redis-server") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for words in (["update"], ["install", "--yes", "--no-install-recommends", "redis-server"]):
            subprocess.run(["apt-get", "-qq", *words], capture_output=True, check=False, timeout=120)
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed and cannot be: apt-get install redis-server")


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """Up in the order that depends_on gives: PostgreSQL and Redis, init, then all others."""
    _redis()
    folder = Path(tempfile.mkdtemp(prefix="ee-compose-"))
    folder.chmod(0o755)
    machine = Host(folder)
    try:
        machine.start_postgres()
        machine.start("redis")
        machine.wait_until_healthy("postgres")
        machine.run("init")
        shutil.copy(ROOT / "include" / "config" / "fleet.yaml", machine.places["/etc/email-engine"])
        for name in AIRFLOW:
            machine.start(name)
        yield machine
    finally:
        machine.stop()


@pytest.fixture(scope="session")
def api(host: Host) -> Iterator[httpx.Client]:
    """The API with the login that init made."""
    host.wait_until_healthy("airflow-apiserver")
    with httpx.Client(base_url=host.here("http://127.0.0.1:8080"), timeout=60) as client:
        answer = client.post(
            "/auth/token", json={"username": "admin", "password": host.secret("admin_password")}
        )
        assert answer.status_code == 201, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client
