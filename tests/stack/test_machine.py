"""Ports, secrets and the embedded PostgreSQL of one machine."""

import os
import socket
import stat
from pathlib import Path

import psycopg
import pytest

from stack import databases
from stack.chosen_ports import PORTS
from stack.ports import PortTaken, check_free
from stack.postgres import Cluster, memory_folder, temporary_postgres
from stack.settings import Settings
from stack.shown import url


def test_every_taken_port_is_named_before_anything_starts() -> None:
    with socket.socket() as one, socket.socket() as two, socket.socket() as free:
        for each in (one, two, free):
            each.bind(("127.0.0.1", 0))
        one.listen()
        two.listen()
        ports = {"airflow": one.getsockname()[1], "lab dns": two.getsockname()[1]}
        with pytest.raises(PortTaken) as caught:
            check_free(ports)
    for name, port in ports.items():
        assert f"{port} ({name})" in str(caught.value)
    assert "EMAIL_ENGINE_PORT_OFFSET" in str(caught.value)


def test_free_ports_are_no_matter() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    check_free({"airflow": port})


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    here = Settings(state=tmp_path / "state", ports=dict(PORTS))
    first = here.secrets()
    assert here.secrets() == first
    assert stat.S_IMODE((tmp_path / "state" / "secrets.json").stat().st_mode) == 0o600
    assert len(set(first.values())) == len(first)


def test_a_fleet_of_other_names_gets_ports_and_secrets(tmp_path: Path) -> None:
    moved = {name: port + 2000 for name, port in PORTS.items()}
    here = Settings(state=tmp_path / "state", ports=moved)
    before = here.secrets()
    ready = here.for_fleet(["mx-a", "mta-2"], ["mw-acme"])
    assert ready.ports["lab mta-2 ssh"] == PORTS["lab mta-2 ssh"] + 2000
    assert ready.ports["lab mw-acme"] not in moved.values()
    assert ready.ports["lab mx-a ssh"] not in moved.values()
    assert before.items() < ready.secrets().items()
    assert {"mw-acme_db", "mw-acme_key"} <= ready.secrets().keys()
    assert here.for_fleet(["mx-a"], ["mw-acme"]).secrets() == ready.secrets()


def test_without_a_server_its_address_is_not_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert url(Settings(state=tmp_path / "state", ports=dict(PORTS))) == 1
    assert capsys.readouterr() == ("", "PostgreSQL is down. Next: make up\n")


def test_a_temporary_server_is_gone_afterwards() -> None:
    with temporary_postgres() as address:
        plain = address.replace("+psycopg", "")
        folder = Path(plain.rpartition("host=")[2])
        with psycopg.connect(plain) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not folder.exists()


def test_the_cluster_starts_twice_without_harm_and_its_roles_are_no_superusers(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "postgres", durable=False)
    try:
        cluster.start()
        cluster.start()
        for _ in range(2):
            databases.ensure_database(cluster, "email_engine", "a'b\"c")
        address = databases.database_url(cluster, "email_engine", "a'b\"c").replace("+psycopg", "")
        with psycopg.connect(address) as connection:
            row = connection.execute(
                "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
            )
            assert row.fetchone() == (False, False)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(address.replace("a%27b", "wrong"))
    finally:
        cluster.remove()
    assert not cluster.place.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand the server to another user")
def test_root_opens_no_folder_and_adds_no_user(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    users = Path("/etc/passwd").read_text()
    cluster = Cluster(closed / "postgres", durable=False)
    try:
        cluster.start()
        assert cluster.running()
        assert cluster.place.is_symlink(), "the data lives where the unprivileged user can walk to"
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert Path("/etc/passwd").read_text() == users
        home = cluster.home
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    finally:
        cluster.remove()
    assert not home.exists()
    assert not cluster.place.is_symlink()


def test_a_server_for_tests_is_in_memory_where_there_is_room(tmp_path: Path) -> None:
    assert memory_folder(tmp_path, wanted=1) == tmp_path
    assert memory_folder(tmp_path, wanted=2**60) is None
    assert memory_folder(tmp_path / "none", wanted=1) is None
