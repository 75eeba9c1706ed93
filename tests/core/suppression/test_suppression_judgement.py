"""What suppresses at once, what is counted in a row, and when a provider is not believed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from email_engine.suppression.judgement import Judgement, State, Waiting, judge
from email_engine.suppression.outage import (
    Belief,
    Outage,
    ProviderHour,
    SenderMail,
    believe,
    find_outages,
    takes_others_mail,
    tell_apart,
)  # fmt: skip
from email_engine.suppression.policy import OutagePolicy, SuppressionPolicy
from email_engine.suppression.reasons import Reason
from email_engine.suppression.soft_row import SoftBounce, count_row
from email_engine.suppression.telling import TEXTS, Subscriber, Tally, result_of

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLICY = SuppressionPolicy()
OUTAGE = OutagePolicy()


def hours(*counted: tuple[int, int], provider: str = "gmail") -> list[ProviderHour]:
    """Unknown and settled recipients of one hour after the other, from 12:00 on."""
    return [ProviderHour(provider, NOON + n * HOUR, *pair) for n, pair in enumerate(counted)]


def soft(row_id: int, at: datetime = NOON, message: str = "", recipient: str | None = "r") -> Waiting:
    return Waiting(row_id, Reason.SOFT, State.NEW, "gmail", at, recipient, message or f"m{row_id}")


def hard(row_id: int, at: datetime = NOON, state: State = State.NEW, recipient: str | None = "r") -> Waiting:
    return Waiting(row_id, Reason.HARD, state, "gmail", at, recipient, f"m{row_id}")


def states(found: Sequence[Judgement]) -> dict[int, State]:
    return {one.row_id: one.state for one in found}


def test_hard_bounces_and_complaints_suppress_at_once() -> None:
    complaint = Waiting(2, Reason.COMPLAINT, State.NEW, "yahoo", NOON, None, "")
    assert states(judge([hard(1), complaint], {}, {}, POLICY, NOON)) == {1: State.OPEN, 2: State.OPEN}


def test_soft_bounces_suppress_with_the_last_of_three() -> None:
    rows = [soft(1), soft(2, NOON + DAY), soft(3, NOON + 2 * DAY)]
    assert states(judge(rows[:2], {}, {}, POLICY, NOON + DAY)) == {1: State.SOFT, 2: State.SOFT}
    assert states(judge(rows, {}, {}, POLICY, NOON + 2 * DAY)) == {
        1: State.SPENT,
        2: State.SPENT,
        3: State.OPEN,
    }


def test_soft_bounces_of_two_recipients_are_no_row() -> None:
    rows = [soft(1, recipient="a"), soft(2, recipient="b"), soft(3, recipient="a")]
    assert set(states(judge(rows, {}, {}, POLICY, NOON)).values()) == {State.SOFT}


def test_soft_bounces_of_a_recipient_that_nobody_can_tell_are_never_counted() -> None:
    rows = [soft(n, recipient=None) for n in range(5)]
    assert set(states(judge(rows, {}, {}, POLICY, NOON)).values()) == {State.EXPIRED}


def test_what_does_not_change_is_not_written_again() -> None:
    row = Waiting(1, Reason.SOFT, State.SOFT, "gmail", NOON, "r", "m1")
    assert judge([row], {}, {}, POLICY, NOON) == ()


@pytest.mark.parametrize(
    ("bounces", "completed_by", "counted", "stale"),
    [
        ([(1, 0, "a"), (2, 1, "b"), (3, 2, "c")], 3, 3, ()),
        ([(1, 0, "a"), (2, 1, "a"), (3, 2, "a")], None, 1, ()),
        ([(1, 0, ""), (2, 1, ""), (3, 2, "")], 3, 3, ()),
        ([(3, 2, "c"), (1, 0, "a"), (2, 1, "b")], 3, 3, ()),
        ([(1, -100, "a"), (2, 1, "b"), (3, 2, "c")], None, 2, (1,)),
        ([], None, 0, ()),
    ],
    ids=["three", "one message", "no message ids", "out of order", "too old", "none"],
)
def test_a_row_counts_messages(
    bounces: list[tuple[int, int, str]], completed_by: int | None, counted: int, stale: tuple[int, ...]
) -> None:
    given = [SoftBounce(row_id, NOON + day * DAY, message) for row_id, day, message in bounces]
    found = count_row(given, 3, NOON + 3 * DAY, timedelta(days=90))
    assert (found.completed_by, found.counted, found.stale) == (completed_by, counted, stale)


@pytest.mark.parametrize(
    ("counted", "spans"),
    [
        ([(1, 100), (60, 100), (70, 100), (1, 100)], [(1, 3)]),
        ([(19, 20)], []),
        ([(49, 100)], []),
        ([(50, 100)], [(0, 1)]),
        ([(12, 14), (12, 14)], [(0, 2)]),
        ([(80, 100), (0, 10_000)], [(0, 1)]),
        ([(0, 0), (0, 0)], []),
    ],
    ids=["its hours alone", "too few", "below half", "half", "slowly", "well again", "no mail"],
)
def test_an_outage_has_the_hours_in_which_half_of_the_users_are_unknown(
    counted: list[tuple[int, int]], spans: list[tuple[int, int]]
) -> None:
    found = find_outages(hours(*counted), OUTAGE, NOON + 4 * HOUR)
    assert [(o.start, o.end) for o in found.get("gmail", ())] == [
        (NOON + start * HOUR, NOON + end * HOUR) for start, end in spans
    ]


def test_an_outage_is_over_when_a_whole_window_passed_without_it() -> None:
    rows = hours((60, 100))
    [standing], [over] = (find_outages(rows, OUTAGE, NOON + n * HOUR)["gmail"] for n in (6, 7))
    assert (standing.over, over.over) == (False, True)


def test_providers_are_told_apart() -> None:
    rows = [*hours((60, 100)), *hours((5, 100), provider="yahoo")]
    assert set(find_outages(rows, OUTAGE, NOON)) == {"gmail"}


def test_domains_of_no_provider_have_no_outage_together() -> None:
    """Twenty dead addresses at small domains are twenty dead addresses."""
    rows = [*hours((60, 100)), *hours((22, 40), (90, 90), provider="other")]
    assert set(find_outages(rows, OUTAGE, NOON)) == {"gmail"}


def ip(tenant: str, unknown: int, settled: int, stream: str = "news", number: int = 1) -> SenderMail:
    return SenderMail(tenant, stream, f"{tenant}/{stream}/{number}", unknown, settled)


@pytest.mark.parametrize(
    ("mail", "disproved"),
    [
        ([ip("a", 3_000, 5_000), ip("b", 10, 1_000)], True),
        ([ip("a", 3_000, 5_000), ip("b", 0, 20)], True),
        ([ip("a", 3_000, 5_000), ip("b", 0, 19)], False),
        ([ip("a", 3_000, 5_000)], False),
        ([ip("a", 3_000, 5_000), ip("b", 60, 1_000)], False),
        ([ip("a", 1_500, 2_500), ip("a", 1_500, 2_500, number=2), ip("b", 10, 1_000)], True),
        ([ip("a", 3_000, 5_000), ip("a", 10, 1_000, "receipts")], True),
        ([ip("a", 3_000, 5_000), ip("a", 10, 1_000, number=2)], True),
        ([ip("a", 3_000, 5_000), ip("b", 600, 1_000), ip("c", 3, 100)], True),
        ([ip("a", 3_000, 5_000), ip("b", 600, 1_000), ip("c", 60, 100)], False),
        ([ip(f"t{n}", 2, 3) for n in range(80)] + [ip(f"u{n}", 0, 3) for n in range(20)], False),
        ([ip("a", 60, 100), *[ip("b", 55, 100, number=n) for n in range(9)]], False),
    ],
    ids=[
        "another tenant", "enough of another's mail", "too little of it", "nobody else", "more than usual there", "a list on two IPs",
        "another stream", "another IP", "two bad lists at once", "everybody else too", "few messages a sender", "everybody",
    ],
)  # fmt: skip
def test_a_provider_that_takes_the_others_mail_has_no_outage(mail: list[SenderMail], disproved: bool) -> None:
    assert takes_others_mail(mail, OUTAGE, 0.05) is disproved
    outages = find_outages(hours((60, 100)), OUTAGE, NOON)
    found = tell_apart(outages, lambda outage: mail, OUTAGE, 0.05)
    assert (bool(found.outages), bool(found.disproved)) == (not disproved, disproved)


def test_only_hours_with_false_answers_are_compared() -> None:
    """What the provider took between two bursts of an outage says nothing about them."""
    (outage,) = find_outages(hours((60, 100), (0, 5_000), (60, 100)), OUTAGE, NOON)["gmail"]
    assert outage.hours == (NOON, NOON + 2 * HOUR)


@pytest.mark.parametrize(
    ("length", "over", "excused", "belief"),
    [
        (2, False, None, Belief.HELD),
        (2, True, None, Belief.EXCUSED),
        (49, False, None, Belief.BELIEVED),
        (2, False, -DAY, Belief.BELIEVED),
        (2, True, -HOUR, Belief.EXCUSED),
    ],
    ids=["stands", "over", "a recipient list", "excused before", "excused in the same outage"],
)
def test_a_hard_bounce_within_an_outage(
    length: int, over: bool, excused: timedelta | None, belief: Belief
) -> None:
    outage = Outage("gmail", NOON, NOON + length * HOUR, over)
    at = NOON + HOUR
    assert believe(at, [outage], OUTAGE, None if excused is None else at + excused) is belief
    assert believe(NOON - HOUR, [outage], OUTAGE, None) is Belief.BELIEVED


def test_held_bounces_follow_their_outage() -> None:
    held = [hard(1, state=State.HELD)]
    standing, over = (Outage("gmail", NOON, NOON + HOUR, each) for each in (False, True))
    assert judge(held, {"gmail": [standing]}, {}, POLICY, NOON) == ()
    assert states(judge(held, {"gmail": [over]}, {}, POLICY, NOON)) == {1: State.EXCUSED}
    assert states(judge(held, {}, {}, POLICY, NOON)) == {1: State.OPEN}


@pytest.mark.parametrize(
    ("before", "after", "told", "state"),
    [
        ((), (), False, State.NOT_OURS),
        (("blacklisted",), ("blacklisted",), False, State.ALREADY),
        (("unsubscribed",), ("unsubscribed",), True, State.STORED),
        (("confirmed",), ("blacklisted",), True, State.STORED),
        (("confirmed",), ("confirmed",), True, State.FINDING),
        (("confirmed", "confirmed"), ("blacklisted", "confirmed"), True, State.FINDING),
        (("confirmed",), (), True, State.STORED),
        (("confirmed",), ("unconfirmed",), True, State.FINDING),
    ],
    ids=["unknown", "out before", "told by a killed run", "told", "not taken", "another list", "deleted", "may confirm"],
)  # fmt: skip
def test_what_was_read_back_is_what_counts(
    before: tuple[str, ...], after: tuple[str, ...], told: bool, state: State
) -> None:
    was, now = ([Subscriber(f"l{n}", "s", each) for n, each in enumerate(given)] for given in (before, after))
    assert result_of(was, now, told=told) is state


def test_posted_is_the_sum_of_what_was_counted() -> None:
    assert Tally(stored=3, already=2, not_ours=1, findings=4).posted == 10


def test_no_text_of_ours_has_a_word_by_which_mailwizz_types_a_bounce_anew() -> None:
    for text in TEXTS.values():
        assert not any(
            word in text.lower() for word in ("spam", "block", "dnsbl", "rbl", "blacklist", "unsolicited")
        )
