"""Complaints that come late are about the mail of the days before them, whatever happened to the IP meanwhile."""

from datetime import timedelta

import pytest

from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import DayCounts
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Action
from tests.core.warmup.worlds import DAY, NEXT, decide_day, observation

POLICY = load_policy()
STOPPED = DAY - timedelta(days=8)
"""The first day on which it stood still, for its stream's hated campaign."""


def resumed(late: int, own: int = 0, mail: int = 10_000, *, dated: bool = False) -> IpObservation:
    """An active IP on its first day of mail after a week's stop: `late` complaints came in on each day of that week, without a date
    (or, `dated`, they stand on the last day of mail), `own` on the first day of the new mail."""
    before = [
        DayCounts(STOPPED - timedelta(days=n), mail, complained=7 * late if dated and n == 1 else 2)
        for n in range(10, 0, -1)
    ]
    still = [
        DayCounts(STOPPED + timedelta(days=n), 0, complained=late, undated_complaints=late) for n in range(8)
    ]
    days = [*before, *([] if dated else still), DayCounts(DAY, mail, complained=own)]
    return observation(
        days,
        ip={"state": IpState.ACTIVE, "phase": 6},
        given=mail,
        standing=mail,
        last_stream_stop_at=midnight(STOPPED),
        providers={"gmail": days},
        reporting=frozenset({"gmail"}),
    )


@pytest.mark.parametrize("late", [1, 4, 14])
def test_reports_about_mail_from_before_a_stop_are_not_charged_to_the_mail_after_it(late: int) -> None:
    proposal = decide_day(resumed(late), POLICY, DAY, NEXT)
    assert (proposal.action, proposal.cause) == (Action.STAY, None), proposal.reason


def test_while_it_stands_still_they_stop_it_no_second_time() -> None:
    seen = resumed(14)
    days = seen.days.between(seen.days.day[0], DAY - timedelta(days=1))
    quiet = observation(
        days, ip={"state": IpState.ACTIVE, "phase": 6}, last_stream_stop_at=midnight(STOPPED), standing=10_000,
        providers={"gmail": days}, reporting=frozenset({"gmail"}),
    )  # fmt: skip
    proposal = decide_day(quiet, POLICY, DAY - timedelta(days=1), DAY)
    assert proposal.action not in (Action.PAUSE, Action.QUARANTINE), proposal.reason


def test_complaints_about_the_mail_after_the_stop_count() -> None:
    proposal = decide_day(resumed(1, own=120), POLICY, DAY, NEXT)
    assert proposal.action is Action.PAUSE, proposal.reason


def test_a_small_volume_is_stopped_by_its_own_complaints_and_not_by_late_ones() -> None:
    assert decide_day(resumed(3, mail=300), POLICY, DAY, NEXT).action is Action.STAY
    stopped = decide_day(resumed(3, own=3, mail=300), POLICY, DAY, NEXT)
    assert stopped.action is Action.PAUSE
    assert "3 complaints on 2026-11-20 about only 300 messages" in stopped.reason


def test_what_is_dated_stands_where_it_stood() -> None:
    with_dates, without = (decide_day(resumed(6, dated=dated), POLICY, DAY, NEXT) for dated in (True, False))
    assert (with_dates.action, without.action) == (Action.STAY, Action.STAY)
