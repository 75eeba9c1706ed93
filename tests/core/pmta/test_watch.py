"""The watch after a deployment: a table of what was seen and what follows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.config.watch import Sample, WatchPolicy, WatchVerdict, judge_watch, read_sample

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
POLICY = WatchPolicy(
    minutes=10, sample_seconds=60, queue_factor_percent=200, queue_minimum=1000, backoff_queues=3, deferral_percent=40
)  # fmt: skip
BEFORE = Sample(NOON, 2000, 200, frozenset({"old/a-1"}), 50_000, 6000)


def later(minutes: int = 5, **changes: Any) -> Sample:
    """A host that sends as before."""
    return replace(BEFORE, at=NOON + timedelta(minutes=minutes), sent=50_000 + 100 * minutes, **changes)


QUEUES = frozenset({"old/a-1", "b/a-1", "c/a-1", "d/a-1"})


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        (later(), None),
        (later(recipients=4000), None),
        (later(recipients=4001), "4001 recipients are queued .2000 before, limit 4000. and 6000 an hour leave"),
        (replace(later(recipients=90_000), sent=50_600), None),
        (replace(later(recipients=9000), sent=None), "unknown leave"),
        (replace(later(recipients=9000), sent=3), "unknown leave"),
        (later(backoff=frozenset({"old/a-1", "b/a-1", "c/a-1"})), None),
        (later(backoff=QUEUES), "3 queues newly in backoff mode .limit 3.: b/a-1, c/a-1, d/a-1"),
        (later(waiting=1000), None),
        (later(waiting=1020), "51 % of the queued recipients wait for another attempt .10 % before"),
        (later(recipients=900, waiting=900), None),
        (later(recipients=0, waiting=0), None),
    ],
    ids=[
        "as before", "at the limit", "grows and less leaves", "grows and more leaves", "grows and nobody knows",
        "grows and PowerMTA restarted", "two in backoff", "three in backoff", "deferrals at the limit", "deferrals",
        "too few to tell", "nothing queued",
    ],
)  # fmt: skip
def test_the_last_sample_decides_at_the_end(sample: Sample, says: str | None) -> None:
    import re

    judged = judge_watch(BEFORE, [sample], POLICY, over=True)
    assert judged.verdict is (WatchVerdict.WORSE if says else WatchVerdict.WELL)
    assert bool(judged.reasons) is bool(says)
    if says:
        assert re.search(says, judged.reasons[0])


BAD = later(waiting=2000)
GOOD = later()


@pytest.mark.parametrize(
    ("samples", "over", "verdict"),
    [
        ([], False, WatchVerdict.GO_ON),
        ([GOOD], False, WatchVerdict.GO_ON),
        ([BAD], False, WatchVerdict.GO_ON),
        ([BAD, GOOD], False, WatchVerdict.GO_ON),
        ([GOOD, BAD, BAD], False, WatchVerdict.WORSE),
        ([BAD, None], False, WatchVerdict.GO_ON),
        ([None, None, None], False, WatchVerdict.GO_ON),
        ([BAD, None, GOOD], True, WatchVerdict.WELL),
        ([GOOD, GOOD, None], True, WatchVerdict.WORSE),
        ([], True, WatchVerdict.WORSE),
    ],
    ids=[
        "just begun", "well so far", "once bad", "better again", "twice bad", "bad and unread", "away",
        "back at the end", "away at the end", "never read",
    ],
)  # fmt: skip
def test_two_bad_samples_are_enough_and_unknown_is_never_good(
    samples: list[Sample | None], over: bool, verdict: WatchVerdict
) -> None:
    assert judge_watch(BEFORE, samples, POLICY, over=over).verdict is verdict


def test_without_a_baseline_nothing_is_well() -> None:
    assert judge_watch(None, [GOOD], POLICY, over=True).verdict is WatchVerdict.WORSE


def test_a_quiet_host_that_gets_mail_and_sends_it_is_well() -> None:
    quiet = Sample(NOON, 0, 0, frozenset(), 0, 0)
    sending = Sample(NOON + timedelta(minutes=5), 5000, 0, frozenset(), 700, 700)
    assert judge_watch(quiet, [sending], POLICY, over=True).verdict is WatchVerdict.WELL
    assert judge_watch(quiet, [replace(sending, sent=0)], POLICY, over=True).verdict is WatchVerdict.WORSE


def test_a_sample_comes_back_from_the_database_as_it_was() -> None:
    assert read_sample(BEFORE.document()) == BEFORE


def test_the_shipped_window_is_ten_minutes() -> None:
    watch = deploy_policy().watch
    assert (watch.minutes, watch.sample_seconds) == (10, 60)
