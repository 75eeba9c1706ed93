"""How many IPs the fleet has, as DAG files read it: bounded, and never an error."""

import json
from pathlib import Path

import pytest

from email_engine.fleet.names_file import known_count
from email_engine_airflow import forms


@pytest.mark.parametrize(
    ("content", "count", "runs"),
    [
        ({"counts": {"ips": 300}}, 300, 300),
        ({"counts": {"ips": 4}}, 4, 128),
        ({"counts": {"ips": 90_000}}, 90_000, 1_000),
        ({"counts": {"ips": -5}}, 0, 128),
        ({"counts": {"ips": True}}, 0, 128),
        ({"counts": {"ips": "many"}}, 0, 128),
        ({"counts": []}, 0, 128),
        ({}, 0, 128),
        ([], 0, 128),
    ],
    ids=["a fleet", "a small one", "a giant", "negative", "no number", "text", "a list", "an older file", "no file of ours"],
)  # fmt: skip
def test_as_many_runs_as_the_fleet_has_ips_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, count: int, runs: int
) -> None:
    monkeypatch.setenv("EMAIL_ENGINE_FLEET", str(tmp_path / "fleet.yaml"))
    (tmp_path / "fleet.names.json").write_text(json.dumps(content))
    assert known_count("ips") == count
    assert forms.as_many_as_ips() == runs


def test_without_a_fleet_file_there_is_room_for_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAIL_ENGINE_FLEET", raising=False)
    assert (known_count("ips"), forms.as_many_as_ips()) == (0, 128)
