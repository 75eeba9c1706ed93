"""`python -m lab` as a person uses it, on a real process with DNS alone."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from lab.__main__ import CommandError, main, parse_arguments
from lab.testing import ROOT, START, LabRefused, RunningLab, example_world, running_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    raw = example_world(tmp_path_factory.mktemp("lab"))
    with running_lab({key: raw[key] for key in ("state", "clock", "dns")}) as running:
        yield running


@pytest.fixture(autouse=True)
def at_the_lab(lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CONTROL", lab.control)


def test_the_ready_line_names_the_ports(lab: RunningLab) -> None:
    assert lab.ready["ready"] is True
    assert lab.ready["dns"] == lab.world["dns"]["port"]
    assert lab.ready["control"] == lab.world["control"]["port"]


def test_knobs_are_listed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["knobs"]) == 0
    told = capsys.readouterr().out
    assert "DNS" in told
    assert "list_ip" in told
    assert "which=spf | dkim | dmarc | ptr | mx | helo | a" in told


def test_knobs_are_listed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["knobs", "--json"]) == 0
    assert {knob["name"] for knob in json.loads(capsys.readouterr().out)} >= {"list_ip", "break_record"}


def test_a_knob_turned_in_a_terminal_shows_in_the_dns(
    lab: RunningLab, capsys: pytest.CaptureFixture[str]
) -> None:
    def codes() -> list[str]:
        query = dns.message.make_query("1.100.51.198.bl.lab.example", "A")
        reply = dns.query.udp(query, "127.0.0.1", port=lab.ready["dns"], timeout=2)
        return sorted(rdata.to_text() for rrset in reply.answer for rdata in rrset)

    assert codes() == []
    assert (
        main(["turn", "list_ip", "ip=198.51.100.1", "zone=bl.lab.example", "codes=127.0.0.2,127.0.0.3"]) == 0
    )
    assert capsys.readouterr().out == "198.51.100.1 is on bl.lab.example with 127.0.0.2, 127.0.0.3\n"
    assert codes() == ["127.0.0.2", "127.0.0.3"]
    lab.knob("delist_ip", ip="198.51.100.1")
    assert codes() == []


def test_the_state_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["state"]) == 0
    assert json.loads(capsys.readouterr().out)["dns"]["domains"] == 2


def test_time_is_moved_and_shown(lab: RunningLab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.advance(START + timedelta(hours=5))
    assert lab.now() == START + timedelta(hours=5)
    assert main(["clock", "--advance-to", "2026-11-01T06:00:00+00:00"]) == 0
    assert capsys.readouterr().out == "2026-11-01T06:00:00+00:00 (manual)\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["turn", "list_ip", "ip"], "'ip' is not key=value"),
        (["turn", "list_ip", "ip=[1"], "is not JSON"),
        (["turn", "list_up"], "there is no knob list_up; choose: "),
        (
            ["turn", "set_list_kind", "zone=bl.lab.example", "kind=ill"],
            "kind is 'ill', allowed: healthy | zen",
        ),
        (["state", "--control", "http://127.0.0.1:1"], "does not answer"),
        (["state", "--control", "nowhere"], "does not answer"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    captured = capsys.readouterr().err
    assert captured.startswith("lab: ")
    assert told in captured
    assert len(captured.splitlines()) == 1


def test_the_stack_s_file_tells_where_the_lab_is(
    lab: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LAB_CONTROL")
    monkeypatch.chdir(tmp_path)
    assert main(["clock"]) == 1
    assert "start one with make up" in capsys.readouterr().err
    (tmp_path / ".engine").mkdir()
    (tmp_path / ".engine" / "lab.json").write_text("{}")
    assert main(["clock"]) == 1
    assert '{"control": "http://127.0.0.1:PORT"}' in capsys.readouterr().err
    (tmp_path / ".engine" / "lab.json").write_text(json.dumps({"control": lab.control}))
    assert main(["clock"]) == 0


def test_words_become_parameters() -> None:
    assert parse_arguments(["a=1", "b=x=y", "c=[1, 2]", "d=null", "e="]) == {
        "a": "1",
        "b": "x=y",
        "c": [1, 2],
        "d": None,
        "e": "",
    }
    with pytest.raises(CommandError):
        parse_arguments(["=1"])


def test_a_bad_world_is_refused_with_every_mistake(tmp_path: Path) -> None:
    world = {"state": str(tmp_path), "planet": 3, "dns": {"lists": [{"zone": "a.b", "kind": "ill"}]}}
    told = r"(?s)exit status 2.*2 mistakes.*dns.lists\[0\].kind.*planet: no such key"
    with pytest.raises(LabRefused, match=told), running_lab(world):
        pass


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        world = {"state": str(tmp_path), "dns": {"port": taken.getsockname()[1]}}
        with pytest.raises(LabRefused, match="lab: dns cannot listen: "), running_lab(world):
            pass


def test_a_stopped_lab_leaves_no_port_and_no_process(tmp_path: Path) -> None:
    with running_lab({"state": str(tmp_path), "dns": {}}) as lab:
        port = lab.ready["control"]
        process = lab._process
    assert process.returncode == 0
    assert "Traceback" not in lab.log
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_lab_does_not_outlive_the_test_that_was_killed(tmp_path: Path) -> None:
    world = {"state": str(tmp_path), "dns": {}}
    script = f"""
import os
from lab.testing import running_lab
with running_lab({world!r}) as lab:
    print(lab._process.pid, flush=True)
    os._exit(1)
"""
    killed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    pid, deadline = int(killed.stdout), time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """False also for a process that has ended and waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_past_is_replayed_before_the_lab_is_ready(tmp_path: Path) -> None:
    with running_lab({"state": str(tmp_path), "clock": {"mode": "real", "replay_days": 2}}) as lab:
        assert lab.get("/clock")["mode"] == "real"
        assert abs(lab.now() - datetime.now(UTC)) < timedelta(seconds=30)


def test_help_is_usage_and_not_an_error() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "lab", "--help"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0
    assert "turn a knob" in shown.stdout
