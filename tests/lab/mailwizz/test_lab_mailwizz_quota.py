"""Quotas as MailWizz enforces them: UTC windows, behind a cache that lags."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lab.mailwizz.quota import QuotaLeft, ServerRow, UsageCounts, window_start

NOON = datetime(2026, 11, 15, 12, 0, tzinfo=UTC).timestamp()


def server(**limits: int) -> ServerRow:
    return ServerRow(101, "mta-1", "aurora-1", "", 100, tuple(limits.items()))


def send(quotas: QuotaLeft, row: ServerRow, at: float, attempts: int = 1) -> int:
    """How many of the attempts the quota let through."""
    passed = 0
    for _ in range(attempts):
        if quotas.blocked_until(row, at) is None:
            quotas.spend(row, at)
            quotas.usage.add(row.server_id, at)
            passed += 1
    return passed


@pytest.fixture
def quotas() -> QuotaLeft:
    return QuotaLeft(UsageCounts())


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("hourly", datetime(2026, 11, 15, 12, tzinfo=UTC)),
        ("daily", datetime(2026, 11, 15, tzinfo=UTC)),
        ("monthly", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_windows_are_calendar_windows(window: str, expected: datetime) -> None:
    assert window_start(window, NOON + 1800) == expected.timestamp()


def test_without_a_limit_nothing_is_counted(quotas: QuotaLeft) -> None:
    assert send(quotas, server(), NOON, 1000) == 1000


@pytest.mark.parametrize(
    ("limits", "passed"),
    [({"hourly": 5, "daily": 9}, 5), ({"hourly": 9, "daily": 5}, 5), ({"monthly": 3}, 3)],
)
def test_the_tightest_quota_wins(quotas: QuotaLeft, limits: dict[str, int], passed: int) -> None:
    assert send(quotas, server(**limits), NOON, 20) == passed


def test_usage_before_the_window_does_not_count(quotas: QuotaLeft) -> None:
    quotas.usage.add(101, NOON - 3600, 100)
    assert send(quotas, server(hourly=5), NOON, 20) == 5
    assert send(QuotaLeft(quotas.usage), server(daily=110), NOON, 20) == 5


def test_a_lowered_quota_is_not_seen_while_mail_flows(quotas: QuotaLeft) -> None:
    send(quotas, server(daily=100), NOON)
    flowing = sum(send(quotas, server(daily=10), NOON + 290 * n) for n in range(1, 50))
    assert flowing == 49


def test_a_lowered_quota_is_seen_after_five_idle_minutes(quotas: QuotaLeft) -> None:
    send(quotas, server(daily=100), NOON, 20)
    assert send(quotas, server(daily=10), NOON + 299) == 1
    assert send(quotas, server(daily=10), NOON + 299 + 300) == 0


def test_a_raised_quota_is_seen_at_most_five_minutes_after_the_old_one_is_used_up(quotas: QuotaLeft) -> None:
    assert send(quotas, server(daily=10), NOON, 20) == 10
    assert send(quotas, server(daily=50), NOON + 299, 20) == 0
    assert send(quotas, server(daily=50), NOON + 300, 100) == 40


def test_a_used_up_server_stays_blocked_past_the_hour(quotas: QuotaLeft) -> None:
    late = NOON + 3500
    assert send(quotas, server(hourly=5), late, 10) == 5
    assert send(quotas, server(hourly=5), NOON + 3600 + 100, 10) == 0
    assert send(quotas, server(hourly=5), late + 300, 10) == 5


def test_an_unused_remainder_is_carried_over_the_hour(quotas: QuotaLeft) -> None:
    send(quotas, server(hourly=100), NOON + 3500, 10)
    assert quotas.left(101, NOON + 3700) == {"hourly": 90}


def test_a_full_save_ends_the_lag(quotas: QuotaLeft) -> None:
    send(quotas, server(daily=100), NOON)
    quotas.forget(101)
    assert send(quotas, server(daily=10), NOON, 100) == 9


def test_an_install_without_quota_checks_ignores_them(quotas: QuotaLeft) -> None:
    quotas.enforced = False
    assert send(quotas, server(daily=1), NOON, 10) == 10


def test_a_recount_replaces_what_was_believed(quotas: QuotaLeft) -> None:
    usage = quotas.usage
    usage.add(101, NOON - 90_000, 7)
    usage.add(101, NOON, 5)
    usage.replace_since(window_start("daily", NOON), [(101, int(NOON), 2), (102, int(NOON), 4)])
    month = window_start("monthly", NOON)
    assert (usage.used(101, month), usage.used(102, month), usage.used(103, month)) == (9, 4, 0)
    usage.forget_before(NOON)
    assert usage.used(101, month) == 2


def seconds_of_sends(quotas: QuotaLeft, row: ServerRow, seconds: int) -> list[int]:
    """One attempt a second; the seconds in which it was let through."""
    return [n for n in range(seconds) if send_counted(quotas, row, NOON + n)]


def send_counted(quotas: QuotaLeft, row: ServerRow, at: float) -> bool:
    if quotas.blocked_until(row, at) is not None:
        return False
    quotas.spend(row, at)
    quotas.usage.sent(row.server_id, at)
    return True


def test_a_minute_quota_holds_for_sixty_seconds_after_a_send(quotas: QuotaLeft) -> None:
    assert seconds_of_sends(quotas, server(minute=2), 130) == [0, 1, 61, 62, 122, 123]


def test_a_used_up_minute_that_is_counted_cold_is_looked_at_again_after_thirty_seconds(
    quotas: QuotaLeft,
) -> None:
    quotas.usage.sent(101, NOON + 50)
    row = server(minute=1)
    assert quotas.blocked_until(row, NOON + 50) == NOON + 80
    assert quotas.blocked_until(row, NOON + 80) is None


def test_a_second_quota_is_cached_for_a_second(quotas: QuotaLeft) -> None:
    passed = [n / 4 for n in range(12) if send_counted(quotas, server(second=1), NOON + n / 4)]
    assert passed == [0.0, 1.0, 2.0]


def test_a_server_rests_after_each_send_even_where_quotas_are_not_enforced(quotas: QuotaLeft) -> None:
    quotas.enforced = False
    assert seconds_of_sends(quotas, replace(server(), pause=60.0), 150) == [0, 60, 120]
