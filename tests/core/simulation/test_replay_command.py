"""`email-engine replay`: real accounting through the decisions."""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from email_engine.cli import main
from email_engine.home import CONFIG

HEADER = "type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta\r\n"
START = datetime(2026, 11, 1, 0, 15, tzinfo=UTC)
WARMING, ACTIVE = "198.51.100.41", "198.51.100.1"
Write = Callable[[str, Iterable[str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, rows: Iterable[str]) -> Path:
        path = tmp_path / name
        path.write_text(HEADER + "".join(rows))
        return path

    return written


def day_of(number: int, good: int, bad: int = 0, source: str = f"{WARMING},aurora-41") -> list[str]:
    """Rows of the UTC day `number`, 1 first, spread over its 24 hours."""
    rows = []
    for n in range(good + bad):
        at = START + timedelta(days=number - 1, hours=n * 24 // (good + bad))
        kind, category = ("b", "bad-mailbox") if n < bad else ("d", "")
        rows.append(f"{kind},{at:%Y-%m-%d %H:%M:%S+0000},a{n}@gmail.com,{category},{source}\r\n")
    return rows


def replayed(capsys: pytest.CaptureFixture[str], *files: Path, ip: str = WARMING) -> list[dict[str, Any]]:
    main(["replay", *map(str, files), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line["ip"] == ip]


def test_a_line_has_what_stood_on_the_day_and_what_was_decided(
    capsys: pytest.CaptureFixture[str], write: Write
) -> None:
    days = replayed(capsys, write("a.csv", [row for n in range(1, 9) for row in day_of(n, 50)]))
    assert days[6] == {
        "date": "2026-11-07",
        "ip": WARMING,
        "state": "warming",
        "stage": 1,
        "allowance": 50,
        "sent": 50,
        "verdict": "pass",
        "score": None,
        "reason": "7 of 7 days of phase 1 were sent, so it moves to phase 2 at 100 a day.",
    }
    assert (days[7]["stage"], days[7]["allowance"]) == (2, 100)


def test_allowances_do_not_bind(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    days = replayed(capsys, write("a.csv", [row for n in range(1, 4) for row in day_of(n, 150, 50)]))
    assert [(day["allowance"], day["sent"]) for day in days] == [(50, 200), (0, 200), (0, 200)]
    assert days[0]["verdict"] == "regress"
    assert "so it pauses until 2026-11-09" in days[0]["reason"]


def test_files_of_one_day_add_up_in_any_order(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    rows = [row for n in range(1, 4) for row in day_of(n, 50, 1)]
    whole = replayed(capsys, write("whole.csv", rows))
    assert whole == replayed(capsys, write("b.csv", rows[70:]), write("a.csv", rows[:70]))
    assert [day["sent"] for day in whole] == [51, 51, 51]


def test_every_ip_of_the_fleet_has_every_day(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    main(["replay", str(write("a.csv", day_of(1, 50) + day_of(3, 50))), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 300
    assert {line["date"] for line in lines} == {"2026-11-01", "2026-11-02", "2026-11-03"}


def test_a_host_whose_accounting_ends_early_holds(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    early = [row for row in day_of(9, 50) if " 2" not in row and " 1" not in row]
    rows = [row for n in range(1, 9) for row in day_of(n, 50)] + early
    assert "is known up to 2026-11-09 10:00 UTC only" in replayed(capsys, write("a.csv", rows))[-1]["reason"]
    silent = replayed(capsys, write("a.csv", rows), ip=ACTIVE)[-1]
    assert "the accounting of mta-1 never came" in silent["reason"]


@pytest.mark.parametrize(
    ("source", "sent"),
    [(",aurora-41", 50), ("127.0.0.1,aurora-41", 50), (f"{WARMING},", 50), (f"{WARMING},other", 50)],
    ids=["no address", "behind a translated address", "no virtual MTA", "the address counts first"],
)
def test_a_row_is_known_by_its_address_or_its_virtual_mta(
    capsys: pytest.CaptureFixture[str], write: Write, source: str, sent: int
) -> None:
    assert replayed(capsys, write("a.csv", day_of(1, 50, source=source)))[0]["sent"] == sent


def test_an_address_in_another_spelling_is_the_same(
    capsys: pytest.CaptureFixture[str], write: Write, tmp_path: Path
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text((CONFIG / "fleet.yaml").read_text().replace("198.51.100.1", "2001:db8::1"))
    rows = day_of(1, 50, source="2001:0DB8:0000:0000:0000:0000:0000:0029,")
    main(["replay", "--fleet", str(fleet), "--json", str(write("a.csv", rows))])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["sent"] for line in lines if line["ip"] == "2001:db8::29"] == [50]


def test_the_same_file_twice_counts_once(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    path = write("a.csv", day_of(1, 50))
    assert replayed(capsys, path, path)[0]["sent"] == 50


def test_what_is_left_out_is_told_and_found(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    rows = [*day_of(1, 50), *day_of(1, 3, source="192.0.2.99,other"), "d,yesterday,a@gmail.com,,,\r\n"]
    assert main(["replay", str(write("a.csv", rows))]) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "not in the fleet, left out: 192.0.2.99 (3 records)",
        "unreadable, left out: 1 rows",
    ]
    assert "100 decisions: " in captured.out


def test_text_shows_the_days_on_which_something_happened(
    capsys: pytest.CaptureFixture[str], write: Write
) -> None:
    assert main(["replay", str(write("a.csv", day_of(1, 60, 30)))]) == 0
    out = capsys.readouterr().out.splitlines()
    assert next(line for line in out if WARMING in line).startswith(
        f"2026-11-01  {WARMING}  pause  (warming 1, allowed 50, sent 90): 30 bounces of 90"
    )
    assert re.fullmatch(r"100 decisions: \d+ hold, 1 pause, \d+ stay", out[-1])


@pytest.mark.parametrize(
    ("rows", "words", "told"),
    [
        (day_of(1, 1) + day_of(900, 1), [], "2026-11-01 to 2029-04-18"),
        (day_of(1, 1), ["--policy", "shipped", "--policy", "x"], "--policy: 2 policies"),
    ],
    ids=["a wrong clock", "two policies"],
)
def test_wrong_input_is_told(
    capsys: pytest.CaptureFixture[str], write: Write, rows: list[str], words: list[str], told: str
) -> None:
    assert main(["replay", str(write("a.csv", rows)), *words]) == 2
    assert told in capsys.readouterr().err


def test_no_mail_of_the_fleet_is_no_decision(capsys: pytest.CaptureFixture[str], write: Write) -> None:
    assert main(["replay", str(write("a.csv", []))]) == 0
    assert capsys.readouterr().out == "No mail of this fleet, nothing to decide.\n"
