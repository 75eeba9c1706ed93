"""What the engine would have done, told in a few words."""

from datetime import date, timedelta

from email_engine.fleet.traffic import DayCounts
from email_engine.reputation.score import NO_SCORE
from email_engine.simulation.days import IpDay
from email_engine.simulation.hindsight import MOST_TOLD, hindsight
from email_engine.warmup.proposal import Action
from email_engine.warmup.provider_limits import WHOLE

FIRST = date(2026, 11, 1)


def day(number: int, action: Action, address: str = "198.51.100.1", **more: float) -> IpDay:
    when = FIRST + timedelta(days=number)
    return IpDay(
        when, address, "t", "active", 1, 100, DayCounts(when, delivered=10), action, None, f"reason {number}", NO_SCORE, {},
        dict(more),
    )  # fmt: skip


def test_days_of_holding_in_a_row_are_one() -> None:
    (one,) = hindsight([*(day(n, Action.HOLD) for n in (1, 2, 3)), day(4, Action.STAY), day(5, Action.HOLD)])
    assert [str(told) for told in one.told] == [
        "2026-11-02 to 2026-11-04: hold. reason 1",
        "2026-11-06: hold. reason 5",
    ]
    assert one.words() == "4 holds"
    assert (one.days, one.sent, one.stopped) == (5, 50, False)


def test_the_gravest_are_told_in_the_order_of_days() -> None:
    quiet = [day(n, Action.HOLD) for n in range(0, 20, 2)]
    (one,) = hindsight([*quiet, day(21, Action.PAUSE), day(25, Action.QUARANTINE)])
    assert len(one.told) == MOST_TOLD
    assert [told.action for told in one.told][-2:] == [Action.PAUSE, Action.QUARANTINE]
    assert one.more == 7
    assert one.first_stop == FIRST + timedelta(days=21)
    assert one.words() == "1 quarantine, 1 pause, 10 holds"


def test_nothing_is_told_of_one_that_was_left_alone() -> None:
    assert [
        one.words() for one in hindsight([day(1, Action.STAY), day(1, Action.ADVANCE, "198.51.100.2")])
    ] == [
        "nothing",
        "1 phase more",
    ]


def test_days_of_less_speed_are_counted() -> None:
    (one,) = hindsight([day(1, Action.STAY, **{WHOLE: 0.5}), day(2, Action.STAY, gmail=0.5)])
    assert one.words() == "slowed on 1 day"
    assert one.as_json()["slowed_days"] == 1
