"""What is an outage of a mailbox provider, what is a bad recipient list, and what is left to judge an IP by."""

from datetime import UTC, datetime, timedelta

import pytest

from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import DayCounts, Days
from email_engine.suppression.outage import FoundOutages, ProviderHour, SenderMail, find_outages
from email_engine.suppression.policy import OutagePolicy
from email_engine.warmup.guard import guard_ip
from email_engine.warmup.observation import midnight
from email_engine.warmup.outages import believed, doubtful_days, down, met, spans_of, sums_of, without_outages
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import PROVIDER_OUTAGE, Action
from email_engine.warmup.snapshot import observation_document, observation_of
from tests.core.warmup.reading import mistakes_of
from tests.core.warmup.worlds import DAY, NEXT, decide_day, observation

POLICY, OUTAGE, LIMIT = load_policy(), OutagePolicy(), 0.05
HOUR = timedelta(hours=1)


def mail(*days: tuple[int, int]) -> Days:
    """Unknown users of so many messages on the last UTC days, oldest first; no mail where there are none."""
    first = DAY - timedelta(days=len(days) - 1)
    return Days.of(
        DayCounts(first + timedelta(days=n), sent - unknown, unknown, unknown_users=unknown)
        for n, (unknown, sent) in enumerate(days)
        if sent
    )


def found_in(hours: list[ProviderHour], as_of: datetime) -> FoundOutages:
    """What these hours show where nobody else's mail disproves it."""
    return FoundOutages(find_outages(hours, OUTAGE, as_of), {})


FINE = mail(*[(20, 1_000)] * 4)


@pytest.mark.parametrize(
    ("fleet", "days"),
    [
        ({"gmail": mail((9, 500), (300, 500)), "yahoo": FINE}, {"gmail": [0]}),
        ({"gmail": mail((9, 500), (240, 500)), "yahoo": FINE}, {}),
        ({"gmail": mail((3, 4)), "yahoo": FINE}, {}),
        ({"gmail": mail((19, 19)), "yahoo": FINE}, {}),
        ({"gmail": mail((300, 500)), "yahoo": mail((60, 100)), "web": FINE}, {"gmail": [0], "yahoo": [0]}),
        ({"gmail": mail((300, 500)), "yahoo": mail((300, 500)), "web": mail((9, 30))}, {}),
        ({"gmail": mail((300, 500)), "yahoo": mail((240, 500))}, {}),
        ({"gmail": mail((300, 500))}, {}),
        ({"gmail": mail((300, 500)), "yahoo": mail((0, 12))}, {}),
        ({"other": mail((300, 500)), "yahoo": FINE}, {}),
        ({"gmail": mail((300, 500), (0, 0), (0, 0), (9, 20)), "yahoo": FINE}, {"gmail": [3, 0]}),
        ({"gmail": mail((300, 500), (1, 20), (9, 20)), "yahoo": FINE}, {"gmail": [2]}),
        ({"gmail": mail((9, 20)), "yahoo": FINE}, {}),
        ({"gmail": mail((300, 500), (9, 20)), "yahoo": mail((0, 500), (90, 500))}, {"gmail": [1]}),
    ],
    ids=[
        "half of the users", "less than half", "three of a few", "below the least number", "two at once", "a bad list everywhere",
        "a bad list just below half elsewhere", "nothing else to compare with", "too little else", "no provider at all",
        "over a silent weekend, in what tries it", "it is over once it knows its users", "a few messages alone", "no longer once the rest is bad",
    ],
)  # fmt: skip
def test_an_outage_is_told_from_a_bad_list(fleet: dict[str, Days], days: dict[str, list[int]]) -> None:
    found = spans_of(fleet, OUTAGE, LIMIT, midnight(NEXT))
    assert {name: [(DAY - span.start.date()).days for span in some] for name, some in found.items()} == days
    assert all(span.stands == (span.start.date() == DAY) for some in found.values() for span in some)


def test_an_outage_of_hours_excuses_its_hours_alone() -> None:
    noon = midnight(DAY) + 12 * HOUR
    hours = [
        ProviderHour("gmail", midnight(DAY) + n * HOUR, 40 if 10 <= n < 13 else 0, 50) for n in range(15)
    ]
    sums = {"gmail": mail((120, 750)), "yahoo": FINE}
    assert ("gmail", DAY) in doubtful_days(sums, OUTAGE)
    (span,) = spans_of(sums, OUTAGE, LIMIT, noon + 3 * HOUR, found_in(hours, noon + 3 * HOUR))["gmail"]
    assert (span.start, span.end, span.stands) == (noon - 2 * HOUR, noon + HOUR, True)
    (later,) = spans_of(sums, OUTAGE, LIMIT, noon + 7 * HOUR, found_in(hours, noon + 7 * HOUR))["gmail"]
    assert not later.stands


def test_an_outage_over_midnight_stands_on_its_last_day() -> None:
    late = datetime.combine(DAY, datetime.min.time(), UTC)
    hours = [ProviderHour("gmail", late + n * HOUR, 40, 50) for n in (-2, -1, 0, 1)]
    sums = {"gmail": mail((80, 500), (80, 100)), "yahoo": FINE}
    first, last = spans_of(sums, OUTAGE, LIMIT, late + 2 * HOUR, found_in(hours, late + 2 * HOUR))["gmail"]
    assert (first.end, last.start) == (late, late)
    assert (first.stands, last.stands) == (False, True)


@pytest.mark.parametrize(
    ("hour_counts", "days"),
    [
        ({20: (4_000, 6_000)}, [(4_900, 100_000)]),
        ({20: (20, 30)}, [(20, 1_000_000)]),
        ({23: (15, 20), 24: (15, 20)}, [(15, 1_000), (15, 1_000)]),
        ({23: (19, 20), 24: (1, 2)}, [(19, 1_000), (1, 1_000)]),
    ],
    ids=["in a large fleet", "a drop in the sea", "over midnight", "nearly all of it before midnight"],
)
def test_what_the_hours_show_no_day_hides(
    hour_counts: dict[int, tuple[int, int]], days: list[tuple[int, int]]
) -> None:
    """The judgement looks for what suppression finds in the same hours, however much mail the day has."""
    sums = {"gmail": mail(*days), "yahoo": mail(*[(20, 1_000)] * len(days))}
    first = sums["gmail"].day[0]
    hours = [ProviderHour("gmail", midnight(first) + n * HOUR, *pair) for n, pair in hour_counts.items()]
    assert ("gmail", first) in doubtful_days(sums, OUTAGE)
    spans = spans_of(sums, OUTAGE, LIMIT, midnight(NEXT), found_in(hours, midnight(NEXT)))["gmail"]
    (outage,) = find_outages(hours, OUTAGE, midnight(NEXT))["gmail"]
    assert (spans[0].start, spans[-1].end) == (outage.start, outage.end)


def sender(unknown: int, settled: int, tenant: str = "a") -> SenderMail:
    return SenderMail(tenant, "news", f"ip of {tenant}", unknown, settled)


@pytest.mark.parametrize(
    ("senders", "outage"),
    [([sender(300, 450), sender(0, 50, "b")], False), ([sender(260, 430), sender(40, 70, "b")], True)],
    ids=["it takes another's mail", "it takes nobody's"],
)
def test_a_day_without_hours_is_disproved_by_others_mail_too(senders: list[SenderMail], outage: bool) -> None:
    sums = {"gmail": mail((300, 500)), "yahoo": FINE}
    found = spans_of(sums, OUTAGE, LIMIT, midnight(NEXT), mail_on=lambda name, day: senders)
    assert bool(found) is outage


def test_a_disproved_outage_does_not_hide_a_real_one() -> None:
    """Nor does the bad list at yahoo speak against gmail's outage of the same day."""
    sums = {"gmail": mail((300, 500)), "yahoo": mail((300, 500)), "web": mail((5, 500))}
    of = {"gmail": [sender(150, 250), sender(150, 250, "b")], "yahoo": [sender(300, 450), sender(0, 50, "b")]}
    found = spans_of(sums, OUTAGE, LIMIT, midnight(NEXT), mail_on=lambda name, day: of[name])
    assert set(found) == {"gmail"}


@pytest.mark.parametrize(
    ("days", "ago"),
    [
        ([(300, 500)] * 5, [4, 3]),
        ([(300, 500), (9, 20), (9, 20), (300, 500)], [3, 2]),
        ([(300, 500), (300, 500), (0, 0), (300, 500)], [3, 2]),
        ([(300, 500), (0, 0), (300, 500), (300, 500)], [3, 1]),
        ([(300, 500)] * 3 + [(9, 500), (300, 500)], [4, 3, 0]),
    ],
    ids=["a week", "in what tries it", "silent afterwards", "silent within", "well for a day"],
)
def test_what_lasts_longer_is_no_outage(days: list[tuple[int, int]], ago: list[int]) -> None:
    found = spans_of({"gmail": mail(*days), "yahoo": mail(*[(20, 1_000)] * 5)}, OUTAGE, LIMIT, midnight(NEXT))
    assert [(DAY - span.start.date()).days for span in found["gmail"]] == ago


def test_an_outage_of_hours_ends_within_the_hour_in_which_it_lasts_too_long() -> None:
    first = midnight(DAY - timedelta(days=3)) + 10 * HOUR
    hours = [ProviderHour("gmail", first + n * HOUR, 40, 50) for n in range(80)]
    sums = {"gmail": mail((560, 700), (960, 1_200), (960, 1_200), (720, 900)), "yahoo": FINE}
    as_of = midnight(NEXT)
    spans = spans_of(sums, OUTAGE, LIMIT, as_of, found_in(hours, as_of))["gmail"]
    assert (spans[0].start, spans[-1].end, spans[-1].stands) == (first, first + 48 * HOUR, False)


def test_only_unknown_users_of_the_outage_are_left_out() -> None:
    days = Days.of([DayCounts(DAY, 40, 30, blocked=5, unknown_users=20, content_refusals=5)])
    (left,) = without_outages(days, {"gmail": mail((15, 30)), "yahoo": mail((3, 4))})
    assert left == DayCounts(DAY, 40, 12, blocked=5, unknown_users=2, content_refusals=5)
    assert without_outages(days, {}) is days


def in_outage(unknown: int, of: int, other: Days = FINE, **changes):
    """An active IP with an outage at gmail today."""
    gmail = mail((9, 450), (9, 450), (9, 450), (unknown, of))
    providers = {"gmail": gmail, "yahoo": other}
    spans = spans_of(providers, OUTAGE, LIMIT, midnight(NEXT))
    outages = met(spans, providers)
    whole = sums_of([{"all": days} for days in providers.values()])["all"]
    return observation(
        whole, ip={"state": IpState.ACTIVE, "phase": 6}, given=1_450, standing=1_450, providers=providers,
        outages=outages, down=down(spans, outages, LIMIT), **changes,
    )  # fmt: skip


def test_an_outage_suspends_its_provider_and_blames_no_ip() -> None:
    proposal = decide_day(in_outage(250, 450), POLICY, DAY, NEXT)
    assert (proposal.action, proposal.cause) == (Action.HOLD, PROVIDER_OUTAGE)
    assert proposal.throttle_factors == {"gmail": 0.0}
    assert proposal.judgements["bounces"].bad == 9 * 3 + 20 * 4
    assert (
        "gmail has an outage of its own (250 of 450 messages on 2026-11-20 met no such user"
        in proposal.reason
    )
    assert proposal.advice.startswith("remove nobody")
    assert not list(mistakes_of("active", f"{proposal.reason}."))


def test_without_knowledge_of_the_outage_the_whole_ip_would_stop() -> None:
    seen = in_outage(250, 450)
    blind = type(seen)(**{name: getattr(seen, name) for name in seen.__slots__} | {"outages": {}, "down": ()})
    assert guard_ip(blind, POLICY, DAY).proposal.action is Action.PAUSE


def test_while_the_day_runs_the_provider_alone_is_suspended() -> None:
    decision = guard_ip(in_outage(250, 450), POLICY, DAY)
    assert decision is not None
    assert (decision.proposal.action, decision.proposal.cause) == (Action.SLOW, PROVIDER_OUTAGE)
    assert (dict(decision.bounds)["gmail"], decision.stops) == (0, False)
    assert not list(mistakes_of("active", decision.reason))


def test_what_bounces_elsewhere_still_counts() -> None:
    """The others bounce for the fleet's sake no more than usual; this IP's own yahoo mail does."""
    seen = in_outage(250, 450)
    bad = mail(*[(120, 1_000)] * 4)
    days = Days.of(
        DayCounts(
            each.day,
            each.delivered + 980 - 1_000 + 20,
            each.bounced + 100,
            unknown_users=each.unknown_users + 100,
        )
        for each in seen.days
    )
    worse = type(seen)(
        **{name: getattr(seen, name) for name in seen.__slots__}
        | {"days": days, "providers": {**seen.providers, "yahoo": bad}}
    )
    assert decide_day(worse, POLICY, DAY, NEXT).action is Action.PAUSE


def test_an_ip_that_the_outage_does_not_hit_goes_on() -> None:
    spans = spans_of({"gmail": mail((300, 500)), "yahoo": FINE}, OUTAGE, LIMIT, midnight(NEXT))
    assert down(spans, met(spans, {"gmail": mail((0, 80))}), LIMIT) == ()
    assert down(spans, met(spans, {"gmail": mail((1, 2))}), LIMIT) == ()
    assert down(spans, met(spans, {"gmail": mail((40, 80))}), LIMIT) == ("gmail",)


def test_a_decision_in_an_outage_is_made_again_from_its_document() -> None:
    seen = in_outage(250, 450)
    again = observation_of(observation_document(seen))
    assert again == seen
    assert decide_day(again, POLICY, DAY, NEXT) == decide_day(seen, POLICY, DAY, NEXT)
    assert believed(again).days.unknown_users == believed(seen).days.unknown_users
