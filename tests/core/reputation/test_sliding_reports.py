"""Reports that name no day stay with the mail of their time, however far the window moves on."""

import random
from datetime import date, timedelta

import pytest

from email_engine.fleet.traffic import NO_DAYS, DayCounts, Days
from email_engine.reputation.complaints import on_days_of_mail
from email_engine.warmup.observation import EARLIER_DAYS, PROVIDER_DAYS

FIRST = date(2026, 10, 5)
LATE = 7


def mail(counts: list[tuple[int, int]]) -> Days:
    """(delivered, undated complaints) of the days from FIRST on; a day without either is not known."""
    return Days.of(
        DayCounts(FIRST + timedelta(days=n), delivered, complained=told, undated_complaints=told)
        for n, (delivered, told) in enumerate(counts)
        if delivered or told
    )


def seen(days: Days, last: date) -> list[tuple[date, int]]:
    """Complaints by day of mail, as at the end of the day `last`."""
    first = last - timedelta(days=PROVIDER_DAYS - 1)
    known = days.between(first, last)
    earlier = days.between(first - timedelta(days=EARLIER_DAYS), first - timedelta(days=1))
    return list(zip(known.day, on_days_of_mail(known, LATE, earlier), strict=True))


def test_a_full_mailbox_on_a_small_day_never_becomes_that_day_s_rate() -> None:
    """Twelve reports came on a Sunday of 112 messages, about two weeks of 5,000 a weekday."""
    counts = [(5000 if n % 7 < 5 else 112, 12 if n == 20 else 0) for n in range(45)]
    days = mail(counts)
    sunday = FIRST + timedelta(days=20)
    for last in range(20, 45):
        found = dict(seen(days, FIRST + timedelta(days=last)))
        assert found.get(sunday, 0) <= 1, f"day {last}"
        assert sum(found.values()) <= 12


@pytest.mark.parametrize("seed", range(20))
def test_what_a_past_day_is_charged_does_not_grow_as_the_window_moves(seed: int) -> None:
    dice = random.Random(seed)
    days = mail(
        [(dice.choice([0, 40, 700, 5000]), dice.choice([0, 0, 0, 0, dice.randint(1, 9)])) for _ in range(45)]
    )
    for last in range(PROVIDER_DAYS, 40):
        now = dict(seen(days, FIRST + timedelta(days=last)))
        later = dict(
            seen(
                Days.of(d for d in days if d.day <= FIRST + timedelta(days=last)),
                FIRST + timedelta(days=last + 6),
            )
        )
        for n in range(last + 1):
            day = FIRST + timedelta(days=n)
            before = sum(count for on, count in now.items() if on >= day)
            after = sum(count for on, count in later.items() if on >= day)
            assert after <= before + 1, (last, day)


def test_without_earlier_days_as_with_an_ip_that_is_new() -> None:
    days = mail([(100, 0), (100, 4)])
    assert sum(on_days_of_mail(days, LATE, NO_DAYS)) == 4
