"""Re-entry, the rotation cycle and the warm-down."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from email_engine.fleet.model import IpState, Pause
from email_engine.warmup.growth import within_proof
from email_engine.warmup.observation import DnsHealth, IpObservation, midnight
from email_engine.warmup.parked import decide_parked
from email_engine.warmup.plan import Quotas, plan_tenant
from email_engine.warmup.policy import CycleStart
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Action, Proposal
from email_engine.warmup.rotation import due_for_rest, reentry_phase, rest_in_turn, warm_down
from tests.core.warmup.worlds import DAY, NEXT, observation, record, sent

POLICY = replace(load_policy(), cycle_active_days=90, reentry_phases_back=2)


@pytest.mark.parametrize(
    ("stopped_in", "phase", "back", "expected"),
    [
        ("warming", 5, 2, 3), ("warming", 2, 2, 1), ("warming", 1, 2, 1), ("warming", 6, 0, 6),
        ("active", 6, 2, 5), ("active", 1, 2, 5), ("active", 6, 9, 1),
    ],
)  # fmt: skip
def test_an_ip_warms_again_some_phases_lower(stopped_in: str, phase: int, back: int, expected: int) -> None:
    assert reentry_phase(IpState(stopped_in), phase, 6, back) == expected


def quarantined(**changes: Any) -> IpObservation:
    ip = {"state": IpState.QUARANTINE, "state_since": midnight(NEXT) - timedelta(days=8), "phase": 5}
    fields: dict[str, Any] = {
        "quarantined_from": IpState.WARMING,
        "minor_listing": True,
        "given": 0,
        "standing": 0,
    }
    return observation(ip=ip | changes.pop("ip", {}), **fields | changes)


@pytest.mark.parametrize(
    ("changes", "action", "wanted", "phase"),
    [
        pytest.param({}, "reenter", 250, 3, id="two phases lower"),
        pytest.param({"quarantined_from": IpState.ACTIVE}, "reenter", 1000, 5, id="from active"),
        pytest.param({"ip": {"daily_target": 100}}, "reenter", 100, 3, id="never above its target"),
        pytest.param({"quarantined_from": IpState.RETIRING}, "clean", 0, 1, id="from its warm-down to rest"),
        pytest.param({"minor_listing": False}, "clean", 0, 1, id="no minor listing"),
        pytest.param({"dns": DnsHealth.UNKNOWN}, "hold", 0, 5, id="DNS unknown"),
        pytest.param({"blocklists_known": False}, "hold", 0, 5, id="lists silent"),
        pytest.param({"ip": {"blacklisted_on": ("zen",)}}, "hold", 0, 5, id="still listed"),
        pytest.param(
            {"ip": {"state_since": midnight(NEXT) - timedelta(days=6)}}, "stay", 0, 5, id="too early"
        ),
    ],
)
def test_a_minor_listing_that_ended_leads_back_to_a_lower_stage(
    changes: dict[str, Any], action: str, wanted: int, phase: int
) -> None:
    chosen = decide_parked(quarantined(**changes), POLICY, NEXT)
    assert (chosen.action, chosen.wanted, chosen.phase) == (action, wanted, phase)
    assert chosen.event == (action if chosen.action in (Action.REENTER, Action.CLEAN) else None)


def test_silent_lists_end_no_rest() -> None:
    resting = observation(
        ip={"state": IpState.RESTING, "state_since": midnight(NEXT) - timedelta(days=40)},
        blocklists_known=False,
    )
    chosen = decide_parked(resting, POLICY, NEXT)
    assert (chosen.action, chosen.event) == (Action.HOLD, None)


def active(number: int, days: int, pool: str = "p", state: str = "active", **changes: Any) -> IpObservation:
    ip = {"state": IpState(state), "state_since": midnight(NEXT) - timedelta(days=days), "pool": pool}
    return observation(changes.pop("days_sent", ()), number=number, ip=ip | changes.pop("ip", {}), **changes)


@pytest.mark.parametrize(
    ("fleet", "due"),
    [
        pytest.param([active(1, 90), active(2, 89)], {1}, id="ninety days"),
        pytest.param([active(1, 89), active(2, 1)], set(), id="not yet"),
        pytest.param([active(1, 95), active(2, 120), active(3, 200)], {3}, id="the longest active, one at a time"),
        pytest.param([active(2, 95), active(1, 95)], {1}, id="the older of two alike"),
        pytest.param([active(1, 200)], set(), id="never the last"),
        pytest.param([active(1, 200), active(2, 5, state="warming")], set(), id="a warming one carries no pool"),
        pytest.param([active(1, 200), active(2, 9), active(3, 3, state="retiring")], set(), id="one warms down"),
        pytest.param([active(1, 200), active(2, 9), active(3, 3, state="resting")], {1}, id="a resting one is done"),
        pytest.param([active(1, 200), active(2, 9, held_by="ops")], set(), id="the other is held"),
        pytest.param(
            [active(1, 200), active(2, 9, ip={"pause": Pause(midnight(NEXT))})], set(), id="the other is paused"
        ),
        pytest.param([active(1, 200, ip={"blacklisted_on": ("zen",)}), active(2, 9)], set(), id="a listed one"),
        pytest.param([active(1, 200), active(2, 9), active(3, 99, "q"), active(4, 98, "q")], {1, 3}, id="two pools"),
    ],
)  # fmt: skip
def test_who_is_due_for_a_rest(fleet: list[IpObservation], due: set[int]) -> None:
    found = due_for_rest(fleet, POLICY, NEXT)
    assert set(found) == due
    assert all("of a cycle of 90, so it is due for a rest" in reason for reason in found.values())


FLEET = [active(1, 200, given=700, standing=700), active(2, 9, given=700, standing=700)]
STAY, HOLD = (
    Proposal(Action.STAY, "Its rates hold", 10_000, 6),
    Proposal(Action.HOLD, "Nothing advances", 700, 6),
)


@pytest.mark.parametrize(
    ("start", "first", "action", "event", "wanted", "words"),
    [
        ("never", STAY, "stay", None, 10_000, "Its rates hold"),
        ("tell", STAY, "stay", None, 10_000, "Its rates hold. It was active for 200 days of a cycle of 90"),
        ("automatic", STAY, "retire", "retire", 700, "it warms down in 3 steps, from 700 messages a day"),
        ("automatic", HOLD, "hold", None, 700, "Nothing advances"),
    ],
    ids=["never", "tell", "automatic", "not while anything holds it"],
)
def test_policy_says_what_happens_to_who_is_due(
    start: str, first: Proposal, action: str, event: str | None, wanted: int, words: str
) -> None:
    policy = replace(POLICY, cycle_start=CycleStart(start))
    chosen, other = rest_in_turn(FLEET, [first, STAY], policy, NEXT)
    assert (chosen.action, chosen.event, chosen.wanted) == (action, event, wanted)
    assert words in chosen.reason
    assert other is STAY


@pytest.mark.parametrize(
    ("state", "action", "sent_days", "standing", "dealt", "wanted"),
    [
        pytest.param(
            "active", "stay", sent(3, 8000), 8000, True, 16_000, id="twice what it sent on three days"
        ),
        pytest.param("active", "stay", sent(2, 8000), 8000, True, 10_000, id="two days prove nothing"),
        pytest.param("active", "stay", sent(30, 400), 10_000, True, 10_000, id="an idle one does not jump"),
        pytest.param("active", "resume", (), 0, True, 10_000, id="nor one that was paused"),
        pytest.param("active", "stay", (), 40_000, True, 40_000, id="what it has it keeps"),
        pytest.param("active", "stay", sent(9, 30_000), 40_000, True, 50_000, id="its target"),
        pytest.param(
            "active",
            "stay",
            sent(9, 30_000, DAY - timedelta(days=7)),
            0,
            True,
            10_000,
            id="what is long ago proves nothing",
        ),
        pytest.param("active", "stay", (), 0, False, 50_000, id="one that came aboard with its proof"),
        pytest.param("retiring", "warm_down", (), 0, True, 10_000, id="one that retires"),
        pytest.param("warming", "graduate", sent(7, 2000), 2000, True, 4_000, id="one that graduates"),
        pytest.param("warming", "stay", (), 0, False, 10_000, id="one that comes aboard in a high phase"),
        pytest.param(
            "warming", "advance", sent(7, 25_000), 25_000, True, 50_000, id="a warming one by its schedule"
        ),
    ],
)
def test_nobody_jumps_to_a_high_target(
    state: str, action: str, sent_days: Any, standing: int, dealt: bool, wanted: int
) -> None:
    came = 50_000 if state == "active" else 0
    ip = {"dealt": dealt, "warmed_to": came, "daily_target": 50_000}
    seen = active(1, 40, state=state, ip=ip, days_sent=sent_days, standing=standing)
    (chosen,) = within_proof([seen], [Proposal(Action(action), "Its rates hold", 50_000, 6)], POLICY, NEXT)
    assert chosen.wanted == wanted
    assert ("its target of 50000" in chosen.reason) is (wanted < 50_000)


def test_a_target_that_was_raised_before_the_first_day_is_grown_into() -> None:
    ip = {"dealt": False, "warmed_to": 0, "daily_target": 5_000_000}
    seen = active(1, 1, ip=ip, standing=0, phase_started_on=DAY)
    (ip_decision,) = plan_tenant([seen], POLICY, Quotas(50_000_000), DAY, NEXT)
    assert ip_decision.allowance == POLICY.unwarmed_max
    said = replace(seen, ip=replace(seen.ip, warmed_to=50_000))
    (ip_decision,) = plan_tenant([said], POLICY, Quotas(50_000_000), DAY, NEXT)
    assert ip_decision.allowance == 50_000


@pytest.mark.parametrize(
    ("days", "standing", "expected"),
    [
        (0, 8000, 5000),
        (2, 8000, 5000),
        (3, 5000, 2500),
        (6, 2500, 1000),
        (9, 1000, None),
        (0, 70, 70),
        (0, 0, 5000),
    ],
)
def test_a_warm_down_falls_by_steps_and_never_rises(days: int, standing: int, expected: int | None) -> None:
    since = datetime(2026, 11, 1, 15, tzinfo=UTC)
    ip = record(state=IpState.RETIRING, state_since=since)
    assert warm_down(ip, POLICY, since.date() + timedelta(days=days), standing) == expected


def test_a_plan_retires_in_turn_and_holds_to_what_is_proven() -> None:
    policy = replace(POLICY, cycle_start=CycleStart.AUTOMATIC)
    kept: dict[str, Any] = {"given": 9000, "standing": 9000, "days_sent": sent(30, 9000)}
    fleet = [active(n, 100 - n, ip={"daily_target": 50_000}, **kept) for n in (1, 2, 3)]
    ip_decisions = plan_tenant(fleet, policy, Quotas(1_000_000), DAY, NEXT)
    assert [(o.proposal.action, o.allowance) for o in ip_decisions] == [
        ("retire", 9000), ("stay", 18_000), ("stay", 18_000),
    ]  # fmt: skip
    assert ip_decisions[0].proposal.event == "retire"
