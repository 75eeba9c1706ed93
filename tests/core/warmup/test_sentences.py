"""What decisions say: days, numbers, provider, campaign, reply and the next step, as far as they are known, within bounds."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from email_engine.adapters.telegram_text import LONGEST_SHOWN, NEXT_STEP
from email_engine.fleet.model import IpState, Pause
from email_engine.fleet.traffic import DayCounts, column
from email_engine.reputation.counted import Row
from email_engine.reputation.named import NamedList
from email_engine.warmup.guard import guard_ip
from email_engine.warmup.observation import DnsHealth, IpObservation, WorstMail, midnight
from email_engine.warmup.plan import plan_quota_pool
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.provider_limits import PROBING
from email_engine.warmup.sentences import (
    LONGEST,
    LONGEST_TOLD,
    NEXT,
    Evidence,
    convincing,
    counted,
    weighs_most,
    whole_reason,
)
from tests.core.warmup.reading import mistakes_of
from tests.core.warmup.worlds import DAY, decide_day, observation, sent
from tests.core.warmup.worlds import NEXT as TOMORROW

POLICY = load_policy()
ACTIVE: dict[str, Any] = {"state": IpState.ACTIVE, "phase": 6}
BAD = (*sent(3, 1_000, until=DAY - timedelta(days=1)), DayCounts(DAY, 800, 200))
GARBAGE = [
    "a\nb\r\nc",
    "<script>alert(1)</script>",
    "x" * 2_000,
    "\u202e\u05de\u05d1\u05e6\u05e2 ann@example.com",
    "\x00",
    "",
]


def day(n: int) -> date:
    return DAY - timedelta(days=n)


def row(*counts: tuple[int, int]) -> Row:
    """(bad, messages) of the last days, the newest last."""
    days = [day(n) for n in reversed(range(len(counts)))]
    return Row(days, column(bad for bad, _ in counts), column(messages for _, messages in counts))


def decided(seen: IpObservation, quota: int = 1_000_000) -> Any:
    (ip_decision,) = plan_quota_pool([seen], POLICY, quota, DAY, TOMORROW)
    return ip_decision


@pytest.mark.parametrize(
    ("counts", "days"),
    [
        (((0, 800), (9, 800), (1, 900), (3, 700)), (2, 0)),
        (((300, 700), *[(0, 3_000)] * 20, (9, 800)), (0,)),
        (((5, 700), (6, 700), (7, 700), (8, 700), (9, 700)), (2, 1, 0)),
        (((0, 700), (0, 800)), ()),
        ((), ()),
    ],
    ids=["those above the limit", "not what good mail outweighed", "three at most", "nothing bad", "no mail"],
)
def test_the_days_that_convince(counts: tuple[tuple[int, int], ...], days: tuple[int, ...]) -> None:
    rows = row(*counts)
    assert convincing(rows, [0.002] * len(counts)) == tuple(day(n) for n in days)


def test_days_that_prove_it_alone_come_before_others() -> None:
    rows = row((9, 800), (30, 700), (3, 700))
    assert convincing(rows, [0.002] * 3, [day(1)]) == (day(1),)


@pytest.mark.parametrize(
    ("counts", "shown", "told"),
    [
        (((0, 800), (9, 800), (3, 700)), (1, 0), "9 complaints of 800 messages on 2026-11-19 and 3 of 700 on 2026-11-20 (12 of 2300 since 2026-11-18)"),
        (((9, 800),), (0,), "9 complaints of 800 messages on 2026-11-20"),
        (((1, 800),), (0,), "1 complaint of 800 messages on 2026-11-20"),
        (((1, 1),), (0,), "1 complaint of 1 message on 2026-11-20"),
        (((9, 800), (3, 700)), (), "12 complaints of 1500 messages"),
    ],
    ids=["two of three days", "the only day", "one complaint", "one message", "no day"],
)  # fmt: skip
def test_counts_are_told_by_day(
    counts: tuple[tuple[int, int], ...], shown: tuple[int, ...], told: str
) -> None:
    assert counted("complaints", row(*counts), [day(n) for n in shown]) == told


def test_the_sums_come_first_where_they_convince() -> None:
    told = counted("bounces", row((3, 50), (4, 50), (5, 50)), [day(0), day(1)], sums_first=True)
    assert (
        told == "12 bounces of 150 messages since 2026-11-18 (4 of 50 on 2026-11-19, 5 of 50 on 2026-11-20)"
    )


def test_what_weighs_most_is_told_as_far_as_it_is_known() -> None:
    evidence = Evidence("blocks", (DAY,), worst="gmail (40 of 100 messages)")
    mail = WorstMail("blocks", "spring", 30, "5.7.1 refused (s3140)", 25)
    assert weighs_most([evidence], [mail]) == (
        "Weighs most: gmail (40 of 100 messages), campaign 'spring' (30 blocks), reply '5.7.1 refused (s3140)' (25 times)."
    )
    assert (
        weighs_most([evidence._replace(worst="")], [WorstMail("blocks", "spring", 1)])
        == "Weighs most: campaign 'spring' (1 block)."
    )
    assert weighs_most([evidence], []) == "Weighs most: gmail (40 of 100 messages)."
    assert weighs_most([evidence._replace(worst="")], [WorstMail("bounces", "of another gate", 9)]) == ""


def test_what_a_provider_says_to_the_fleet_has_no_count() -> None:
    mail = WorstMail("deferrals", reply="4.7.0 too many messages")
    told = weighs_most([Evidence("deferrals", (DAY,), ("gmail",))], [mail])
    assert told == "Weighs most: reply '4.7.0 too many messages'."


@pytest.mark.parametrize("campaign", GARBAGE)
@pytest.mark.parametrize("told", ["It pauses.", "word " * 200 + "."], ids=["short", "long"])
def test_a_decision_stays_short_and_keeps_its_next_step_whatever_senders_write(
    campaign: str, told: str
) -> None:
    seen = observation(BAD, ip=ACTIVE, given=1_000, standing=1_000)
    seen = replace(seen, worst=(WorstMail("bounces", campaign, 9, campaign, 9),))
    ip_decision = replace(decided(seen), told=told)
    assert ip_decision.proposal.evidence
    reason = ip_decision.reason
    assert len(reason) <= LONGEST
    assert reason.endswith(f"{NEXT}{ip_decision.proposal.advice}.")
    assert not {"\n", "\r", "\x00", "\u202e"} & set(reason)
    assert "@" not in reason
    assert len(ip_decision.happens) <= LONGEST_TOLD < LONGEST_SHOWN


def test_the_reply_gives_way_before_the_campaign() -> None:
    mail = WorstMail("bounces", "spring sale", 9, "5.1.1 " + "no such user " * 8, 9)
    evidence, advice = Evidence("bounces", (DAY,)), "do something about it " * 5
    told = "word " * 75 + "."
    reason = whole_reason(told, [evidence], [mail], advice)
    assert "spring sale" in reason
    assert "no such user" not in reason


def test_the_next_step_is_a_line_that_a_chat_knows() -> None:
    assert NEXT == NEXT_STEP


def test_a_decision_without_details_shows_none_of_them() -> None:
    reason = decided(observation(BAD, ip=ACTIVE, given=1_000, standing=1_000)).reason
    assert "200 bounces of 1000 messages on 2026-11-20 (200 of 4000 since 2026-11-17) prove" in reason
    assert not {"campaign '", "reply", "Weighs most"} & set(reason)
    assert "Weighs most" not in reason


MICROSOFT = {"microsoft": (DayCounts(DAY, 60, 40, blocked=40),), "gmail": (DayCounts(DAY, 300),)}
PRESSED = {
    "microsoft": (DayCounts(DAY, 100, deferred=60, throttling_deferrals=60),),
    "gmail": (DayCounts(DAY, 300),),
}
HATED = {"yahoo": (DayCounts(DAY, 1_000, complained=12),), "gmail": (DayCounts(DAY, 9_000),)}
NAMED = NamedList("zen.spamhaus.org", DAY, {"microsoft": 12, "yahoo": 3}, 300)
SITUATIONS: dict[str, Any] = {
    "warming": {"days": sent(3)},
    "warming, one day": {"days": sent(1)},
    "warming, all days": {"days": sent(7)},
    "warming, not proven": {"days": sent(7, 90, bounced=4), "ip": {"phase": 2}, "given": 100, "standing": 100},
    "warming, at the limit": {"days": sent(10, 47, bounced=3)},
    "never sent, DNS broken": {"given": 0, "standing": 0, "dns": DnsHealth.BROKEN, "dns_broken": ("spf.record",)},
    "active, never sent, DNS broken": {
        "ip": ACTIVE, "given": 0, "standing": 0, "phase_started_on": DAY, "dns": DnsHealth.BROKEN, "dns_broken": ("spf.record",),
    },
    "active, never sent": {"ip": ACTIVE, "given": 0, "standing": 0, "phase_started_on": DAY},
    "active, listed": {"days": sent(3), "ip": ACTIVE | {"blacklisted_on": ("zen.example",)}},
    "active, held": {"days": sent(3), "ip": ACTIVE, "held_by": "ann (" + "because " * 100 + ")"},
    "active": {"days": sent(9, 500), "ip": ACTIVE, "given": 500, "standing": 500},
    "stale": {"days": sent(3), "fresh_through": None},
    "active, stale": {"days": sent(3), "ip": ACTIVE, "fresh_through": None},
    "overrun": {"days": sent(3, 500), "given": 50},
    "active, bad": {"days": BAD, "ip": ACTIVE, "given": 1_000, "standing": 1_000},
    "active, one lesser bad day": {
        "days": (*sent(9, 5_000, until=day(1)), DayCounts(DAY, 4_650, 350)), "ip": ACTIVE, "given": 5_000, "standing": 5_000,
    },
    "three complaints": {"days": sent(3, complained=1)},
    "one named list": {"days": sent(3, 300), "ip": ACTIVE, "named": (NAMED,), "given": 300, "standing": 300},
    "many named lists": {
        "days": sent(3, 300), "ip": ACTIVE, "named": (NAMED,), "many_named": True, "given": 300, "standing": 300,
    },
    "lists agreed on": {
        "days": sent(3, 300), "ip": ACTIVE, "given": 300, "standing": 300,
        "named": (replace(NAMED, refused={"microsoft": 120, "yahoo": 30}),),
    },
    "refused": {"days": (DayCounts(DAY, 360, 40, blocked=40),), "ip": ACTIVE, "providers": MICROSOFT, "given": 1_000, "standing": 1_000},
    "pressed": {
        "days": (DayCounts(DAY, 400, deferred=60, throttling_deferrals=60),), "ip": ACTIVE, "providers": PRESSED,
        "given": 1_000, "standing": 1_000,
    },
    "complained about": {"days": (DayCounts(DAY, 10_000, complained=12),), "ip": ACTIVE, "providers": HATED, "given": 10_000, "standing": 10_000},
    "suspended since": {
        "days": sent(3, 300), "ip": ACTIVE, "given": 300, "standing": 300, "throttle_factors": {"microsoft": 0.0},
        "slowed_on": {"microsoft": DAY},
        "providers": {"microsoft": sent(3, 100), "gmail": sent(3, 200)},
    },
    "slowed by its score": {
        "days": tuple(DayCounts(day(n), 964, 36, blocked=12) for n in reversed(range(10))),
        "ip": ACTIVE | {"blacklisted_on": ("minor.example",)}, "given": 1_000, "standing": 1_000,
    },
    "a stream of one": {"days": (DayCounts(day(1), 400, 100, unknown_users=100), DayCounts(DAY, 400, 100, unknown_users=100)),
                        "ip": ACTIVE, "peers": (), "given": 500, "standing": 500},
    "a stream that bounces": {
        "days": sent(3, 400, bounced=100, unknown_users=100), "ip": ACTIVE, "given": 500, "standing": 500,
        "peers": [DayCounts(day(n), 4_000, 1_000, unknown_users=1_000) for n in (2, 1, 0)],
    },
    "idle": {"days": (DayCounts(day(20), 500),), "ip": ACTIVE},
    "paused": {"days": sent(3), "ip": ACTIVE | {"pause": Pause(midnight(TOMORROW + timedelta(days=3)))}},
    "pause over": {"days": sent(3), "ip": ACTIVE | {"pause": Pause(midnight(TOMORROW))}},
    "pause over, listed": {
        "days": sent(3), "ip": ACTIVE | {"pause": Pause(midnight(TOMORROW)), "blacklisted_on": ("zen.example",)},
    },
    "retiring": {"days": sent(3), "ip": {"state": IpState.RETIRING, "state_since": midnight(DAY)}},
    "quarantine": {"ip": {"state": IpState.QUARANTINE}},
    "resting": {"ip": {"state": IpState.RESTING}},
    "standby": {"ip": {"state": IpState.STANDBY}},
    "standby, listed": {"ip": {"state": IpState.STANDBY, "blacklisted_on": ("zen.example",)}},
    "abandoned": {"ip": {"state": IpState.ABANDONED}},
    "short of quota": {"days": sent(9, 500), "ip": ACTIVE, "given": 500, "standing": 500, "quota": 5},
}  # fmt: skip
BY_COUNTS = (
    "warming, at the limit", "active, bad", "active, one lesser bad day", "three complaints", "one named list", "many named lists",
    "lists agreed on", "refused", "pressed", "complained about", "slowed by its score", "a stream of one", "a stream that bounces",
    "overrun",
)  # fmt: skip
"""Situations in which counts slow, hold or stop it. In the last but two it is listed too, which comes first at the end of a day."""


def situation(name: str) -> tuple[IpObservation, int]:
    fields = dict(SITUATIONS[name])
    quota = fields.pop("quota", 1_000_000)
    return observation(fields.pop("days", ()), **fields), quota


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_situation_reads_well_at_the_end_of_the_day_and_while_it_runs(name: str) -> None:
    seen, quota = situation(name)
    found = [decided(seen, quota).reason]
    now = guard_ip(seen, POLICY, DAY)
    found += [now.reason] if now is not None else []
    for reason in found:
        assert not list(mistakes_of(str(seen.ip.state), reason)), reason


@pytest.mark.parametrize("name", BY_COUNTS)
def test_counts_that_decide_are_told_with_days_and_a_next_step(name: str) -> None:
    seen, _ = situation(name)
    ip_decision = decided(seen)
    if name == "slowed by its score":
        ip_decision = guard_ip(seen, POLICY, DAY)
    assert ip_decision.proposal.action in ("hold", "pause", "quarantine", "slow", "step_back")
    assert "2026-11-" in ip_decision.happens
    assert ip_decision.next_step.startswith(NEXT)
    assert ip_decision.proposal.evidence or name == "overrun"


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("never sent, DNS broken", "It cannot begin to send, because its DNS is broken (spf.record)."),
        (
            "active, never sent, DNS broken",
            "It cannot begin to send, because its DNS is broken (spf.record).",
        ),
        ("active, never sent", "It sent nothing that could be judged, so it keeps its share of the quota"),
        ("active, stale", "It gets no more than it has, because the accounting of mta-1 never came."),
        ("stale", "Nothing advances, because the accounting of mta-1 never came."),
    ],
)
def test_nothing_holds_that_never_sent_and_active_ips_do_not_advance(name: str, begins: str) -> None:
    seen, quota = situation(name)
    assert decided(seen, quota).reason.startswith(begins)


def test_a_provider_that_is_suspended_leaves_the_rest_unblamed() -> None:
    reason = decided(situation("refused")[0]).reason
    assert (
        "microsoft refused 40 of 100 messages on 2026-11-20 for reputation and is suspended for 1 day"
        in reason
    )
    assert "Next: read what microsoft answers, and ask its postmaster to lift it" in reason


def test_a_refused_probe_is_told_although_so_few_messages_prove_nothing() -> None:
    before = [DayCounts(DAY - timedelta(days=n), 400) for n in reversed(range(1, 14))]
    refused = DayCounts(DAY, 18, 2, blocked=2)
    seen = observation(
        [*before, DayCounts(DAY, 418, 2, blocked=2)],
        ip={"state": IpState.ACTIVE, "phase": 6},
        providers={"gmail": [*before, DayCounts(DAY, 400)], "yahoo": [refused]},
        throttle_factors={"yahoo": PROBING},
        slowed_on={"yahoo": DAY - timedelta(days=3)},
        standing=500,
    )
    proposal = decide_day(seen, load_policy(), DAY, TOMORROW)
    assert proposal.throttle_factors == {"yahoo": 0.0}
    assert "yahoo is suspended for 1 day" in proposal.reason


@pytest.mark.parametrize(
    ("elsewhere", "outage"), [(2, True), (60, False)], ids=["one provider alone", "everywhere"]
)
def test_an_outage_of_one_provider_makes_nobody_remove_recipients(elsewhere: int, outage: bool) -> None:
    before = [DayCounts(DAY - timedelta(days=n), 500) for n in reversed(range(1, 14))]
    gmail, rest = DayCounts(DAY, 300, 200), DayCounts(DAY, 500 - elsewhere, elsewhere)
    seen = observation(
        [*before, DayCounts(DAY, gmail.delivered + rest.delivered, 200 + elsewhere)],
        ip={"state": IpState.ACTIVE, "phase": 6},
        providers={"gmail": [*before, gmail], "yahoo": [rest]},
        standing=1000,
    )
    advice = decide_day(seen, load_policy(), DAY, TOMORROW).advice
    assert ("gmail has an outage" in advice) is outage
    assert ("remove those that bounced" in advice) is not outage
