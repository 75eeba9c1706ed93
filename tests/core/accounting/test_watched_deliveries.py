"""Deliveries to the few recipients that are watched, found in files of every kind."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from email_engine.accounting.summarize import summarize
from email_engine.fleet.providers import shipped_providers

HEADER = "type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta"
TEN, ELEVEN = (datetime(2026, 11, 1, hour, 0, 5, tzinfo=UTC) for hour in (10, 11))


def found(
    tmp_path: Path, *rows: str, watched: frozenset[str] = frozenset({"u@gmail.com"})
) -> dict[str, datetime]:
    path = tmp_path / "acct.csv"
    path.write_text("\r\n".join([HEADER, *rows, ""]))
    return summarize(path, "acct.csv", shipped_providers(), watched=lambda: watched).delivered_to


def row(kind: str = "d", at: str = "2026-11-01 10:00:05+0000", rcpt: str = "u@gmail.com") -> str:
    return f"{kind},{at},{rcpt},,198.51.100.1,aurora-1"


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        ([row()], TEN),
        ([row(kind="delivery")], TEN),
        ([row(rcpt="<U@Gmail.COM>")], TEN),
        ([row(), row(at="2026-11-01 12:00:05+0100"), row(at="2026-11-01 03:00:05-0700")], ELEVEN),
        ([row(at="1793527205")], TEN),
        ([row(), "d,broken", row(at="2026-11-01 11:00:05+0000")], ELEVEN),
    ],
    ids=["d", "long name", "as it may be written", "the last in any zone", "unix seconds", "a file with a broken row"],
)  # fmt: skip
def test_the_last_delivery_is_told(tmp_path: Path, rows: list[str], last: datetime) -> None:
    assert found(tmp_path, *rows) == {"u@gmail.com": last}


@pytest.mark.parametrize("kind", ["b", "t", "rb", "f", "r"])
def test_nothing_else_is_a_delivery(tmp_path: Path, kind: str) -> None:
    assert found(tmp_path, row(kind=kind)) == {}


def test_nobody_else_is_told_of(tmp_path: Path) -> None:
    assert (
        found(tmp_path, row(rcpt="v@gmail.com"), row(rcpt="xu@gmail.com"), row(rcpt="u@gmail.com.example"))
        == {}
    )
    assert found(tmp_path, row(), watched=frozenset()) == {}


def test_who_is_watched_is_asked_when_the_rest_was_read(tmp_path: Path) -> None:
    path = tmp_path / "acct.csv"
    path.write_text("\r\n".join([HEADER, row(), row(kind="b"), ""]))
    seen: set[str] = set()

    class Sink:
        def add(self, event: object) -> None:
            seen.add("u@gmail.com")

        def clear(self) -> None:
            seen.clear()

    summary = summarize(path, "acct.csv", shipped_providers(), events=Sink(), watched=lambda: seen)
    assert summary.delivered_to == {"u@gmail.com": TEN}
