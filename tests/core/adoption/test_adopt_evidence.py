"""State, phase and date of an IP, by what it really sent."""

from datetime import date, timedelta

import pytest

from email_engine.adoption.draft import Blank, Number
from email_engine.adoption.evidence import IpEvidence, opening_state, propose_state, rounded_down
from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import DayCounts, Days
from email_engine.warmup.policy_file import load_policy

POLICY = load_policy()
SIX_WEEK = POLICY.schedules["six_week"]
FIRST = date(2026, 10, 31)
LAST = FIRST + timedelta(days=29)
NO_CAP = Blank("no cap")


def sent(*volumes: int, first: date = FIRST) -> IpEvidence:
    """A day each; 30 days, the last volume again and again."""
    days = [
        DayCounts(first + timedelta(days=n), delivered=volumes[min(n, len(volumes) - 1)]) for n in range(30)
    ]
    return IpEvidence(Days.of(day for day in days if day.sent), first, first + timedelta(days=29))


CASES: dict[str, tuple[IpEvidence, Number, tuple[str, int, Number]]] = {
    "near its cap every day": (sent(9_500), 10_000, ("active", 1, 10_000)),
    "far below its cap": (sent(2_431), 50_000, ("active", 1, 2_430)),
    "large and without a cap": (sent(24_317), NO_CAP, ("active", 1, 24_300)),
    "a small cap that the schedule passes early": (sent(480), 500, ("active", 1, 500)),
    "the sixth phase is half done": (sent(*[1000] * 26, 2000), 10_000, ("warming", 6, 10_000)),
    "the fourth phase lately": (sent(*[50] * 7, *[100] * 7, *[250] * 7, 500), 10_000, ("warming", 4, 10_000)),
    "almost the first phase": (sent(20), 10_000, ("warming", 1, 10_000)),
    "came to its target by phase 5, which is the last then": (sent(*[0] * 26, 900), 900, ("warming", 5, 900)),
    "nothing at all": (sent(0), 10_000, ("standby", 1, 10_000)),
    "once a week, so seven days never": (sent(*([0] * 6 + [20_000]) * 5), 25_000, ("warming", 4, 25_000)),
    "two days only": (sent(*[0] * 20, 9_000, 9_000, 0), 10_000, ("warming", 1, 10_000)),
    "warm once, and silent for two weeks": (sent(*[2_400] * 16, 0), 2_500, ("warming", 4, 2_500)),
    "half of it lately is still warm": (sent(*[9_500] * 23, 4_800), 10_000, ("active", 1, 10_000)),
    "a third of it lately is not": (sent(*[9_500] * 23, 3_000), 10_000, ("warming", 6, 10_000)),
    "a weekend off each week": (sent(*[9_500, 9_500, 9_500, 9_500, 9_500, 0, 0] * 5), 10_000, ("active", 1, 10_000)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_state_is_what_was_proven(case: str) -> None:
    evidence, target, wanted = CASES[case]
    found = propose_state(evidence, POLICY, SIX_WEEK, target)
    assert (found.state, found.phase, found.target) == wanted
    assert found.remarks["state"]
    assert "phase" in found.remarks or found.state is not IpState.WARMING


def test_an_ip_of_which_nothing_is_known_stays_a_blank() -> None:
    found = propose_state(None, POLICY, SIX_WEEK, 10_000)
    assert isinstance(found.state, Blank)
    assert "accounting of these days is not known" in found.state.hint


def test_the_date_is_the_first_day_of_the_run() -> None:
    assert propose_state(sent(2_400), POLICY, SIX_WEEK, 2_500).warmed_on == FIRST
    later = propose_state(sent(*[2_400] * 5, *[0] * 8, 2_400), POLICY, SIX_WEEK, 2_500)
    assert later.warmed_on == FIRST + timedelta(days=13)
    assert "no further back" not in later.remarks["warmed_on"]
    assert "no further back" in propose_state(sent(2_400), POLICY, SIX_WEEK, 2_500).remarks["warmed_on"]


def test_days_across_a_month_and_a_year_are_days() -> None:
    over = sent(2_400, first=date(2026, 12, 15))
    found = propose_state(over, POLICY, SIX_WEEK, 2_500)
    assert (found.state, found.warmed_on) == (IpState.ACTIVE, date(2026, 12, 15))


def test_fewer_than_seven_days_of_files_prove_nothing_warm() -> None:
    evidence = IpEvidence(sent(9_500).days[:6], FIRST, FIRST + timedelta(days=5))
    found = propose_state(evidence, POLICY, SIX_WEEK, 10_000)
    assert (found.state, found.phase) == (IpState.WARMING, 6)
    assert found.remarks["state"] == "sent on 6 days of 6, fewer than 7 prove a volume"
    assert "warmed_on" in found.remarks["phase"]


def test_mailwizz_own_plan_keeps_it_warming() -> None:
    found = propose_state(sent(9_500), POLICY, SIX_WEEK, 10_000, "MailWizz's own warm-up plan still runs")
    assert (found.state, found.phase) == (IpState.WARMING, 6)
    assert "plan still runs" in found.remarks["state"]


def test_how_it_stood_on_the_first_day() -> None:
    warm = propose_state(sent(2_400), POLICY, SIX_WEEK, 2_500)
    assert opening_state(sent(2_400), warm, POLICY, SIX_WEEK) == (IpState.ACTIVE, 1, FIRST)
    ramp = sent(*[100] * 14, *[250] * 8, 500)
    assert opening_state(ramp, propose_state(ramp, POLICY, SIX_WEEK, 2_500), POLICY, SIX_WEEK)[:2] == (
        IpState.WARMING,
        2,
    )
    new = sent(*[0] * 20, 50)
    assert opening_state(new, propose_state(new, POLICY, SIX_WEEK, 2_500), POLICY, SIX_WEEK)[:2] == (
        IpState.WARMING,
        1,
    )
    assert opening_state(None, warm, POLICY, SIX_WEEK)[0] is IpState.STANDBY


@pytest.mark.parametrize(("volume", "told"), [(24_317, 24_300), (999, 999), (1_234_567, 1_230_000), (0, 1)])
def test_volumes_are_told_in_three_digits(volume: int, told: int) -> None:
    assert rounded_down(volume) == told
