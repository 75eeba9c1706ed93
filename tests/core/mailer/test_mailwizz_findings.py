"""One look at a MailWizz, judged: unknown is not good, and what one cause hides is not called well."""

from dataclasses import replace
from datetime import timedelta

import pytest

from email_engine.mailer.health import CommandRuns, CronsSeen, MailwizzFacts, MailwizzFinding, judge_mailwizz
from email_engine.mailer.health_policy import NOT_STARTED, SEND, MailwizzHealthPolicy
from email_engine.mailer.policy import parse_quota_policy, shipped_quota_policy
from email_engine.mailer.silent_campaigns import CampaignsSeen, Recipients, SilentCause
from email_engine.mailer.unreadable import Unreadable
from tests.core.mailer.test_silent_campaigns import DUE, NIGHT, NOW, WELL, server

POLICY = MailwizzHealthPolicy()
MINUTE = timedelta(minutes=1)
RUNS = {name: CommandRuns(NOW - MINUTE) for name in NOT_STARTED}
FRESH = replace(DUE, newest=NOW - MINUTE)
FINE = MailwizzFacts(
    NOW, timedelta(seconds=2), timedelta(milliseconds=3), CronsSeen(RUNS), replace(WELL, due=(FRESH,))
)


def judged(facts: MailwizzFacts) -> dict[str, MailwizzFinding]:
    return {found.check: found for found in judge_mailwizz(facts, POLICY)}


def levels(facts: MailwizzFacts) -> dict[str, str]:
    return {name: found.level.value for name, found in judged(facts).items()}


def with_run(command: str, age: timedelta, *, unfinished: bool = False) -> MailwizzFacts:
    return replace(FINE, crons=CronsSeen(RUNS | {command: CommandRuns(NOW - age, unfinished)}))


def test_a_mailwizz_that_is_well_is_good_all_over() -> None:
    assert set(levels(FINE).values()) == {"good"}
    assert not any(found.title for found in judged(FINE).values())


@pytest.mark.parametrize(
    ("command", "age", "unfinished", "level"),
    [
        (SEND, 9 * MINUTE, False, "good"),
        (SEND, 11 * MINUTE, False, "critical"),
        (SEND, 11 * MINUTE, True, "critical"),
        ("hourly", 119 * MINUTE, False, "good"),
        ("hourly", 121 * MINUTE, False, "warning"),
        ("daily", timedelta(hours=25), False, "good"),
        ("daily", timedelta(hours=3), True, "warning"),
        ("daily", timedelta(hours=1), True, "good"),
        ("daily", timedelta(hours=27), False, "warning"),
        ("bounce-handler", 61 * MINUTE, False, "warning"),
        ("feedback-loop-handler", 61 * MINUTE, False, "warning"),
        (SEND, -5 * MINUTE, False, "unknown"),
    ],
)
def test_each_command_has_its_own_limit(command: str, age: timedelta, unfinished: bool, level: str) -> None:
    found = judged(with_run(command, age, unfinished=unfinished))[f"cron {command}"]
    assert found.level == level
    assert bool(found.title) is (level in ("warning", "critical"))


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (None, ["unknown", "unknown", "unknown"]),
        (timedelta(minutes=5), ["unknown", "unknown", "unknown"]),
        (timedelta(hours=3), ["critical", "warning", "unknown"]),
        (timedelta(days=3), ["critical", "warning", "warning"]),
    ],
    ids=["nothing is noted", "a new installation", "since three hours", "since three days"],
)
def test_a_command_that_never_ran(since: timedelta | None, expected: list[str]) -> None:
    found = levels(replace(FINE, crons=CronsSeen({}, None if since is None else NOW - since)))
    assert [found[f"cron {name}"] for name in (SEND, "hourly", "daily")] == expected
    assert (found["cron bounce-handler"], found["cron feedback-loop-handler"]) == ("not-asked", "not-asked")


@pytest.mark.parametrize(
    ("change", "check", "level"),
    [
        ({"offset": timedelta(minutes=6)}, "clock", "warning"),
        ({"offset": timedelta(minutes=-6)}, "clock", "warning"),
        ({"offset": timedelta(minutes=-5)}, "clock", "good"),
        ({"latency": timedelta(seconds=2)}, "latency", "warning"),
    ],
    ids=["ahead", "behind", "just within", "slow"],
)
def test_clock_and_latency(change: dict[str, timedelta], check: str, level: str) -> None:
    assert levels(replace(FINE, **change))[check] == level  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unreadable", "level"), [(Unreadable("hidden", "grant it"), "unknown"), (Unreadable("no table", absent=True), "not-asked")],
    ids=["hidden", "absent"],
)  # fmt: skip
def test_what_cannot_be_read_is_no_incident_and_not_good(unreadable: Unreadable, level: str) -> None:
    found = judged(replace(FINE, crons=unreadable, campaigns=unreadable))
    asked = [f for name, f in found.items() if name.startswith(("cron", "campaigns", "queue"))]
    assert len(asked) == len(NOT_STARTED) + len(SilentCause) + 1
    assert {(f.level.value, f.title, f.told) for f in asked} == {(level, "", unreadable.told)}
    assert (found["clock"].level.value, found["latency"].level.value) == ("good", "good")


def test_silent_campaigns_are_one_finding_a_cause() -> None:
    two = replace(
        WELL,
        due=(DUE, replace(DUE, campaign=replace(DUE.campaign, campaign_id=8))),
        servers=(server(status="disabled"),),
    )
    found = judged(replace(FINE, campaigns=two))["campaigns servers"]
    assert found.level == "warning"
    assert found.title == "2 campaigns send nothing: no delivery server that they may use runs"
    assert found.details == ("campaign 7: server 101 is disabled", "campaign 8: server 101 is disabled")


def test_many_silent_campaigns_are_cut() -> None:
    due = tuple(replace(DUE, campaign=replace(DUE.campaign, campaign_id=number)) for number in range(1, 41))
    found = judged(replace(FINE, campaigns=replace(WELL, due=due)))["campaigns not-known"]
    assert found.details[-1] == "and 35 more"


@pytest.mark.parametrize("mask", ["the cron stands still", "hours"])
def test_what_ends_by_itself_is_no_incident_and_hides_the_others(mask: str) -> None:
    facts = (
        replace(with_run(SEND, timedelta(hours=1)), campaigns=WELL)
        if mask == "the cron stands still"
        else replace(FINE, campaigns=replace(WELL, due=(NIGHT,)))
    )
    found = judged(facts)
    mine = "campaigns cron" if mask == "the cron stands still" else "campaigns out-of-hours"
    assert (found[mine].level, found[mine].title) == ("info", "")
    others = {f"campaigns {c}" for c in SilentCause} - {"campaigns cron", "campaigns out-of-hours"}
    assert {found[name].level.value for name in others} == {"unknown"}


def test_quotas_that_are_used_up_are_told_quietly() -> None:
    used = replace(WELL, usage={101: replace(WELL.usage[101], day=1000)})  # type: ignore[index]
    found = judged(replace(FINE, campaigns=used))["campaigns server-quotas"]
    assert (found.level, bool(found.title)) == ("info", True)


def test_a_doubt_leaves_the_other_causes_unknown() -> None:
    hidden = Unreadable("usage cannot be read")
    found = judged(replace(FINE, campaigns=replace(WELL, usage=hidden)))
    assert found["campaigns not-known"].level == "warning"
    assert found["campaigns server-quotas"].level == "unknown"
    assert "usage cannot be read" in found["campaigns server-quotas"].told


def test_the_queue_says_what_is_counted() -> None:
    seen: CampaignsSeen = replace(WELL, due=(FRESH,), waiting=1_200, uncounted=2)
    told = judged(replace(FINE, campaigns=seen))["queue"].told
    assert told == "1 campaign due, about 1,200 messages still to hand over; 2 campaigns not counted"
    assert (
        judged(replace(FINE, campaigns=replace(seen, waiting=None, uncounted=0)))["queue"].told
        == "1 campaign due"
    )


def test_nobody_left_names_the_list() -> None:
    nobody = replace(WELL, due=(replace(DUE, recipients=Recipients(0, 0)),))
    assert judged(replace(FINE, campaigns=nobody))["campaigns recipients"].level == "warning"


def test_the_limits_that_ship_are_the_defaults() -> None:
    assert shipped_quota_policy().health == POLICY
    assert parse_quota_policy("quotas: {}").health == POLICY


def test_limits_of_one_s_own() -> None:
    text = "quotas: {}\nhealth:\n  not_started_minutes: {daily: 3000}\n  silent_minutes: 60\n  latency_ms: 50"
    found = parse_quota_policy(text).health
    assert found.not_started == dict(NOT_STARTED) | {"daily": timedelta(minutes=3000)}
    assert (found.silent, found.latency) == (timedelta(hours=1), timedelta(milliseconds=50))
