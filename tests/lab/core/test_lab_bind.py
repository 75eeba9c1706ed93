"""Which address the lab listens on: loopback alone, unless it is told otherwise."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from lab.__main__ import main
from lab.testing import ROOT, example_world

OWN = f"127.78.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Path]:
    """A world with every part."""
    folder = tmp_path_factory.mktemp("lab")
    server = make_url(postgres_url).set(drivername="postgresql")
    name = sql.Identifier("lab_bind")
    with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        url = server.set(database="lab_bind").render_as_string(hide_password=False)
        file = folder / "world.json"
        file.write_text(json.dumps(example_world(folder, start=None, database_url=url)))
        yield file
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@contextmanager
def running(world: Path, *words: str) -> Iterator[tuple[psutil.Process, dict[str, Any]]]:
    """The process, and its ready line."""
    command = [sys.executable, "-m", "lab", "run", "--with-parent", str(world), *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield psutil.Process(process.pid), json.loads(process.stdout.readline())
        finally:
            process.terminate()


def listening(process: psutil.Process) -> dict[str, set[int]]:
    """Address -> its ports, of TCP listeners and unconnected UDP sockets."""
    found: dict[str, set[int]] = {}
    for each in process.net_connections(kind="inet"):
        if each.status == psutil.CONN_LISTEN or (each.type is socket.SOCK_DGRAM and not each.raddr):
            found.setdefault(each.laddr.ip, set()).add(each.laddr.port)
    return found


def ports(ready: dict[str, Any]) -> set[int]:
    return {
        ready["control"], ready["dns"], ready["telegram"], *ready["powermta"].values(), *ready["mailwizz"].values(),
    }  # fmt: skip


def test_without_a_word_it_is_this_machines_alone(world: Path) -> None:
    with running(world) as (process, ready):
        assert len(ports(ready)) == 5
        assert listening(process) == {"127.0.0.1": ports(ready)}


def test_all_parts_listen_on_the_address_that_it_is_told(world: Path) -> None:
    with running(world, f"--bind={OWN}", "--control-name=LAB") as (process, ready):
        assert listening(process) == {OWN: ports(ready)}
        control = f"http://{OWN}:{ready['control']}"
        named = {"Host": f"lab:{ready['control']}"}
        assert httpx.get(f"{control}/clock", headers=named).status_code == 200
        assert httpx.get(f"{control}/clock").status_code == 403, "not even by its address, unless it is told"
        for knob in ("down", "up"):
            answer = httpx.post(f"{control}/knobs/{knob}", json={}, headers=named)
            assert answer.status_code == 200, answer.text
        assert listening(process) == {OWN: ports(ready)}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("--bind=::1", "'::1' is no IPv4 address"),
        ("--bind=lab", "'lab' is no IPv4 address"),
        ("--bind=", "'' is no IPv4 address"),
        ("--control-name=lab:8090", "leave the port out"),
        ("--control-name=http://lab", "'http://lab' is no host name"),
        ("--control-name=*", "'*' is no host name"),
        ("--control-name=", "'' is no host name"),
    ],
)
def test_a_wrong_word_is_refused(word: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "world.json", word])
    assert told in capsys.readouterr().err


def test_an_address_of_somebody_else_is_named(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(world), "--bind=192.0.2.1"]) == 1
    assert "cannot listen on 192.0.2.1" in capsys.readouterr().err
