"""`email-engine simulate`, as people and scripts call it."""

import json
from pathlib import Path

import pytest

from email_engine.cli import main
from email_engine.paths import CONFIG
from email_engine.simulation.events import MOST_DAYS, MOST_EVENTS
from email_engine.warmup.sentences import LONGEST

SHIPPED = CONFIG / "policy.yaml"


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """The shipped policy with limits so high that nothing ever stops."""
    path = tmp_path / "patient.yaml"
    text = SHIPPED.read_text().replace("bounces: { limit: 0.05", "bounces: { limit: 0.9")
    path.write_text(text.replace("blocks: { limit: 0.02", "blocks: { limit: 0.9"))
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["simulate", *(str(word) for word in words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_policies_stand_side_by_side(capsys: pytest.CaptureFixture[str], patient: Path) -> None:
    code, out, err = run(capsys, "--policy", "shipped", "--policy", patient, "--days", 12, "--json")
    assert (code, err) == (0, "")
    ours, lax = json.loads(out)["policies"]
    assert (ours["policy"], lax["policy"]) == ("shipped", "patient")
    assert ours["bad"] == lax["bad"] > 0
    assert len(ours["stop_days"]) > 5 > len(lax["stop_days"])
    assert ours["bad_sent"] < lax["bad_sent"]
    assert ours["digest"] != lax["digest"]


def test_the_table_has_a_column_for_each_policy(capsys: pytest.CaptureFixture[str], patient: Path) -> None:
    code, out, _ = run(capsys, "--policy", "shipped", "--policy", patient, "--days", 3)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].endswith(": 100 IPs, 3 days, seed 1")
    assert lines[2].split() == ["shipped", "patient"]
    for row in ("false stops", "IPs slowed by their score", "median score of good IPs"):
        assert [line for line in lines if line.startswith(row)]


def test_the_report_is_one_file_with_the_pictures_inside(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    assert run(capsys, "--days", 12, "--report", page)[0] == 0
    text = page.read_text()
    assert text.count("<svg") == 1
    assert "median sent days to graduate" in text
    assert "<td>pause</td>" in text
    assert "src=" not in text
    first = text
    run(capsys, "--days", 12, "--report", page)
    assert page.read_text() == first


def test_the_first_stops_and_throttles_of_each_stream_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--days", 25, "--seed", 2)
    told = json.loads(run(capsys, *words, "--json")[1])["policies"][0]["told"]
    assert 0 < len(told) <= MOST_EVENTS
    assert len({(one["event"], one["tenant"], one["stream"]) for one in told}) == len(told)
    assert {one["event"] for one in told} >= {"pause", "throttle"}
    assert [one["date"] for one in told] == sorted(one["date"] for one in told)
    assert all(0 < len(one["reason"]) <= LONGEST for one in told)
    text = run(capsys, *words)[1]
    assert "What shipped would tell:" in text
    for one in told:
        assert f"{one['date']}  {one['ip']}  {one['stream']}  {one['event']}: {one['reason']}" in text


def test_one_ip_is_told_day_by_day(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--days", 12, "--scenario", "healthy", "--ip", "198.51.100.41")
    told = json.loads(run(capsys, *words, "--json")[1])["policies"][0]["told"]
    assert {one["ip"] for one in told} == {"198.51.100.41"}
    assert 0 < len(told) <= MOST_DAYS
    (moved,) = (one for one in told if one["event"] == "advance")
    assert "so it moves to phase 2 at 100 messages a day" in moved["reason"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--scenario", "nowhere"], "scenario nowhere: no such name or file"),
        (["--policy", "/nowhere.yaml"], "/nowhere.yaml: No such file or directory"),
        (["--fleet", "/nowhere.yaml"], "/nowhere.yaml: No such file or directory"),
        (["--policy", "shipped", "--policy", "shipped"], "--policy: shipped twice"),
        (["--days", "1", "--ip", "192.0.2.77"], "--ip: '192.0.2.77'"),
        (["--days", "1", "--report", "/nowhere/report.html"], "/nowhere/report.html: No such file"),
    ],
    ids=["scenario", "policy", "fleet", "a policy twice", "an IP of no fleet", "report"],
)
def test_wrong_input_is_told(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize("days", ["0", "x", "1001", "-3"])
def test_days_are_a_number_within_reason(capsys: pytest.CaptureFixture[str], days: str) -> None:
    with pytest.raises(SystemExit) as left:
        main(["simulate", f"--days={days}"])
    assert left.value.code == 2
    assert "no number of days" in capsys.readouterr().err
