"""Decisions that 03d1bc5 stored are explained: shown as they were, and not made again by other rules."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from email_engine.commands.explain import _text, _value
from email_engine.warmup.explain import Recorded
from email_engine.warmup.snapshot import RULES

STORED: dict[str, Any] = json.loads((Path(__file__).parent / "stored_by_03d1bc5.json").read_text())


def recorded() -> Iterator[Recorded]:
    for row in STORED["decisions"]:
        yield Recorded(**row | {"day": date.fromisoformat(row["day"])})


ROWS = list(recorded())


def test_enough_kinds_are_stored() -> None:
    kinds = {(row.pipeline, row.action) for row in ROWS}
    assert kinds >= {
        ("warmup_advance", one)
        for one in ("advance", "hold", "stay", "pause", "resume", "quarantine", "clean")
    }
    assert kinds >= {("reputation_guard", "pause"), ("reputation_guard", "slow")}


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_what_was_decided_is_explained_as_it_was(number: int) -> None:
    row = ROWS[number]
    told = _text(row, None)
    assert f"{row.action.replace('_', ' ')}. {row.reason}" in told
    assert all(f"{gate}: {judged['verdict']}" in told for gate, judged in row.verdicts.items())
    assert "decided by rules 1 of an earlier release" in told
    assert row.rules != RULES
    assert _value(row, None)["agrees"] is None
