"""The judgement of a host: every check, and that what was not seen is never good."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from email_engine.health.host_facts import (
    Check,
    Disk,
    Expected,
    Facts,
    HealthFinding,
    Level,
    NewestFile,
    PmtaStatus,
    Queues,
)
from email_engine.health.judge import judge, memory, seen_row
from email_engine.health.policy import shipped_health_policy
from email_engine.health.queue_ages import QueueGroup

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
POLICY = shipped_health_policy()
EXPECTED = Expected("5.0", "d" * 64, under_way=False, allowance=10_000, unknown_sources=3)
WELL = Facts(
    status=PmtaStatus("5.0r5", "2026-11-01 00:00:00", 100, False, timedelta(days=9)),
    clock_offset=timedelta(seconds=1),
    disks=(Disk("/var/log/pmta", 60.0, 10**11),),
    queues=Queues(500, 400, 0),
    groups=(),
    file="d" * 64,
    newest=NewestFile("acct-1.csv", NOON - timedelta(minutes=3)),
    loose=(),
    by_hand=(),
)


def waits(minutes: int, paused: int = 0) -> QueueGroup:
    since = NOON - timedelta(minutes=minutes)
    return QueueGroup("aurora-1", "gmail", 1, 250, paused, 0, (), since, NOON)


def look(
    check: Check, facts: Facts = WELL, expected: Expected = EXPECTED, before: Any = None
) -> HealthFinding:
    (found,) = [f for f in judge(facts, expected, before or {}, POLICY, NOON) if f.check is check]
    return found


def test_a_host_that_is_well_is_good_in_every_check() -> None:
    findings = judge(WELL, EXPECTED, {}, POLICY, NOON)
    assert [f.check for f in findings] == list(Check)
    assert {f.level for f in findings} == {Level.GOOD}


def test_of_a_host_that_is_away_nothing_else_is_known() -> None:
    findings = judge(Facts(host_trouble="the connection was refused"), EXPECTED, {}, POLICY, NOON)
    assert findings[0] == HealthFinding(
        Check.REACHABLE, Level.CRITICAL, "it does not let us in: the connection was refused", "away"
    )
    assert {f.level for f in findings[1:]} == {Level.UNKNOWN}
    assert {f.check for f in findings} == set(Check)


def test_what_was_not_seen_is_unknown() -> None:
    levels = {f.check: f.level for f in judge(Facts(), EXPECTED, {}, POLICY, NOON)}
    good = {check for check, level in levels.items() if level is Level.GOOD}
    assert good == {Check.REACHABLE, Check.POWERMTA, Check.SENDERS}


CASES: list[tuple[str, dict[str, Any], Check, Level, str]] = [
    ("PowerMTA is down", {"powermta_trouble": "cannot connect to pmtad"}, Check.POWERMTA, Level.CRITICAL, "cannot connect"),
    ("it ends", {"status": PmtaStatus("5.0r5", "x", 1, True)}, Check.POWERMTA, Level.WARNING, "shutting down"),
    ("another release", {"status": PmtaStatus("5.5r1", "x", 1)}, Check.VERSION, Level.WARNING, "5.5r1 runs, fleet.yaml says 5.0"),
    ("a clock behind", {"clock_offset": timedelta(seconds=-90)}, Check.CLOCK, Level.WARNING, "90 s behind"),
    ("a clock far ahead", {"clock_offset": timedelta(minutes=10)}, Check.CLOCK, Level.CRITICAL, "600 s ahead"),
    ("little space", {"disks": (Disk("/a", 50.0, 1), Disk("/b", 9.0, 3 * 10**9))}, Check.DISK, Level.WARNING, "/b is 91 % used (3.0 GB free)"),
    ("just over four fifths", {"disks": (Disk("/b", 19.9, 3),)}, Check.DISK, Level.WARNING, "/b is 80 % used"),
    ("no space", {"disks": (Disk("/b", 0.4, 3),)}, Check.DISK, Level.CRITICAL, "/b is 100 % used"),
    ("no writing", {"write_trouble": "permission denied"}, Check.WRITE, Level.WARNING, "permission denied"),
    ("an edited file", {"file": "e" * 64}, Check.FILE, Level.WARNING, "somebody edited"),
    ("a missing file", {"file": ""}, Check.FILE, Level.CRITICAL, "will not start again"),
    ("old mail", {"queues": Queues(20_000, 10_001, 0)}, Check.QUEUES, Level.WARNING, "10000 a day"),
    ("paused mail", {"queues": Queues(20_000, 10_000, 0)}, Check.QUEUES, Level.GOOD, "20000 recipients waiting"),
    ("a queue that stands", {"groups": (waits(61),)}, Check.AGE, Level.WARNING, "aurora-1 to gmail (250 recipients, since 10:59 UTC or longer)"),
    ("a paused queue", {"groups": (waits(600, paused=250),)}, Check.AGE, Level.GOOD, "older than 60 min"),
    ("a queue of an hour", {"groups": (waits(60),)}, Check.AGE, Level.GOOD, "older than 60 min"),
    ("a queue since the day before", {"groups": (waits(1440),)}, Check.AGE, Level.WARNING, "since 2026-11-09 12:00 UTC"),
    ("backoff", {"queues": Queues(3000, 3000, 2000, ("a/x", "b/x"))}, Check.BACKOFF, Level.WARNING, "a/x, b/x"),
    ("a little backoff", {"queues": Queues(3000, 3000, 900, ("a/x",))}, Check.BACKOFF, Level.GOOD, "900 of 3000"),
    ("put back", {"put_back": ("v1",)}, Check.HOLDS, Level.WARNING, "held again"),
    ("not held", {"loose": ("v1",)}, Check.HOLDS, Level.CRITICAL, "v1"),
    ("by hand", {"by_hand": ("v1 (queues paused)",)}, Check.BY_HAND, Level.INFO, "v1 (queues paused)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "check", "level", "told"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_each_trouble_is_one_finding(changed: dict[str, Any], check: Check, level: Level, told: str) -> None:
    facts = replace(WELL, **changed)
    found = look(check, facts)
    assert found.level is level
    assert told in found.told
    others = [f for f in judge(facts, EXPECTED, {}, POLICY, NOON) if f.check is not check]
    assert {f.level for f in others} <= {Level.GOOD}


def test_a_deployment_under_way_is_no_drift_and_an_interrupted_one_is_told() -> None:
    edited = replace(WELL, file="e" * 64)
    assert look(Check.FILE, edited, replace(EXPECTED, under_way=True)).level is Level.UNKNOWN
    assert look(Check.FILE, edited, replace(EXPECTED, interrupted=True)).state == "interrupted"
    assert look(Check.FILE, edited, replace(EXPECTED, digest=None)).level is Level.GOOD


def test_another_edit_is_other_news() -> None:
    states = {look(Check.FILE, replace(WELL, file=letter * 64)).state for letter in "ef"}
    assert len(states) == 2


def walk(*looks: tuple[int, str, int, str]) -> HealthFinding:
    """Looks as (minutes, newest file, sent, started); gives the accounting finding of the last."""
    before: dict[str, Any] = {}
    for minutes, newest, sent, started in looks:
        at = NOON + timedelta(minutes=minutes)
        facts = replace(WELL, newest=NewestFile(newest), status=PmtaStatus("5.0r5", started, sent))
        (found,) = [f for f in judge(facts, EXPECTED, before, POLICY, at) if f.check is Check.ACCOUNTING]
        before = memory(facts, before, at)
    return found


SILENCE: list[tuple[str, list[tuple[int, str, int, str]], Level]] = [
    ("files come", [(0, "a", 1, "s"), (15, "b", 9, "s"), (30, "c", 20, "s"), (45, "d", 30, "s")], Level.GOOD),
    ("no mail", [(0, "a", 1, "s"), (15, "a", 1, "s"), (600, "a", 1, "s")], Level.GOOD),
    ("just began", [(0, "a", 1, "s"), (15, "a", 5, "s")], Level.GOOD),
    ("mail and no file", [(0, "a", 1, "s"), (15, "a", 5, "s"), (45, "a", 9, "s")], Level.WARNING),
    ("one mail, file never closed", [(0, "a", 1, "s"), (15, "a", 5, "s"), (45, "a", 5, "s")], Level.WARNING),
    ("never a file", [(0, "", 0, "s"), (15, "", 5, "s"), (45, "", 9, "s")], Level.WARNING),
    ("a restart counts anew", [(0, "a", 50, "s"), (15, "a", 2, "t"), (45, "a", 2, "t")], Level.GOOD),
    ("a file ends it", [(0, "a", 1, "s"), (15, "a", 5, "s"), (45, "b", 9, "s")], Level.GOOD),
]  # fmt: skip


@pytest.mark.parametrize(("looks", "level"), [c[1:] for c in SILENCE], ids=[c[0] for c in SILENCE])
def test_accounting_that_stops_while_mail_leaves_is_seen(
    looks: list[tuple[int, str, int, str]], level: Level
) -> None:
    assert walk(*looks).level is level


def test_a_look_at_a_host_that_is_away_forgets_nothing() -> None:
    known = memory(WELL, {}, NOON)
    assert memory(Facts(host_trouble="away"), known, NOON + timedelta(hours=1)) == known


def test_a_look_is_one_row() -> None:
    facts = replace(WELL, groups=(waits(90), waits(600, paused=250)))
    expected = replace(EXPECTED, deployed_at=NOON - timedelta(days=2))
    row = seen_row(facts, expected, judge(facts, expected, {}, POLICY, NOON), NOON)
    assert (row["worst"], row["reachable"], row["version"]) == ("warning", True, "5.0r5")
    assert row["started_at"] == NOON - timedelta(days=9)
    assert row["reloaded_at"] == NOON - timedelta(days=2)
    assert (row["disk_path"], row["disk_used_rate"]) == ("/var/log/pmta", 0.4)
    assert (row["clock_offset_seconds"], row["recipients"], row["running"], row["backoff"]) == (
        1.0,
        500,
        400,
        0,
    )
    assert (row["accounting_file"], row["accounting_file_at"]) == ("acct-1.csv", NOON - timedelta(minutes=3))
    assert row["oldest_since"] == NOON - timedelta(minutes=90)
    assert row["checks"]["age"] == "warning"


def test_what_was_not_seen_is_no_number_in_its_row() -> None:
    facts = Facts(host_trouble="away")
    row = seen_row(facts, EXPECTED, judge(facts, EXPECTED, {}, POLICY, NOON), NOON)
    told = ("worst", "reachable", "deployed_digest", "checks")
    assert [row[name] for name in told[:3]] == ["critical", False, "d" * 64]
    assert {value for name, value in row.items() if name not in told} == {None}


def test_a_restart_loads_the_configuration_too() -> None:
    expected = replace(EXPECTED, deployed_at=NOON - timedelta(days=20))
    assert "loaded 2026-11-01 12:00 UTC" in look(Check.FILE, WELL, expected).told


@pytest.mark.parametrize(
    ("unknown_sources", "level"), [(None, Level.UNKNOWN), (10, Level.GOOD), (11, Level.WARNING)], ids=str
)
def test_accounting_of_senders_that_nobody_knows_is_told(unknown_sources: int | None, level: Level) -> None:
    found = look(Check.SENDERS, WELL, replace(EXPECTED, unknown_sources=unknown_sources))
    assert (found.level, found.state) == (level, "strangers" if level is Level.WARNING else "")
