"""What a re-check means, when a question has a sense, and what a release still lacks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from email_engine.blocklists.delisting import (
    Answer,
    Delisting,
    Part,
    Status,
    decide_recheck,
    lacks,
    pause_after,
    why_not_ask,
)
from email_engine.fleet.model import IpState, Mode

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
OPEN = Delisting(
    listing_id=7, tenant="aurora", mode=Mode.ACT, ip_id=1, address=ip_address("198.51.100.1"), state=IpState.QUARANTINE,
    removed=False, list_name="zen", zone="zen.example", codes=("127.0.0.2",), parks=True, opened_at=NOW - timedelta(days=1),
    closed_at=None, quarantine_until=NOW + timedelta(days=6), minor=False, status=Status.OPEN, question="pending", cause=None,
    answered_by=None, gives_up=False, checks=0, last_answer=None, next_check_at=None,
)  # fmt: skip
CLOSED = replace(OPEN, closed_at=NOW)


def test_pauses_between_rechecks_grow_to_half_a_day_and_never_beyond() -> None:
    hours = [pause_after(n) / timedelta(hours=1) for n in (0, 1, 2, 3, 4, 5, 10_000)]
    assert hours == [1, 2, 4, 8, 12, 12, 12]


@pytest.mark.parametrize(
    ("delisting", "answer", "status"),
    [
        (OPEN, Answer.LISTED, Status.OPEN),
        (OPEN, Answer.NOT_LISTED, Status.OPEN),
        (CLOSED, Answer.LISTED, Status.OPEN),
        (CLOSED, Answer.UNKNOWN, Status.OPEN),
        (CLOSED, Answer.NOT_LISTED, Status.CLEARED),
        (replace(CLOSED, removed=True), Answer.NOT_LISTED, Status.ENDED),
        (replace(OPEN, state=IpState.ABANDONED), Answer.LISTED, Status.ENDED),
    ],
    ids=["stands", "no sweep closed it", "listed again", "silent", "over", "left the fleet", "abandoned"],
)
def test_only_a_no_after_the_sweeps_closed_it_clears_a_listing(
    delisting: Delisting, answer: Answer, status: Status
) -> None:
    decided = decide_recheck(delisting, answer, NOW)
    assert decided.status is status
    assert (decided.next_check_at == NOW + timedelta(hours=2)) is (status is Status.OPEN)
    assert bool(decided.because) is (status is Status.ENDED)


@pytest.mark.parametrize("answer", [Answer.UNKNOWN, Answer.LISTED])
def test_each_recheck_without_good_news_waits_longer_than_the_one_before(answer: Answer) -> None:
    waits = [decide_recheck(replace(CLOSED, checks=n), answer, NOW).next_check_at or NOW for n in range(6)]
    assert waits == sorted(waits)
    assert waits[0] < waits[3]


@pytest.mark.parametrize(
    ("changes", "standing", "over"),
    [
        ({}, None, "stands"),
        ({"closed_at": NOW}, "is over", None),
        ({"closed_at": NOW, "minor": True}, "is over", "minor listing"),
        ({"closed_at": NOW, "state": IpState.RESTING}, "is over", "in resting"),
        ({"cause": "old list", "answered_by": "ops"}, "ops named the cause", "ops named the cause"),
        ({"gives_up": True, "answered_by": "ops"}, "ops gave", "ops gave"),
        ({"mode": Mode.OBSERVE}, "in observe", "in observe"),
        ({"removed": True}, "left the fleet", "left the fleet"),
        ({"state": IpState.ABANDONED}, "was abandoned", "was abandoned"),
    ],
    ids=["stands", "over", "over and minor", "released", "named", "given up", "observe", "removed", "abandoned"],
)  # fmt: skip
def test_nobody_is_asked_what_has_no_sense(
    changes: dict[str, object], standing: str | None, over: str | None
) -> None:
    delisting = replace(OPEN, **changes)  # type: ignore[arg-type]
    for part, expected in ((Part.STANDING, standing), (Part.OVER, over)):
        why = why_not_ask(delisting, part)
        assert (why is None) is (expected is None), why
        assert (expected or "") in (why or "")


NAMED = replace(OPEN, cause="old list")


@pytest.mark.parametrize(
    ("followed", "minor", "lacking"),
    [
        (None, False, "no cause of its listing on zen is named"),
        (OPEN, False, "no cause of its listing on zen is named"),
        (replace(OPEN, status=Status.CLEARED), False, "no cause of its listing on zen is named"),
        (NAMED, False, "no re-check found it off zen since"),
        (replace(NAMED, status=Status.CLEARED), False, None),
        (OPEN, True, "no re-check found it off zen since"),
        (replace(OPEN, status=Status.CLEARED), True, None),
        (None, True, None),
    ],
    ids=["not followed", "open", "no cause", "not cleared", "all there", "minor, not cleared", "minor", "minor, not followed"],
)  # fmt: skip
def test_a_release_needs_a_cause_and_a_recheck_for_every_listing(
    followed: Delisting | None, minor: bool, lacking: str | None
) -> None:
    assert lacks(followed, "zen", minor) == lacking
