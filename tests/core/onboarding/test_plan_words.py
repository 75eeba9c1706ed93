"""A plan as a newcomer reads it: what it says about the quota and about IPs that are aboard already."""

from datetime import date

import pytest

from email_engine.onboarding.words import describe, subject
from email_engine.warmup.policy_file import load_policy
from tests.core.onboarding.test_onboard_plan import WITH_ROOM, plan

TODAY = date(2026, 11, 2)


@pytest.mark.parametrize(("quota", "carries"), [(600_001, False), (10_000_000, True)])
def test_it_says_whether_the_quota_carries_all_when_they_are_warm(quota: int, carries: bool) -> None:
    text = WITH_ROOM.replace("daily_quota: 600000", f"daily_quota: {quota}", 1)
    assert text != WITH_ROOM
    said = describe(plan(text), load_policy(), TODAY)
    assert (f"{quota:,} a day, carries all its IPs" in said) is carries
    assert ("does not carry them all" in said) is not carries
    assert ("daily_quota grows to" in said) is not carries


def test_ips_that_are_aboard_already_are_not_brought_again() -> None:
    made = plan()
    again = plan(made.text)
    assert subject(made).startswith("Bring ")
    assert "aboard already: go on where a run before ended?" in subject(again)
