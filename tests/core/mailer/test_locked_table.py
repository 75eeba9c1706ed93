"""A table that is locked as a whole: the second wait is the last, not one for each server."""

from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest

from email_engine.adapters.mailwizz_failures import TooSlow
from email_engine.mailer.model import QuotaChange, Setting
from email_engine.pipelines.mailwizz_quota_sync.ways import Ways

CHANGES = [
    QuotaChange(n, ip_address(f"198.51.100.{n}"), "aurora", 100 + n, Setting(250, 25, "active"), Setting(100, 10, "active"), "lower")
    for n in range(1, 6)
]  # fmt: skip


def slow(*_: Any) -> None:
    raise TooSlow("MailWizz", "the statement took too long", "an answer", "see who holds the table")


def ways(monkeypatch: pytest.MonkeyPatch, held: frozenset[int]) -> tuple[Ways, list[int]]:
    """`held`: servers whose rows, waited for alone, are not let go."""
    tried: list[int] = []

    def set_quota(server: int, *_: Any) -> None:
        tried.append(server)
        if server in held:
            slow()

    made = Ways(SimpleNamespace(set_quota=set_quota), lambda changes: set())  # type: ignore[arg-type]
    monkeypatch.setattr(made, "_batch", SimpleNamespace(possible=lambda: True, write=slow))
    return made, tried


def test_a_locked_table_is_waited_for_twice_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, tried = ways(monkeypatch, frozenset(range(101, 106)))
    done = made.write(CHANGES)
    assert tried == [101]
    assert isinstance(done.stopped, TooSlow)
    assert sorted(done.unwritten) == [101, 102, 103, 104, 105]
    assert "not tried: the statement took too long" in str(done.unwritten[105].error)


def test_one_row_that_is_held_keeps_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    made, tried = ways(monkeypatch, frozenset({103}))
    done = made.write(CHANGES)
    assert tried == [101, 102, 103, 104, 105]
    assert (sorted(done.unwritten), done.stopped) == ([103], None)
