"""`email-engine render`, as people and scripts call it."""

import json
from pathlib import Path

import pytest

from email_engine.cli import main
from email_engine.paths import CONFIG
from email_engine.pmta.config.inventory import read_inventory


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["render", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_example_renders_with_caps_by_state(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--host", "mta-2")
    inventory = read_inventory(out)
    assert code == 0
    assert len(inventory.vmtas) == 50
    assert inventory.vmtas["aurora-26"].cap == "12000/d"
    assert inventory.vmtas["aurora-41"].cap == "60/d"
    assert inventory.vmtas["aurora-48"].cap == "1/d"
    assert inventory.pools["aurora-newsletter"] == tuple(f"aurora-{n}" for n in range(26, 41))


def test_json_carries_digest_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--host", "mta-1", "--json")
    value = json.loads(out)
    assert code == 0
    assert (value["host"], value["file"], len(value["digest"])) == (
        "mta-1",
        "/etc/pmta/email-engine.conf",
        64,
    )
    assert value["vmtas"]["borealis-1"] == "12000/d"


@pytest.mark.parametrize("words", [(), ("--host", "mta-9")], ids=["none", "unknown"])
def test_a_host_that_is_not_there_is_an_input_error(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "mta-1, mta-2" in err


def test_live_needs_the_database(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAIL_ENGINE_DATABASE_URL", raising=False)
    code, _, err = run(capsys, "--host", "mta-1", "--live")
    assert code == 2
    assert "EMAIL_ENGINE_DATABASE_URL" in err


def test_a_host_without_an_operators_file_prints_a_whole_configuration(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    host = "  - name: mta-2\n"
    base = "    base: { postmaster: ops@example.com, listeners: ['10.0.0.5:2525'] }\n"
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text((CONFIG / "fleet.yaml").read_text().replace(host, host + base))
    code, out, _ = run(capsys, "--host", "mta-2", "--fleet", str(fleet), "--json")
    value = json.loads(out)
    assert (code, value["file"]) == (0, "/etc/pmta/config")
    assert "\npostmaster ops@example.com\n" in value["text"]
    assert "\n<source 192.0.2.10>\n" in value["text"]
