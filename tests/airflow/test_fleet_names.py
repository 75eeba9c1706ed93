"""The file of names beside the fleet file: written after a sync, read at every parse whatever is in it."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from email_engine.fleet import names_file as fleet_names
from email_engine.fleet.names_file import MOST_BYTES, MOST_NAMES, names_path, read_names, write_names
from email_engine.fleet.parse import parse_fleet
from email_engine.paths import CONFIG

FLEET = parse_fleet((CONFIG / "fleet.yaml").read_text(), "fleet.yaml")


def test_the_fleets_names_are_written_once_and_read_back(tmp_path: Path) -> None:
    fleet_file = tmp_path / "fleet.yaml"
    assert write_names(fleet_file, FLEET)
    first = names_path(fleet_file).stat().st_mtime_ns
    assert write_names(fleet_file, FLEET)
    assert names_path(fleet_file).stat().st_mtime_ns == first
    found = read_names(names_path(fleet_file))
    assert found["tenants"] == ("aurora", "borealis")
    assert found["hosts"] == ("mta-1", "mta-2")
    assert "aurora/newsletter" in found["streams"]
    assert found["ips"][0] == "198.51.100.1"
    assert os.listdir(tmp_path) == ["fleet.names.json"]


HOSTILE: dict[str, Any] = {
    "empty": b"",
    "garbage": b"\xff\xfe\x00{",
    "half": b'{"tenants": ["aur',
    "no-mapping": b'["aurora"]',
    "number": b"9" * 5000,
    "deep": b"[" * 100_000,
    "giant": b'{"tenants": ["' + b"a" * MOST_BYTES + b'"]}',
    "wrong-kinds": b'{"tenants": "aurora", "hosts": {"a": 1}, "ips": null}',
    "no-names": json.dumps(
        {"hosts": [1, None, "", "a b", "<script>", "x" * 300, "{{ macros }}", "a\n"]}
    ).encode(),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_file_gives_no_names(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fleet.names.json"
    path.write_bytes(content)
    assert not any(read_names(path).values())


def test_what_is_good_among_the_bad_is_kept_and_the_number_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "fleet.names.json"
    path.write_text(json.dumps({"hosts": ["mta-1", "mta-1", 7, *(f"h{n}" for n in range(5000))]}))
    found = read_names(path)["hosts"]
    assert found[:2] == ("mta-1", "h0")
    assert len(found) == MOST_NAMES


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.names.json"
    os.mkfifo(pipe)
    reader = threading.Thread(target=read_names, args=(pipe,), daemon=True)
    reader.start()
    reader.join(10)
    assert not reader.is_alive()
    for path in (pipe, Path("/dev/zero"), tmp_path, tmp_path / "none" / "x.json", Path("a\0b")):
        assert read_names(path) == {}


@pytest.mark.parametrize("given", ["", "/", ".", "a\0b", "/no/such/fleet.yaml"])
def test_any_value_of_the_variable_is_survived(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setattr(fleet_names.os, "environ", {"EMAIL_ENGINE_FLEET": given})
    assert fleet_names.known_names() == {}


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    assert write_names(tmp_path / "none" / "fleet.yaml", FLEET) is False
