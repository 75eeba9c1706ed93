"""The limits of `mta_health`, read strictly."""

from datetime import timedelta

import pytest

from email_engine.fleet.mistakes import FileInvalid
from email_engine.health.policy import parse_health_policy, shipped_health_policy
from email_engine.paths import CONFIG

TEXT = (CONFIG / "health.yaml").read_text()


def test_the_shipped_limits_can_be_read() -> None:
    policy = shipped_health_policy()
    assert policy.used_warning < policy.used_critical
    assert (policy.used_warning, policy.oldest) == (80, timedelta(hours=1))
    assert policy.clock_warning < policy.clock_critical


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("warning_seconds: 60", "warning_seconds: soon", "clock.warning_seconds"),
        ("warning_used_percent: 80", "warning_used_percent: 150", "150"),
        ("days_waiting: 1", "day_waiting: 1", "days_waiting"),
        ("accounting:", "counting:", "unknown key"),
    ],
)
def test_every_mistake_is_named_with_its_line(old: str, new: str, mistake: str) -> None:
    with pytest.raises(FileInvalid, match=mistake):
        parse_health_policy(TEXT.replace(old, new))
