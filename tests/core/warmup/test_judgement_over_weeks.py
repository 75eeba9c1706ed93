"""What the daily judgement does over weeks: nobody is stopped for a neighbour, nobody bad escapes, nobody is stuck for ever."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from email_engine.fleet.model import IpState, Pause
from email_engine.fleet.traffic import DayCounts, Days
from email_engine.warmup.guard import guard_ip
from email_engine.warmup.observation import midnight
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.policy_file import load_policy
from tests.core.warmup.worlds import DAY, NEXT, a_life, decide_day, live_through, observation, sent

POLICY = load_policy()
ACTIVE: dict[str, Any] = {"state": IpState.ACTIVE, "phase": 6}
STOPS = ("pause", "quarantine")


def mail(sent: int, *, bounced: float = 0.0, **counts: int) -> dict[str, DayCounts]:
    """All of it to gmail; `bounced`: a rate."""
    bad = round(sent * bounced)
    return {"gmail": DayCounts(DAY, sent - bad, bad, **counts)} if sent else {}


def actions(told: Sequence[Sequence[IpDecision]], ip: int = 1) -> list[str]:
    return [str(o.proposal.action) for day in told for o in day if o.observation.ip.ip_id == ip]


@pytest.mark.parametrize("stream", ["newsletter", "offers"], ids=["of its stream", "of its parent domain"])
def test_a_neighbours_complaints_stop_the_neighbour_alone(stream: str) -> None:
    lives = [a_life(1, 5000, **ACTIVE, stream=stream), *(a_life(n) for n in range(2, 6))]
    told = live_through(
        lives, lambda ip, _, allowed: mail(allowed, complained=allowed // 100 if ip == 1 else 0), 60, POLICY
    )
    assert "pause" in actions(told, 1)
    assert not [ip for ip in range(2, 6) if set(actions(told, ip)) & set(STOPS)]
    assert told[-1][1].observation.ip.state is IpState.ACTIVE


@pytest.mark.parametrize("late", [0, 3, 5])
def test_complaints_that_come_late_are_judged_in_the_next_stage_too(late: int) -> None:
    """Each day's complaints become known `late` days after it; the engine then sees them on the day of sending."""
    days: list[DayCounts] = []
    stopped = None
    for number in range(25):
        day = DAY + timedelta(days=number)
        known = [replace(c, complained=c.delivered // 20 if (day - c.day).days >= late else 0) for c in days]
        now = DayCounts(day, 50)
        seen = observation(
            [*known, now], ip={"schedule": "double"}, phase_started_on=day - timedelta(days=number % 4)
        )
        days.append(now)
        proposal = decide_day(seen, POLICY, day, day + timedelta(days=1))
        if proposal.action in STOPS:
            stopped = number
            break
    assert stopped is not None
    assert stopped <= late + 3


def test_a_new_stage_does_not_arm_the_tripwire_of_complaints_again() -> None:
    """1 complaint in 600 is no reason to stop an IP that sent thousands, however young its stage is."""
    before = tuple(DayCounts(DAY - timedelta(days=n), 500) for n in range(8, 1, -1))
    stage = (DayCounts(DAY - timedelta(days=1), 499, complained=1), DayCounts(DAY, 498, complained=2))
    seen = observation(
        (*before, *stage), ip={"phase": 4}, given=500, standing=500, phase_started_on=DAY - timedelta(days=1)
    )
    assert decide_day(seen, POLICY, DAY, NEXT).action not in STOPS
    few = observation(stage[1:], ip={"phase": 4}, given=500, standing=500, phase_started_on=DAY)
    few = replace(few, days=Days.of([replace(stage[1], complained=3)]))
    stopped = decide_day(few, POLICY, DAY, NEXT)
    assert (stopped.action, stopped.event, stopped.kinds) == ("pause", None, ("complaints",))


@pytest.mark.parametrize("every", [1, 3, 7], ids=["daily", "twice a week", "weekly"])
@pytest.mark.parametrize(("state", "allowance"), [(ACTIVE, 10_000), ({}, 50)], ids=["active", "warming"])
def test_a_list_that_stays_bad_pauses_its_stream_and_the_second_time_for_a_person(
    every: int, state: dict[str, Any], allowance: int
) -> None:
    lives = [a_life(n, allowance, **state) for n in (1, 2)]
    told = live_through(
        lives, lambda _, day, allowed: mail(allowed if day % every == 0 else 0, bounced=0.3), 120, POLICY
    )
    seen = Counter(actions(told))
    assert (seen["pause"], seen["resume"]) == (2, 1)
    assert not {"advance", "quarantine", "step_back"} & set(seen)
    last = told[-1][0].observation
    assert last.last_stop_at is None
    assert "until a person resumes it" in next(
        o.reason for day in reversed(told) for o in day if o.proposal.action == "pause"
    )


def test_one_bad_day_of_a_list_costs_two_days_and_no_stage() -> None:
    lives = [a_life(n) for n in range(1, 5)]
    told = live_through(
        lives, lambda _, day, allowed: mail(allowed, bounced=0.3 if day == 3 else 0.02), 10, POLICY
    )
    assert Counter(actions(told))["hold"] == 3
    assert actions(told)[6] == "advance"


def test_an_ip_that_is_better_than_its_stream_passes() -> None:
    days = tuple(DayCounts(c.day, 98, 2) for c in sent(7, 100))
    peers = tuple(DayCounts(c.day, 920, 80) for c in days)
    seen = observation(days, ip={"phase": 2}, given=100, standing=100, peers=peers)
    proposal = decide_day(seen, POLICY, DAY, NEXT)
    assert (proposal.action, proposal.judgements["bounces"].verdict) == ("advance", "pass")


NOTHING_COMES_BACK: list[tuple[str, dict[str, Any]]] = [
    ("no accounting", {"fresh_through": None}),
    ("bad signals", {"trouble": "the clock of mta-1 is off"}),
    ("listed", {"ip": {**ACTIVE, "blacklisted_on": ("zen",)}}),
    ("no mail", {"days": ()}),
    ("slowed today", {"slowed_on": {"*": DAY, "yahoo": DAY}}),
    ("slowed after the day that closes", {"slowed_on": {"*": NEXT, "yahoo": NEXT}}),
]


@pytest.mark.parametrize(
    "changes", [c for _, c in NOTHING_COMES_BACK], ids=[n for n, _ in NOTHING_COMES_BACK]
)
def test_speed_does_not_come_back_on(changes: dict[str, Any]) -> None:
    days = changes.get("days", sent(14, 500))
    rest = {key: value for key, value in changes.items() if key != "days"}
    throttle_factors = {"*": 0.5, "yahoo": 0.5}
    fields: dict[str, Any] = {
        "ip": ACTIVE,
        "given": 500,
        "standing": 500,
        "throttle_factors": throttle_factors,
    }
    seen = observation(days, providers={"yahoo": tuple(days)}, **fields | rest)
    assert decide_day(seen, POLICY, DAY, NEXT).throttle_factors == throttle_factors


def test_speed_comes_back_with_good_days_and_ends_at_the_schedule() -> None:
    life = replace(a_life(1, 250, **ACTIVE, daily_target=500), throttle_factors={"*": 0.5, "yahoo": 0.5})
    told = live_through([life], lambda _, __, allowed: {"yahoo": DayCounts(DAY, allowed)}, 6, POLICY)
    throttle = [dict(day[0].proposal.throttle_factors) for day in told]
    assert throttle[:3] == [{"*": p, "yahoo": p} for p in (0.625, 0.7812, 0.9765)]
    assert throttle[3:] == [{}] * 3
    assert told[-1][0].allowance == 500


@pytest.mark.parametrize(
    ("throttle_factors", "traffic"),
    [
        ({"yahoo": 0.5}, lambda _, __, allowed: mail(allowed)),
        ({"*": 0.5, "microsoft": 0.5}, lambda _, __, allowed: {"microsoft": DayCounts(DAY, allowed)}),
    ],
    ids=["the provider left its mail", "too little mail for a score"],
)
def test_a_slowed_ip_is_not_stuck_for_ever(throttle_factors: dict[str, float], traffic: Any) -> None:
    life = replace(
        a_life(1, 25),
        throttle_factors=throttle_factors,
        slowed_on=dict.fromkeys(throttle_factors, DAY - timedelta(days=1)),
    )
    told = live_through([life], traffic, 120, POLICY)
    assert "graduate" in actions(told)


def test_a_provider_with_hardly_any_mail_holds_nobody_up() -> None:
    def traffic(_: int, __: int, allowed: int) -> dict[str, DayCounts]:
        return mail(allowed - 4) | {"gmx": DayCounts(DAY, 4, deferred=4, throttling_deferrals=4)}

    told = live_through([a_life(1, 500, phase=4)], traffic, 30, POLICY)
    assert "graduate" in actions(told)
    assert told[10][0].proposal.throttle_factors == {"gmx": 0.1}


def test_one_bad_day_at_a_provider_is_punished_once() -> None:
    def traffic(_: int, day: int, allowed: int) -> dict[str, DayCounts]:
        throttling_deferrals = 80 if day == 5 else 0
        return mail(allowed // 2) | {
            "yahoo": DayCounts(
                DAY, allowed // 2, deferred=throttling_deferrals, throttling_deferrals=throttling_deferrals
            )
        }

    told = live_through([a_life(1, 500, **ACTIVE, daily_target=500)], traffic, 14, POLICY)
    throttle = [day[0].proposal.throttle_factors.get("yahoo", 1.0) for day in told]
    assert min(throttle) == 0.5
    assert throttle[-1] == 1.0


def test_the_guard_and_the_end_of_the_same_day_slow_once() -> None:
    day = DayCounts(DAY, 500, deferred=60, throttling_deferrals=60)
    providers = {
        "yahoo": (DayCounts(DAY, 100, deferred=60, throttling_deferrals=60),),
        "gmail": (DayCounts(DAY, 400),),
    }
    seen = observation((day,), ip=ACTIVE, given=1000, standing=1000, providers=providers)
    slowed = guard_ip(seen, POLICY, DAY)
    assert slowed is not None
    after = replace(
        seen, standing=slowed.allowance, throttle_factors=slowed.proposal.throttle_factors, slowed_on=slowed.proposal.slowed_on, bounds=slowed.bounds
    )  # fmt: skip
    assert guard_ip(after, POLICY, DAY) is None
    assert decide_day(after, POLICY, DAY, NEXT).throttle_factors == {"yahoo": 0.5}
    yesterday = decide_day(
        replace(after, days=sent(5, 500, until=DAY - timedelta(days=1))), POLICY, DAY - timedelta(days=1), DAY
    )
    assert yesterday.throttle_factors == {"yahoo": 0.5}


@pytest.mark.parametrize("trickle", [(2, 2), (6, 3), (1, 1)], ids=["half", "a third", "one each"])
def test_a_trickle_that_is_always_deferred_earns_nothing(trickle: tuple[int, int]) -> None:
    good, throttling_deferrals = trickle

    def traffic(_: int, __: int, allowed: int) -> dict[str, DayCounts]:
        return mail(allowed) | {
            "yahoo": DayCounts(
                DAY, good, deferred=throttling_deferrals, throttling_deferrals=throttling_deferrals
            )
        }

    life = replace(a_life(1, 500, **ACTIVE), throttle_factors={"yahoo": 0.2})
    told = live_through([life], traffic, 10, POLICY)
    assert all(day[0].proposal.throttle_factors.get("yahoo", 1.0) <= 0.2 for day in told)


@pytest.mark.parametrize("dealt", [True, False], ids=["dealt 0", "never dealt, in observe"])
def test_mail_without_accounting_that_can_be_trusted_advances_nothing(dealt: bool) -> None:
    seen = observation(sent(7, 500), given=0, standing=0, fresh_through=None, ip={"dealt": dealt})
    proposal = decide_day(seen, POLICY, DAY, NEXT)
    assert (proposal.action, proposal.cause) == ("hold", "overrun" if dealt else "accounting")


def test_a_pause_does_not_end_while_its_host_cannot_be_trusted() -> None:
    seen = observation((), ip={"pause": Pause(midnight(NEXT))}, trouble="the clock of mta-1 is 7200 s off")
    proposal = decide_day(seen, POLICY, DAY, NEXT)
    assert (proposal.action, proposal.wanted) == ("hold", 0)
    assert proposal.reason == "Its pause is over by date, but the clock of mta-1 is 7200 s off"


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({}, "idle"),
        ({"given": 0, "standing": 0}, "idle"),
        ({"held_by": "ops"}, "idle"),
        ({"days": sent(1, 9000, until=DAY - timedelta(days=29))}, "stay"),
        ({"fresh_through": None}, "hold"),
        ({"ip": {**ACTIVE, "state_since": midnight(DAY)}}, "stay"),
        ({"phase_started_on": DAY}, "stay"),
    ],
    ids=["30 days", "with no share", "under a person's brake", "29 days", "not known to be one", "new here", "a new stage"],
)  # fmt: skip
def test_after_a_long_silence_an_ip_warms_again(changes: dict[str, Any], action: str) -> None:
    days = changes.get("days", ())
    rest = {key: value for key, value in changes.items() if key != "days"}
    fields: dict[str, Any] = {"ip": ACTIVE, "given": 9000, "standing": 9000}
    proposal = decide_day(observation(days, **fields | rest), POLICY, DAY, NEXT)
    assert proposal.action == action
    if action == "idle":
        assert (proposal.event, proposal.phase, proposal.wanted) == ("idle", 1, 50)


def test_a_day_that_is_caught_up_late_is_judged_by_its_own_silence() -> None:
    seen = observation(sent(30, 9000), ip=ACTIVE, given=9000, standing=9000)
    assert decide_day(seen, POLICY, DAY, DAY + timedelta(days=40)).action == "stay"


def test_a_pause_that_a_person_prolonged_still_steps_back() -> None:
    stopped = midnight(DAY - timedelta(days=20))
    seen = observation(
        (), ip={"phase": 4, "pause": Pause(midnight(NEXT))}, last_stop_at=stopped,
        phase_started_on=DAY - timedelta(days=30), given=500, standing=500,
    )  # fmt: skip
    proposal = decide_day(seen, POLICY, DAY, NEXT)
    assert (proposal.action, proposal.phase) == ("resume", 3)


@pytest.mark.parametrize("rate", [0.14, 0.3, 0.6, 0.9, 0.97, 0.99, 1.0])
def test_a_day_on_which_the_whole_stream_bounces_stops_nobody(rate: float) -> None:
    lives = [a_life(n) for n in range(1, 11)]
    told = live_through(
        lives, lambda _, day, allowed: mail(allowed, bounced=rate if day == 3 else 0.02), 12, POLICY
    )
    assert not [o.reason for day in told for o in day if o.stops]
    assert {o.proposal.cause for o in told[3]} == {"list problem"}
    assert {actions(told, ip)[6] for ip in range(1, 11)} == {"advance"}


def test_a_recipient_list_that_is_bad_again_pauses_its_stream_without_a_date() -> None:
    lives = [a_life(n) for n in range(1, 11)]
    told = live_through(lives, lambda _, day, allowed: mail(allowed, bounced=0.3), 40, POLICY)
    pauses = [[o.proposal for o in day if o.proposal.action == "pause"] for day in told]
    first, second = (day for day in pauses if day)
    assert {p.pause.until is None for p in first if p.pause} == {False}
    assert {p.pause for p in second} == {Pause(None)}
    assert "until a person resumes it" in second[0].reason
    assert {o.proposal.action for o in told[-1]} == {"stay"}
    assert {o.reason for o in told[-1]} == {"It is paused until a person resumes it."}
