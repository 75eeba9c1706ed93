"""Whether a person opened, or a program that fetches for nobody."""

from datetime import datetime, timedelta

import pytest

from email_engine.mailer.opens import OpenCounts, OpensPolicy
from email_engine.mailer.policy import shipped_quota_policy

SENT = datetime(2026, 11, 1, 12)  # noqa: DTZ001 - as MailWizz has it
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"


@pytest.mark.parametrize(
    ("agent", "seconds", "person"),
    [
        (PHONE, 3600, True),
        (PHONE, 11, True),
        (PHONE, 10, False),
        (PHONE, -5, False),
        ("Mozilla/5.0", 3600, False),
        ("mozilla/5.0 ", 3600, False),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", 3600, True),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", 3600, True),
        ("Barracuda Sentinel (EE)", 3600, False),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", 3600, False),
        ("python-requests/2.32", 3600, False),
        ("", 3600, False),
        (None, 3600, False),
        ("Talbotson/3.2", 3600, True),
    ],
    ids=[
        "phone", "just late enough", "within seconds", "before the mail", "Apple's proxy", "Apple's, other case", "Gmail's proxy", "Yahoo's proxy",
        "filter", "crawler", "script", "empty", "null", "a word in a name",
    ],
)  # fmt: skip
def test_a_machine_is_known_by_its_agent_or_its_haste(agent: str | None, seconds: int, person: bool) -> None:
    policy = shipped_quota_policy().opens
    assert policy.by_person(agent, SENT + timedelta(seconds=seconds), SENT) is person


def test_what_ships_is_what_is_usual() -> None:
    assert shipped_quota_policy().opens == OpensPolicy()


def test_counts_add_up() -> None:
    whole = OpenCounts(1, 2, 3, 4).and_also([OpenCounts(opened=10), OpenCounts(machine_clicked=1)])
    assert (whole, whole.total) == (OpenCounts(11, 2, 3, 5), 21)
