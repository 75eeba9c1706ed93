"""Decisions that 03d1bc5 stored are made again by this release, word for word of what was decided."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from email_engine.warmup.explain import Recorded, decide_again
from email_engine.warmup.snapshot import policy_of

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
def test_what_was_decided_comes_out_again(number: int) -> None:
    row = ROWS[number]
    again = decide_again(row, ROWS, policy_of(STORED["policy"]))
    assert again.differences == ()
