"""What `email-engine fleet status` prints: in 80 columns, those first that need a look."""

import random
from datetime import UTC, date, datetime
from ipaddress import ip_address

import pytest

from email_engine.commands.fleet_words import COLUMNS, NAMED, status_words
from email_engine.fleet.model import Pause
from email_engine.store.judgement.forecasts import Standing
from email_engine.warmup.forecast import by_schedule
from email_engine.warmup.policy_file import load_policy
from tests.core.pmta.records import record

SOON = Pause(datetime(2026, 12, 5, tzinfo=UTC))
DAY = date(2027, 1, 9)


def standing(number: int, state: str = "active", blocked: str | None = None, **more) -> Standing:
    known = {"score": 90, "graduates_on": None, "graduates_by": None, "suspended": ()}
    known |= {key: more.pop(key) for key in tuple(more) if key in known}
    return Standing(record(number, state=state, **more), blocked_by=blocked, **known)


FLEET = (
    *(standing(n, allowance=10_000, score=80 + n) for n in range(1, 11)),
    standing(11, allowance=2000, blocked="it is in quarantine until 2026-12-05", state="quarantine"),
    standing(12, braked=True, allowance=0, blocked="its brake is on"),
    standing(13, pause=SOON, allowance=0, blocked="it is paused until 2026-12-05"),
    standing(14, blacklisted_on=("zen.spamhaus.org", "b.barracudacentral.org")),
    standing(15, "warming", "its DNS is broken", phase=3, allowance=250, score=None),
    standing(16, "warming", phase=2, allowance=100, score=None, graduates_on=DAY, graduates_by="decision"),
    standing(17, "warming", phase=2, allowance=100, score=None, graduates_on=date(2027, 1, 11)),
    standing(18, "standby", "it was clean for 3 of 7 days", allowance=0),
    standing(19, "standby", "it was clean for 3 of 7 days", allowance=0),
    standing(20, "abandoned", allowance=0),
    standing(1, tenant="borealis", allowance=5),
)


def test_those_that_need_a_look_come_first_and_the_rest_is_summed_up() -> None:
    assert (
        status_words(FLEET)
        == """\
21 IPs of 2 tenants: 1 in quarantine, 1 braked, 1 paused, 1 listed, 1 held

In quarantine: 1 IP
  198.51.100.11 quarantine, aurora/newsletter
      it is in quarantine until 2026-12-05

Braked: 1 IP
  198.51.100.12 active, aurora/newsletter
      its brake is on

Paused: 1 IP
  198.51.100.13 active, aurora/newsletter
      it is paused until 2026-12-05

Listed: 1 IP
  198.51.100.14 active, aurora/newsletter
      it is on zen.spamhaus.org, b.barracudacentral.org

Held: 1 IP
  198.51.100.15 warming 3, aurora/newsletter
      its DNS is broken

aurora/newsletter: 20 IPs
  2 standby; it was clean for 3 of 7 days
  2 warming, phase 2; 200 a day; score unknown; 2 graduate from 2027-01-09 to
      2027-01-11
  1 warming, phase 3; 250 a day; score unknown
  13 active; 101,000 a day; score 81 to 90
  1 quarantine
  1 abandoned

borealis/newsletter: 1 IP
  1 active; 5 a day; score 90

--all shows every IP, --json all that is known of each."""
    )


def test_all_shows_each_ip_with_its_bounds_and_what_blocks_it() -> None:
    text = status_words((*FLEET, standing(21, bounds={"gmail": 20, "yahoo": 5})), every=True)
    for one in FLEET:
        assert sum(line.split()[:1] == [str(one.ip.address)] for line in text.splitlines()) >= 1
    assert "  198.51.100.16 warming 2        100     - 2027-01-09" in text
    assert "      at most 20 to gmail, at most 5 to yahoo" in text


@pytest.mark.parametrize("every", [False, True])
def test_no_line_is_wider_than_80_columns_whatever_the_fleet_is(every: bool) -> None:
    dice = random.Random(5)
    states = ["standby", "warming", "active", "retiring", "resting", "quarantine", "abandoned"]
    fleet = [
        standing(
            n, dice.choice(states), dice.choice([None, "because " * dice.randint(1, 60), "x" * 300]),
            address=ip_address("2001:db8:aaaa:bbbb:cccc:dddd:eeee:0") + n if n % 3 else ip_address("45.1.1.1") + n,
            stream=dice.choice(["a", "s" * 63]), allowance=dice.randint(0, 10_000_000), phase=dice.randint(1, 99),
            braked=dice.random() < 0.2, pause=dice.choice([None, SOON]), score=dice.choice([None, 0, 100]),
            blacklisted_on=tuple(f"list-{k}.{'z' * 40}.example" for k in range(dice.randint(0, 5))),
            bounds={f"provider-{k}": 10_000_000 for k in range(dice.randint(0, 12))}, graduates_on=dice.choice([None, DAY]),
        )
        for n in range(1000)
    ]  # fmt: skip
    lines = status_words(fleet, every).splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert len(lines) < 500 or every
    assert len(lines) > 1000 or not every


def test_of_many_with_one_trouble_some_are_named_and_the_rest_is_counted() -> None:
    text = status_words([standing(n, "quarantine") for n in range(1, 101)])
    assert text.count(" quarantine, aurora/newsletter") == NAMED
    assert f"  ... and {100 - NAMED} more; --all names them" in text


def test_an_ip_with_several_troubles_is_told_once_by_the_gravest() -> None:
    text = status_words([standing(1, "quarantine", braked=True, blacklisted_on=("zen.spamhaus.org",))])
    assert text.startswith("1 IP of 1 tenant: 1 in quarantine\n")
    assert text.count("198.51.100.1 ") == 1


def test_a_fleet_without_ips_says_so() -> None:
    assert status_words([]) == "0 IPs of 0 tenants: none needs a look"


POLICY = load_policy()


@pytest.mark.parametrize(
    ("ip", "on"),
    [
        ({"phase": 1}, date(2027, 1, 9)),
        ({"phase": 1, "sent_days_in_phase": 3}, date(2027, 1, 6)),
        ({"phase": 6}, date(2026, 12, 5)),
        ({"phase": 1, "daily_target": 100}, date(2026, 12, 12)),
        ({"state": "active"}, None),
        ({"state": "standby"}, None),
        ({"pause": SOON}, None),
        ({"braked": True}, None),
        ({"schedule": "gone"}, None),
    ],
)
def test_before_any_decision_the_schedule_says_when_an_ip_graduates(ip: dict, on: date | None) -> None:
    assert by_schedule(record(1, **{"state": "warming"} | ip), POLICY, date(2026, 11, 28)) == on


def test_an_ip_that_a_provider_refuses_is_named_with_the_provider() -> None:
    fleet = (
        standing(1, suspended=("microsoft", "yahoo")),
        standing(2, blacklisted_on=("zen.spamhaus.org",), suspended=("yahoo",)),
    )
    words = status_words(fleet)
    assert words.startswith("2 IPs of 1 tenant: 1 listed, 1 suspended at a provider\n")
    assert "      it is on zen.spamhaus.org; its queues to yahoo stand still\n" in words
    assert "      its queues to microsoft, yahoo stand still\n" in words
    assert fleet[0].as_json()["suspended"] == ["microsoft", "yahoo"]
