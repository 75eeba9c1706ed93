"""Which ports are taken: the choice stays until another is made, and garbage is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from email_engine.errors import InputError
from email_engine.paths import ROOT
from stack.chosen_ports import PORTS, asked, choose, remember, remembered
from stack.settings import Settings, settings


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("EMAIL_ENGINE_PORT", "EMAIL_ENGINE_PORT_OFFSET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EMAIL_ENGINE_STATE", str(tmp_path / "state"))


def moved(by: int) -> dict[str, int]:
    return {name: port + by for name, port in PORTS.items()}


def test_a_choice_stays_until_another_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("EMAIL_ENGINE_PORT_OFFSET", "2000")
    remember(state, choose(remembered(state)))
    monkeypatch.delenv("EMAIL_ENGINE_PORT_OFFSET")
    assert not asked()
    assert settings().ports == choose(remembered(state)) == moved(2000)
    monkeypatch.setenv("EMAIL_ENGINE_PORT_OFFSET", "3000")
    assert settings().ports == moved(2000), "what runs keeps its ports"
    assert choose(remembered(state)) == moved(3000)
    monkeypatch.setenv("EMAIL_ENGINE_PORT_OFFSET", "0")
    assert choose(remembered(state)) == PORTS


def test_airflow_s_own_port_moves_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_ENGINE_PORT", "9999")
    assert choose(moved(2000)) == moved(2000) | {"airflow": 9999}
    assert choose() == PORTS | {"airflow": 9999}


@pytest.mark.parametrize("variable", ["EMAIL_ENGINE_PORT", "EMAIL_ENGINE_PORT_OFFSET"])
@pytest.mark.parametrize(
    "text",
    ["two", "1.5", "1e3", "0x10", "1_000", "٣", "-9000", "99999", "9" * 500, "8080; rm", "٢٠٠٠", "--1", "+"],
)
def test_garbage_is_told_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(InputError) as caught:
        choose(moved(2000))
    assert caught.value.subject == variable
    assert "a whole number from " in caught.value.allowed
    assert len(str(caught.value)) < 300


def test_a_port_for_two_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_ENGINE_PORT", str(PORTS["lab control"]))
    with pytest.raises(InputError, match="the port of lab control"):
        choose()


def test_every_offset_that_is_allowed_gives_ports_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    for offset in ("-1177", "56931"):
        monkeypatch.setenv("EMAIL_ENGINE_PORT_OFFSET", offset)
        assert all(1024 <= port <= 65535 for port in choose().values())
    for offset in ("-1178", "56935"):
        monkeypatch.setenv("EMAIL_ENGINE_PORT_OFFSET", offset)
        with pytest.raises(InputError):
            choose()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"airflow": 8080}', '{"airflow": "many"}', '{"airflow": null}']
)
def test_a_broken_memory_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text)
    assert remembered(tmp_path) is None


def test_ports_of_a_fleet_of_before_are_given_back(tmp_path: Path) -> None:
    here = Settings(state=tmp_path / "state", ports=moved(2000))
    large = here.for_fleet([f"mta-{n}" for n in range(1, 9)], ["mw-aurora", "mw-acme"])
    again = Settings(here.state, large.ports).for_fleet(["mta-1"], ["mw-aurora"])
    assert "lab mta-8 ssh" in large.ports
    assert again.ports == moved(2000)


def test_a_command_with_garbage_ends_with_2_and_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stack", "up"], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"EMAIL_ENGINE_STATE": str(tmp_path / "new"), "EMAIL_ENGINE_PORT_OFFSET": "two"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip().startswith("EMAIL_ENGINE_PORT_OFFSET: 'two'; expected a whole number from ")
    assert "Traceback" not in done.stderr
