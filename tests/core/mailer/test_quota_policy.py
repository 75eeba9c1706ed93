"""The quota policy is read whole or refused with every mistake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_engine.errors import InputError
from email_engine.mailer.policy import QuotaPolicy, parse_quota_policy, shipped_quota_policy


def test_the_policy_that_ships_is_the_default() -> None:
    policy = shipped_quota_policy()
    assert (policy.spread_hours, policy.hourly_max, policy.server_types) == (
        10,
        1000,
        QuotaPolicy().server_types,
    )
    assert len(policy.digest) == 12


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_quota_policy("quotas: {spread_hours: 0, hourly_max: x, server_types: [], speed: 1}")
    for part in (
        "spread_hours: 0; allowed",
        "hourly_max: 'x'",
        "server_types: an empty list",
        "speed: unknown key",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a", "quotas: 1", "a: [", "x: 1"])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_quota_policy(text)


@pytest.mark.parametrize(
    ("daily", "hourly"), [(0, 1), (1, 1), (10, 1), (11, 2), (250, 25), (10_000, 1000), (99_999, 1000)]
)
def test_a_day_is_spread_over_ten_hours(daily: int, hourly: int) -> None:
    assert QuotaPolicy().hourly_quota(daily) == hourly


@given(st.integers(0, 200_000), st.integers(1, 24), st.integers(1, 5_000))
def test_the_hours_of_a_day_hold_the_day_and_no_hour_is_too_full(daily: int, spread: int, most: int) -> None:
    hourly = QuotaPolicy(spread, most).hourly_quota(daily)
    assert 1 <= hourly <= min(most, max(daily, 1))
    assert hourly * 24 >= min(daily, most * 24)
    assert hourly * spread >= min(daily, most * spread)
    assert hourly <= max(-(-daily // spread), 1)
