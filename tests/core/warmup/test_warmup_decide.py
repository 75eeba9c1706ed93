"""One IP, one day: what is decided and what is said."""

from datetime import timedelta
from typing import Any

import pytest

from email_engine.errors import InputError
from email_engine.fleet.model import IpState, Pause
from email_engine.fleet.traffic import DayCounts
from email_engine.lifecycle.machine import TRANSITIONS, Event, next_state
from email_engine.warmup import decide
from email_engine.warmup.observation import DnsHealth, IpObservation, RateStop, midnight
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Proposal
from tests.core.warmup.worlds import DAY, NEXT, decide_day, observation, sent

POLICY = load_policy()
ACTIVE = {"state": IpState.ACTIVE, "phase": 6}
YESTERDAY = DAY - timedelta(days=1)


def choice(seen: IpObservation) -> Proposal:
    return decide_day(seen, POLICY, DAY, NEXT)


@pytest.mark.parametrize(
    ("seen", "action", "phase", "wanted", "reason"),
    [
        (observation(given=0, standing=0, dns=DnsHealth.UNKNOWN, fresh_through=None), "stay", 1, 50, "0 of 7 days"),
        (observation(sent(6)), "stay", 1, 50, "6 of 7 days of phase 1 were sent, so it stays at 50 messages a day"),
        (observation(sent(7)), "advance", 2, 100, "7 of 7 days of phase 1 were sent, so it moves to phase 2 at 100 messages a day"),
        (observation(sent(7, 45)), "advance", 2, 100, "7 of 7"),
        (observation(sent(9, 44)), "stay", 1, 50, "0 of 7"),
        (observation((*sent(3, until=DAY - timedelta(days=9)), *sent(4))), "advance", 2, 100, "7 of 7"),
        (observation((*sent(3, until=DAY - timedelta(days=40)), *sent(4))), "stay", 1, 50, "4 of 7"),
        (observation(sent(20), phase_started_on=DAY - timedelta(days=2)), "stay", 1, 50, "3 of 7"),
        (observation(sent(7, 2000), ip={"phase": 6}), "graduate", 6, 10_000, "the last of six_week, so it is warm"),
        (observation(sent(7, 250), ip={"phase": 3, "daily_target": 250}), "graduate", 6, 250, "so it is warm"),
        (observation(sent(7, 98, bounced=2), ip={"phase": 2}), "advance", 3, 250, "7 of 7"),
        (observation(sent(7, 96, bounced=4), ip={"phase": 2}), "stay", 2, 100, "28 bounces of 700 messages do not yet prove a rate below 5.0%"),
        (observation(sent(7), dns=DnsHealth.UNKNOWN), "hold", 1, 50, "its DNS was not checked lately"),
        (observation(sent(7), blocklists_known=False), "hold", 1, 50, "no block list answered about it lately"),
        (observation(sent(30, 10_000), ip=ACTIVE, standing=700), "stay", 6, 10_000, "Nothing is proven against it"),
        (observation(ip=ACTIVE | {"state_since": midnight(DAY)}, standing=700), "stay", 6, 10_000, "It sent nothing that could be judged, so it keeps"),
    ],
    ids=[
        "the first allowance needs no signals", "not enough sent days", "advances", "90 % of the stage is a sent day",
        "less is none", "an idle week does not count, nor does it take back", "older than 30 days is forgotten",
        "days before the phase do not count", "graduates", "graduates at its own target", "bounces proven low",
        "bounces not proven low", "DNS unknown", "lists silent", "active and fine", "active and idle",
    ],
)  # fmt: skip
def test_a_healthy_ip_moves_on_days_that_were_sent(
    seen: IpObservation, action: str, phase: int, wanted: int, reason: str
) -> None:
    chosen = choice(seen)
    assert (chosen.action, chosen.phase, chosen.wanted) == (action, phase, wanted)
    assert reason in chosen.reason


HANDOVER = "MailWizz will hand over less than the allowance of 50 a day: 30 a day, hourly_quota 1"


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (observation(sent(3, 30), handover=HANDOVER), True),
        (observation(sent(3), handover=HANDOVER), False),
        (observation(sent(3, 30)), False),
        (observation(ip=ACTIVE | {"state_since": midnight(DAY)}, standing=700, handover=HANDOVER), True),
    ],
    ids=[
        "too little was sent",
        "enough was sent all the same",
        "nothing was found",
        "an active IP without mail",
    ],
)
def test_an_ip_that_got_too_little_mail_is_told_with_what_held_it_back(
    seen: IpObservation, told: bool
) -> None:
    chosen = choice(seen)
    assert chosen.action == "stay"
    assert (f". Its delivery server in MailWizz: {HANDOVER}" in chosen.reason) is told


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fresh_through": None}, "the accounting of mta-1 never came"),
        (
            {"fresh_through": midnight(NEXT) - timedelta(hours=2, seconds=1)},
            "the accounting of mta-1 is known up to 2026-11-20 21:59 UTC only",
        ),
        (
            {"dns": DnsHealth.BROKEN, "dns_broken": ("spf.record", "ptr")},
            "its DNS is broken (spf.record, ptr)",
        ),
        ({"ip": {"blacklisted_on": ("zen",)}}, "it is listed on zen"),
        ({"held_by": "ops (too many questions)"}, "its brake is held by ops (too many questions)"),
    ],
    ids=["no accounting ever", "stale accounting", "broken DNS", "listed", "a person's brake"],
)
@pytest.mark.parametrize("state", [IpState.WARMING, IpState.ACTIVE], ids=str)
def test_a_bad_or_missing_signal_holds_what_stands(
    state: IpState, changes: dict[str, Any], reason: str
) -> None:
    ip = {"state": state} | changes.get("ip", {})
    chosen = choice(observation(sent(10), **changes | {"ip": ip}))
    assert (chosen.action, chosen.wanted, chosen.event, chosen.new_phase) == ("hold", 50, None, False)
    holds = "Nothing advances" if state is IpState.WARMING else "It gets no more than it has"
    assert chosen.reason == f"{holds}, because {reason}"


def test_an_ip_that_never_had_an_allowance_gets_none_while_something_forbids_it() -> None:
    assert choice(observation(given=0, standing=0, dns=DnsHealth.BROKEN)).wanted == 0


def test_accounting_may_be_two_hours_old() -> None:
    assert choice(observation(sent(7), fresh_through=midnight(NEXT) - timedelta(hours=2))).action == "advance"


def stopped(*ago: Any) -> tuple[RateStop, ...]:
    """Days before the planned one, and kinds."""
    return tuple(
        RateStop(NEXT - timedelta(days=days), kind) for days, kind in zip(ago[::2], ago[1::2], strict=True)
    )


@pytest.mark.parametrize(
    ("seen", "action", "event", "reason"),
    [
        (observation(sent(1, 30, bounced=20)), "pause", None, "20 bounces of 50 messages on 2026-11-20 prove a rate above 5.0%"),
        (observation(sent(1, 30, bounced=20), ip=ACTIVE), "pause", None, "so it pauses until 2026-11-28"),
        (observation(sent(1, 30, bounced=20), fresh_through=None), "pause", None, "20 bounces"),
        (observation(sent(2, 5000, complained=30), ip=ACTIVE), "pause", None, "30 complaints of 5000 messages on 2026-11-19 and 30 of 5000 on 2026-11-20 prove a rate above 0.1%"),
        (
            observation(sent(1, 30, bounced=20), stops=stopped(30, "bounces", 8, "bounces")),
            "quarantine", "second_stop", "stop number 3 within 30 days, after 2026-10-22 (bounces), 2026-11-13 (bounces)",
        ),
        (
            observation(sent(1, 30, bounced=20), stops=stopped(9, "complaints")),
            "quarantine", "second_stop", "stop number 2 within 30 days, after 2026-11-12 (complaints)",
        ),
        (
            observation(sent(1, 30, bounced=20), stops=stopped(9, "bounces")),
            "pause", None, "prove a rate above",
        ),
        (
            observation(sent(1, 30, bounced=20), stops=stopped(31, "bounces", 8, "bounces")),
            "pause", None, "prove a rate above",
        ),
        (observation(sent(3, complained=1)), "pause", None, "3 complaints (1 on 2026-11-18, 1 on 2026-11-19, 1 on 2026-11-20) about only 150 messages, too few to tell a rate, so it pauses until"),
        (observation(sent(3, 500, complained=1)), "stay", None, "0 of 7" ),
    ],
    ids=[
        "bounces pause", "an active IP too", "stopping does not wait for fresh signals", "complaints pause", "the third stop", "a stop of another kind",
        "the second stop", "31 days later it is forgotten", "tripwire", "above 1,000 messages a rate decides",
    ],
)  # fmt: skip
def test_bad_traffic_stops_an_ip(seen: IpObservation, action: str, event: str | None, reason: str) -> None:
    if action == "stay":
        seen = observation(seen.days, ip={"phase": 5})
    chosen = choice(seen)
    assert (chosen.action, chosen.event) == (action, event)
    assert reason in chosen.reason
    if action == "pause":
        assert (chosen.wanted, chosen.pause) == (0, Pause(midnight(NEXT) + timedelta(days=7)))
    if action == "quarantine":
        assert (chosen.wanted, chosen.quarantine_until) == (0, midnight(NEXT) + timedelta(days=7))


def test_what_was_judged_before_the_last_stop_is_not_judged_again() -> None:
    before = observation(
        (*sent(1, 30, until=DAY - timedelta(days=9), bounced=20), *sent(1)),
        last_stop_at=midnight(DAY - timedelta(days=8)),
    )
    assert choice(before).action == "stay"


def test_weak_evidence_steps_one_phase_back_and_holds_the_first() -> None:
    weak = (DayCounts(DAY, delivered=89, bounced=13),)
    back = choice(observation(weak, ip={"phase": 2}, given=100, standing=100))
    assert (back.action, back.phase, back.wanted, back.new_phase) == ("step_back", 1, 50, True)
    assert 20 <= back.judgements["bounces"].evidence < 100
    first = choice(observation(weak))
    assert (first.action, first.phase, first.wanted) == ("hold", 1, 50)


def test_a_rate_at_the_limit_holds() -> None:
    held = choice(observation(sent(10, 47, bounced=3)))
    assert held.action == "hold"
    assert (
        "(3 of 50 on 2026-11-18, 3 of 50 on 2026-11-19, 3 of 50 on 2026-11-20) are at the limit of 5.0% or above"
        in held.reason
    )


@pytest.mark.parametrize(
    ("until", "changes", "action", "wanted", "phase"),
    [
        (midnight(NEXT) + timedelta(days=1), {}, "stay", 0, 3),
        (midnight(NEXT), {}, "resume", 100, 2),
        (midnight(NEXT), {"dns": DnsHealth.BROKEN}, "hold", 0, 3),
        (midnight(NEXT), {"dns": DnsHealth.UNKNOWN}, "hold", 0, 3),
        (midnight(NEXT), {"blocklists_known": False}, "hold", 0, 3),
        (midnight(NEXT), {"held_by": "ops"}, "hold", 0, 3),
        (midnight(NEXT), {"fresh_through": None}, "resume", 100, 2),
    ],
    ids=["lasts", "ends one phase lower", "not while DNS is broken", "nor unknown", "nor while no list answers", "not while a person brakes", "needs no traffic signals"],
)  # fmt: skip
def test_a_pause_ends_by_its_date(
    until: Any, changes: dict[str, Any], action: str, wanted: int, phase: int
) -> None:
    stopped = until - timedelta(days=7)
    ip = {"phase": 3, "pause": Pause(until)}
    seen = observation((), ip=ip, given=0, standing=0, last_stop_at=stopped, **changes)
    chosen = choice(seen)
    assert (chosen.action, chosen.wanted, chosen.phase) == (action, wanted, phase)


def test_after_a_pause_that_was_no_fault_of_its_own_an_ip_goes_on_where_it_was() -> None:
    ip = {"phase": 3, "pause": Pause(midnight(NEXT))}
    seen = observation(sent(4, 250, until=DAY - timedelta(days=7)), ip=ip, given=250, standing=250)
    chosen = choice(seen)
    assert (chosen.action, chosen.wanted, chosen.phase) == ("resume", 250, 3)
    assert (chosen.new_phase, chosen.sent_days) == (False, 4)


@pytest.mark.parametrize(
    ("days_ago", "action", "wanted"),
    [(1, "resume", 5000), (7, "resume", 1000), (9, "drained", 0)],
    ids=["half", "a tenth", "drained meanwhile"],
)
def test_a_retiring_ip_resumes_no_higher_than_its_warm_down(days_ago: int, action: str, wanted: int) -> None:
    ip = {
        "state": IpState.RETIRING,
        "state_since": midnight(NEXT) - timedelta(days=days_ago),
        "pause": Pause(midnight(NEXT)),
    }
    chosen = choice(observation((), ip=ip, given=0, standing=0))
    assert (chosen.action, chosen.wanted) == (action, wanted)


@pytest.mark.parametrize(
    ("days_ago", "standing", "action", "wanted"),
    [(0, 8000, "warm_down", 5000), (4, 5000, "warm_down", 2500), (7, 2500, "warm_down", 1000), (7, 600, "warm_down", 600), (9, 1000, "drained", 0)],
    ids=["half", "a quarter", "a tenth", "never more than stands", "drained"],
)  # fmt: skip
def test_a_retiring_ip_falls_step_by_step_whatever_the_signals(
    days_ago: int, standing: int, action: str, wanted: int
) -> None:
    ip = {"state": IpState.RETIRING, "state_since": midnight(NEXT) - timedelta(days=days_ago)}
    chosen = choice(observation((), ip=ip, standing=standing, fresh_through=None))
    assert (chosen.action, chosen.wanted) == (action, wanted)


@pytest.mark.parametrize(
    ("state", "since", "changes", "action", "event", "reason"),
    [
        ("quarantine", 3, {}, "stay", None, "Quarantine lasts until 2026-11-25"),
        ("quarantine", 7, {}, "clean", "clean", "so it rests 30 days"),
        ("quarantine", 9, {"ip": {"blacklisted_on": ("zen",)}}, "hold", None, "but it is listed on zen"),
        (
            "quarantine",
            9,
            {"blocklists_known": False},
            "hold",
            None,
            "but no block list answered about it lately",
        ),
        ("quarantine", 9, {"held_by": "ops"}, "hold", None, "its brake is held by ops"),
        ("resting", 29, {}, "stay", None, "It rests until 2026-11-22"),
        ("resting", 30, {}, "rested", "rested", "so it stands by"),
        ("standby", 3, {}, "stay", None, "until it was clean for 7 days, on 2026-11-25"),
        ("standby", 90, {}, "stay", None, "until a person starts it"),
        ("standby", 90, {"last_listed_at": midnight(DAY)}, "stay", None, "on 2026-11-27"),
        ("standby", 90, {"dns": DnsHealth.BROKEN}, "hold", None, "its DNS is broken"),
        ("abandoned", 90, {}, "stay", None, "abandoned for good"),
    ],
    ids=str,
)
def test_parked_ips_wait_for_time_lists_and_dns(
    state: str, since: int, changes: dict[str, Any], action: str, event: str | None, reason: str
) -> None:
    ip = {"state": IpState(state), "state_since": midnight(NEXT) - timedelta(days=since)} | changes.get(
        "ip", {}
    )
    chosen = choice(observation((), given=0, standing=0, **changes | {"ip": ip}))
    assert (chosen.action, chosen.event, chosen.wanted) == (action, event, 0)
    assert reason in chosen.reason


def test_every_event_that_is_chosen_is_known_to_the_lifecycle() -> None:
    events = {
        (IpState.WARMING, "graduate"), (IpState.WARMING, "tripwire"), (IpState.ACTIVE, "second_stop"),
        (IpState.RETIRING, "drained"), (IpState.QUARANTINE, "clean"), (IpState.RESTING, "rested"), (IpState.STANDBY, "start"),
    }  # fmt: skip
    assert all(Event(event) in TRANSITIONS[state] and next_state(state, event) for state, event in events)


def test_a_schedule_that_the_policy_does_not_know_is_an_error_that_names_it() -> None:
    with pytest.raises(InputError, match="schedule weekly"):
        choice(observation(ip={"schedule": "weekly"}))


def test_a_late_decision_judges_its_day_and_acts_on_the_day_planned() -> None:
    late = decide_day(observation(sent(1, 30, bounced=20)), POLICY, DAY, NEXT + timedelta(days=3))
    assert late.pause == Pause(midnight(NEXT) + timedelta(days=10))


@pytest.mark.parametrize("together", [1, 2, 5, 100])
def test_many_ips_are_decided_about_as_each_alone(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "TOGETHER", together)
    bad = (DayCounts(DAY, delivered=400, bounced=100),)
    seen = [
        observation(sent(7), number=1),
        observation(number=2, ip={"state": IpState.STANDBY}),
        observation(bad, number=3),
        observation(bad, number=4, peers=(DayCounts(DAY, 9_000, 1_000),)),
        observation(sent(30, 500), number=5, ip={"state": IpState.ACTIVE, "phase": 6}, given=500, standing=500),
        observation(number=6, ip={"state": IpState.QUARANTINE}),
        observation(sent(3), number=7, providers={"gmail": sent(3, 30), "yahoo": sent(3, 20, throttling_deferrals=9)}),
    ]  # fmt: skip
    found = decide.decide_days(seen, POLICY, DAY, NEXT)
    assert found == [decide_day(one, POLICY, DAY, NEXT) for one in seen]
    assert len({proposal.action for proposal in found}) >= 3


@pytest.mark.parametrize(
    ("before", "today", "action"),
    [
        (DayCounts(YESTERDAY, 4_970, complained=30), DayCounts(DAY, 2_500, complained=3), "hold"),
        (DayCounts(YESTERDAY, 4_970, complained=30), DayCounts(DAY, 2_500, complained=15), "pause"),
        (DayCounts(YESTERDAY, 4_250, 750, unknown_users=750), DayCounts(DAY, 947, 53, unknown_users=53), "hold"),
        (DayCounts(YESTERDAY, 4_250, 750, unknown_users=750), DayCounts(DAY, 900, 100, unknown_users=100), "pause"),
    ],
    ids=["three late complaints", "complaints again", "bounces at the limit by chance", "bounces again"],
)  # fmt: skip
def test_a_stream_pauses_on_a_second_day_only_by_evidence_of_its_own(
    before: DayCounts, today: DayCounts, action: str
) -> None:
    """Of an IP that is alone, which is its stream."""
    days = (*sent(9, 5_000, until=YESTERDAY - timedelta(days=1)), before, today)
    alone = observation(days, ip={"state": IpState.ACTIVE, "phase": 6}, given=5_000, standing=5_000, peers=())
    assert decide_day(alone, POLICY, DAY, NEXT).action == action
