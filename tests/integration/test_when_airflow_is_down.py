"""`email-engine stop`, `release` and `sync` with no Airflow anywhere: connections come from a file."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from email_engine.cli import main
from email_engine.store import schema as s
from lab.testing import RunningLab
from tests.whole_lab import Whole, connections

ADDRESS = "198.51.100.1"


@pytest.fixture
def whole(
    just_deployed: Whole,
    lab: RunningLab,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Whole:
    """The fleet runs; then only a file of connections is left."""
    just_deployed.mail(1, 200)
    file = tmp_path / "connections.json"
    environment = connections(lab, engine_database_url)
    named = {name.removeprefix("AIRFLOW_CONN_").lower(): value for name, value in environment.items()}
    file.write_text(
        json.dumps({n: as_given(v) for n, v in named.items() if not n.startswith("email_engine_blocklists")})
    )
    file.chmod(0o600)
    for name in [n for n in os.environ if n.startswith("AIRFLOW_CONN_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("EMAIL_ENGINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("EMAIL_ENGINE_CONNECTIONS", str(file))
    return just_deployed


def as_given(value: str) -> Any:
    return json.loads(value) if value.startswith("{") else value


def told(lab: RunningLab) -> str:
    messages: Any = lab.get("/telegram/messages")
    return "\n".join(str(message["text"]) for message in messages)


def test_an_ip_is_stopped_read_back_told_and_let_go(
    whole: Whole, lab: RunningLab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.knob("telegram.clear_messages")
    assert main(["stop", ADDRESS, "--reason", "angry postmaster"]) == 0
    said = capsys.readouterr().out
    assert "mta-1: 1 stand still, read back in PowerMTA and MailWizz" in said
    assert [paused for _, paused in whole.queues(1).values()] == [True]
    assert whole.server(1)[2] == "disabled"
    (brake,) = whole.rows(s.brakes)
    assert (brake.powermta_holds, brake.mailwizz_holds, brake.reason) == (True, True, "angry postmaster")
    (decision,) = [d for d in whole.rows(s.decisions) if d.pipeline == "emergency_stop"]
    assert decision.run_id.startswith("shell__")
    assert "angry postmaster" in told(lab)
    assert "/dags/emergency_stop" not in told(lab), "no run of Airflow did it, so no link leads to one"

    assert main(["release", ADDRESS, "--reason", "mended"]) == 0
    assert [paused for _, paused in whole.queues(1).values()] == [False]
    assert main(["sync", "mw-aurora"]) == 0
    assert whole.server(1)[2] != "disabled"


def test_a_dry_run_only_lists(whole: Whole, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop", "aurora", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hosts"] == []
    assert whole.rows(s.brakes) == []


def test_a_host_that_is_away_is_one_finding_and_mailwizz_stops_all_the_same(
    whole: Whole, lab: RunningLab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.knob("down")
    try:
        assert main(["stop", ADDRESS]) == 1
    finally:
        lab.knob("up")
    assert "1 of 1 not complete" in capsys.readouterr().out
    assert whole.server(1)[2] == "disabled"
    assert main(["stop", ADDRESS]) == 0, "the next call finishes it"


@pytest.mark.parametrize(
    ("scope", "said"),
    [("198.51.100.250", "an IP of the fleet"), ("auror", "did you mean that?"), ("x" * 3000, "a tenant")],
)
def test_a_scope_that_means_nobody_stops_nobody(
    whole: Whole, capsys: pytest.CaptureFixture[str], scope: str, said: str
) -> None:
    assert main(["stop", scope]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error) < 600
    assert whole.rows(s.brakes) == []


def test_telegram_away_keeps_no_stop_from_anything(
    whole: Whole, lab: RunningLab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.knob("telegram.fail", calls=9)
    try:
        assert main(["stop", ADDRESS]) == 0
    finally:
        lab.knob("telegram.calm")
    assert "alerts wait" in capsys.readouterr().err


def test_a_configuration_is_deployed_and_one_that_the_guard_objects_to_is_not(
    whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    whole.allow(1234, 1)
    assert main(["deploy", "mta-1", "--dry-run"]) == 0
    dry = capsys.readouterr().out
    assert main(["deploy", "mta-1", "--reason", "Airflow is down"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("mta-1: ")
    assert dry.startswith("mta-1: ")
    whole.allow(1234, 1)
    assert main(["deploy", "mta-1"]) == 0, "nothing changes"
    capsys.readouterr()
    assert main(["deploy", "mta-9"]) == 2
    assert "mta-9" in capsys.readouterr().err


def test_a_dry_run_names_the_ips_and_touches_none(whole: Whole, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop", "aurora", "--dry-run"]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("3 IPs would be stopped: ")
    assert ADDRESS in first
    assert last == "nothing was done"
    assert main(["release", ADDRESS, "--reason", "mended", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["meant"] == [ADDRESS]
    assert whole.rows(s.brakes) == []
    assert "emergency_stop" not in {row.pipeline for row in whole.rows(s.decisions)}


@pytest.mark.parametrize("mistyped", ["198.51.100.300", "2001:db8::x"])
def test_a_mistyped_address_is_asked_for_as_one(
    whole: Whole, capsys: pytest.CaptureFixture[str], mistyped: str
) -> None:
    assert main(["stop", mistyped, "--reason", "try"]) == 2
    assert f"{mistyped!r}; expected an IP of the fleet: " in capsys.readouterr().err
