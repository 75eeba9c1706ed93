"""A forecast says when an IP graduates if every day is sent, and it comes true."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from email_engine.fleet.model import PARKED_STATES, IpState, Pause
from email_engine.fleet.traffic import DayCounts, Days
from email_engine.lifecycle.machine import next_state
from email_engine.warmup.carried_state import carried_state_after
from email_engine.warmup.forecast import Forecast, forecast
from email_engine.warmup.observation import DnsHealth, IpObservation, midnight
from email_engine.warmup.plan import IpDecision, Quotas, plan_tenant
from email_engine.warmup.policy import CycleStart
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Action
from tests.core.warmup.worlds import DAY, NEXT, observation, sent

POLICY = replace(load_policy(), providers={}, cycle_start=CycleStart.NEVER)
AUTOMATIC = replace(POLICY, auto_start_standby=True)


def told(seen, policy=POLICY, quota: int = 1_000_000) -> Forecast:
    (ip_decision,) = plan_tenant([seen], policy, Quotas(quota), DAY, NEXT)
    return forecast(ip_decision, policy, DAY, NEXT)


def live(seen: IpObservation, policy, days: int = 500) -> tuple[date | None, date | None]:
    """What was forecast on the first evening, and what came: each day is sent in full, and all of it delivered."""
    first: date | None = None
    for n in range(days):
        day = DAY + timedelta(days=n)
        effective = day + timedelta(days=1)
        rests = seen.ip.state in PARKED_STATES or seen.ip.pause is not None
        counts = () if rests or not seen.standing else (DayCounts(day, seen.standing),)
        seen = replace(
            seen,
            days=Days.of([*seen.days[-29:], *counts]),
            given=seen.standing,
            fresh_through=midnight(effective),
        )
        (ip_decision,) = plan_tenant([seen], policy, Quotas(1_000_000), day, effective)
        if n == 0:
            first = forecast(ip_decision, policy, day, effective).graduates_on
        if ip_decision.proposal.action is Action.GRADUATE:
            return first, effective
        seen = morning(ip_decision, effective)
    return first, None


def morning(ip_decision: IpDecision, effective: date) -> IpObservation:
    """The IP after its decision, as the database would hold it."""
    seen, proposal, carried = (
        ip_decision.observation,
        ip_decision.proposal,
        carried_state_after(ip_decision, effective),
    )
    ip = replace(seen.ip, phase=carried.phase, pause=carried.pause)
    if proposal.event is not None:
        ip = replace(
            ip,
            state=next_state(ip.state, proposal.event),
            state_since=midnight(effective),
            quarantine_until=proposal.quarantine_until,
        )
    return replace(
        seen,
        ip=ip,
        standing=ip_decision.allowance,
        phase_started_on=carried.phase_started_on,
        last_stop_at=carried.last_stop_at,
        throttle_factors=carried.throttle_factors,
    )


def warming(schedule: str, phase: int, target: int = 10_000, **changes) -> IpObservation:
    stages = POLICY.schedules[schedule].stages
    standing = min(stages[min(phase, len(stages)) - 1], target)
    ip = {"schedule": schedule, "phase": phase, "daily_target": target, "state_since": midnight(DAY)}
    return observation(standing=standing, phase_started_on=DAY, ip=ip | changes)


@pytest.mark.parametrize(
    ("schedule", "phase"),
    [(name, phase) for name, plan in POLICY.schedules.items() for phase in range(1, len(plan.stages) + 1)],
)
def test_a_healthy_ip_graduates_on_the_day_that_was_told(schedule: str, phase: int) -> None:
    first, came = live(warming(schedule, phase), POLICY)
    assert first == came is not None


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(POLICY.schedules)),
    st.integers(1, 6),
    st.sampled_from([40, 50, 900, 2_000, 10_000]),
    st.integers(0, 12),
    st.booleans(),
)
def test_it_comes_true_whatever_the_target_and_after_a_pause(
    schedule: str, phase: int, target: int, pause: int, blamed: bool
) -> None:
    seen = warming(schedule, phase, target)
    if pause:
        until = midnight(NEXT + timedelta(days=pause))
        stopped = midnight(NEXT) if blamed else None
        seen = replace(seen, ip=replace(seen.ip, pause=Pause(until)), last_stop_at=stopped)
    first, came = live(seen, POLICY)
    assert first == came is not None


@pytest.mark.parametrize("state", [IpState.STANDBY, IpState.RESTING, IpState.QUARANTINE])
@pytest.mark.parametrize("ago", [0, 3, 40])
def test_a_parked_ip_is_told_to_the_day_where_it_starts_by_itself(state: IpState, ago: int) -> None:
    seen = warming("double", 1, state=state, state_since=midnight(DAY - timedelta(days=ago)))
    first, came = live(replace(seen, standing=0, phase_started_on=None), AUTOMATIC)
    assert first == came is not None


def test_a_slowed_ip_is_told_with_the_days_that_it_needs_to_speed_up() -> None:
    days = sent(7, 100)
    plain = observation(days, ip={"phase": 2}, standing=100)
    fast, slow = told(plain), told(replace(plain, throttle_factors={"*": 0.5}))
    assert fast.graduates_on is not None
    assert slow.graduates_on is not None
    assert fast.graduates_on < slow.graduates_on <= fast.graduates_on + timedelta(days=12)


BAD = sent(7, 50)


@pytest.mark.parametrize(
    ("seen", "dated", "words"),
    [
        (observation(BAD), True, None),
        (observation(BAD, trouble="its clock is 300 s off"), True, "its clock is 300 s off"),
        (observation(BAD, dns=DnsHealth.BROKEN, dns_broken=("spf",)), True, "its DNS is broken (spf)"),
        (observation(BAD, fresh_through=None), True, "the accounting of mta-1 never came"),
        (observation(BAD, dns=DnsHealth.UNKNOWN), True, "its DNS was not checked lately"),
        (observation(sent(3, 50), ip={"blacklisted_on": ("zen",)}), True, "it is listed on zen"),
        (observation(sent(5, 12)), True, "it sent 12 on 2026-11-20, and a day counts from 45 on"),
        (observation(sent(8, 14), ip={"phase": 2, "daily_target": 14}), False, None),
        (observation(ip={"pause": Pause(midnight(DAY + timedelta(days=5)))}), True, "it is paused until 2026-11-25"),
        (observation(ip={"state": IpState.ACTIVE}, given=0, phase_started_on=DAY), False, None),
        (observation(ip={"state": IpState.STANDBY}, given=0), False, "until a person starts it"),
        (observation(ip={"state": IpState.STANDBY, "state_since": midnight(DAY)}, given=0), False,
         "until it was clean for 7 days, on 2026-11-27"),
        (observation(ip={"state": IpState.RESTING, "state_since": midnight(DAY)}, given=0), False,
         "it rests until 2026-12-20"),
        (observation(ip={"state": IpState.ABANDONED}, given=0), False, None),
    ],
)  # fmt: skip
def test_what_stands_in_its_way_is_said(seen, dated: bool, words: str | None) -> None:
    found = told(seen)
    assert (found.graduates_on is not None) is dated
    if words is None:
        assert found.blocked_by is None
    else:
        assert words in (found.blocked_by or "")


def test_a_gate_that_does_not_pass_yet_is_named() -> None:
    seen = observation(sent(7, 95, bounced=5), ip={"phase": 2}, standing=100)
    found = told(seen)
    assert "bounces of 700" in (found.blocked_by or "")
    assert found.graduates_on is not None


def test_without_room_in_the_quota_there_is_no_day() -> None:
    assert told(observation(sent(3, 50)), quota=30) == Forecast(None, "the quota leaves it 30 of 50 a day")
    standby = observation(ip={"state": IpState.STANDBY}, given=0)
    found = told(standby, AUTOMATIC, quota=9_000)
    assert found.graduates_on is None
    assert found.blocked_by == "the quota of 9000 messages a day cannot keep another IP warm"
