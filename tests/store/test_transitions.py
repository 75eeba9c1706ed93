"""What a person moved, as rows: decision, history, state, plan, allowance and brake together."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from email_engine.decision import Origin
from email_engine.errors import InputError
from email_engine.fleet.model import Pause
from email_engine.store import schema, versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.judgement import transitions
from email_engine.store.judgement.observations import observe, quotas
from email_engine.store.stops import brake_ends, brakes
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.transition_request import read_request
from email_engine.warmup.transitions_by_hand import answer
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.lifecycle_rows import well_known

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
POLICY = load_policy()


def fleet(store: Store, state: str, days: int = 20, **more: Any) -> int:
    """One IP, `days` in its state, block lists and DNS known and good, with an allowance of 250 where it sends."""
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn)
        ip_id = add_ip(conn, 1, state=state, since=NOW - timedelta(days=days), **more)
        well_known(conn, ip_id, NOW)
        if state in ("warming", "active", "retiring"):
            version = versions.bump(conn, "test")
            ips.set_allowance(conn, ip_id, "aurora", NOW.date() - timedelta(days=1), 250, version, None)
    return ip_id


def move(store: Store, event: str, run_id: str = "run-1", **form: Any) -> int | None:
    given = {"event": event, "reason": "asked for", "until": None, "cause": None} | form
    request = read_request(given, NOW.date())
    with store.session("*") as conn:
        seen = observe(conn, "aurora", NOW.date(), NOW.date(), POLICY, NOW)
        done = answer(seen, {one.ip.ip_id for one in seen}, request, POLICY, quotas(conn, "aurora"), NOW)
        assert done.refused == ()
        asking = transitions.Asking(request, Origin("ops", NOW, "ip_transition", run_id), POLICY.digest)
        return transitions.record(conn, done.moves, asking)


def row(store: Store, table: Any) -> dict[str, Any]:
    with store.session("*") as conn:
        return dict(conn.execute(select(table).order_by(table.c.id.desc()).limit(1)).mappings().one())


def brake(store: Store) -> dict[str, Any] | None:
    with store.session("*") as conn:
        found = conn.execute(select(schema.brakes)).mappings().one_or_none()
    return None if found is None else dict(found)


def state(store: Store, day: datetime = NOW) -> Any:
    with store.session("*") as conn:
        return ips.load_ips(conn, day=day.date())[0]


def test_a_pause_is_a_date_on_the_plan_and_the_brake_at_once(store: Store) -> None:
    fleet(store, "warming", plan={"phase": 3})
    version = move(store, "pause", until="2026-11-20")
    ip = state(store)
    assert (ip.state, ip.pause, ip.allowance, ip.braked, ip.phase) == (
        "warming", Pause(datetime(2026, 11, 20, tzinfo=UTC)), 0, True, 3,
    )  # fmt: skip
    assert ip.state_since == NOW - timedelta(days=20)
    history = row(store, schema.ip_state_history)
    assert (history["from_status"], history["to_status"], history["event"], history["actor"]) == (
        "warming", "warming", "pause", "ops",
    )  # fmt: skip
    decided = row(store, schema.decisions)
    assert (decided["pipeline"], decided["run_key"], decided["action"], decided["applied"]) == (
        "ip_transition", "run-1", "pause", True,
    )  # fmt: skip
    assert decided["reason"] == "ops: asked for. It is paused until 2026-11-20."
    assert decided["inputs"]["until"] == "2026-11-20"
    assert history["decision_id"] == decided["id"]
    assert row(store, schema.allowances)["fleet_version"] == version
    assert row(store, schema.warmup_plans)["pause_reason"] == "asked for. It is paused until 2026-11-20."


def test_resuming_ends_the_pause_and_asks_the_brake_to_let_go(store: Store) -> None:
    ip_id = fleet(store, "warming", plan={"phase": 3})
    move(store, "pause", until="2026-11-20")
    move(store, "resume", "run-2")
    held = brake(store)
    assert held is not None
    assert held["release_asked_at"] == NOW
    with store.session("*") as conn:
        assert brake_ends.released(conn, held["id"], NOW)
    ip = state(store)
    assert (ip.ip_id, ip.pause, ip.allowance, ip.phase) == (ip_id, None, 250, 3)
    assert row(store, schema.warmup_plans)["pause_reason"] is None


def test_a_start_begins_at_phase_1_and_lets_go(store: Store) -> None:
    ip_id = fleet(store, "standby", plan={"phase": 4, "sent_days_in_phase": 3})
    with store.session("*") as conn:
        brakes.engage(
            conn,
            ips.load_ips(conn, day=NOW.date())[0],
            "rests",
            Origin("w", NOW, "warmup_advance", "r"),
            None,
        )
    move(store, "start")
    plan = row(store, schema.warmup_plans)
    assert (plan["phase"], plan["phase_started_on"], plan["sent_days_in_phase"]) == (1, NOW.date(), 0)
    held = brake(store)
    assert held is not None
    assert held["release_asked_at"] == NOW
    with store.session("*") as conn:
        brake_ends.released(conn, held["id"], NOW)
    ip = state(store)
    assert (ip.ip_id, ip.state, ip.state_since, ip.allowance) == (ip_id, "warming", NOW, 50)


@pytest.mark.parametrize(
    ("before", "event", "form", "after"),
    [
        ("active", "quarantine", {}, "quarantine"),
        ("retiring", "quarantine", {"until": "2026-12-24"}, "quarantine"),
        ("standby", "abandon", {}, "abandoned"),
        ("resting", "abandon", {}, "abandoned"),
    ],
)
def test_what_stops_stands_still_at_once(
    store: Store, before: str, event: str, form: dict[str, str], after: str
) -> None:
    fleet(store, before)
    move(store, event, **form)
    ip = state(store)
    assert (ip.state, ip.allowance, ip.braked, ip.state_since) == (after, 0, True, NOW)
    ends = datetime(2026, 12, 24, tzinfo=UTC) if form else NOW + timedelta(days=7)
    assert ip.quarantine_until == (ends if event == "quarantine" else None)


def test_a_release_names_its_cause_and_leads_to_rest_with_the_brake_still_on(store: Store) -> None:
    fleet(store, "quarantine", quarantine_until=NOW - timedelta(days=1))
    move(store, "release", cause="an affiliate's list")
    ip = state(store)
    assert (ip.state, ip.quarantine_until, ip.phase) == ("resting", None, 1)
    assert row(store, schema.decisions)["inputs"]["cause"] == "an affiliate's list"
    assert row(store, schema.ip_state_history)["reason"].endswith("Cause: an affiliate's list.")
    assert brake(store) is None


def test_a_warm_down_begins_with_its_first_part_and_no_brake(store: Store) -> None:
    fleet(store, "active")
    move(store, "retire")
    ip = state(store)
    assert (ip.state, ip.allowance, ip.braked) == ("retiring", 250, False)


def test_a_paused_ip_that_retires_stays_paused(store: Store) -> None:
    fleet(store, "active")
    move(store, "pause", until="2026-11-20")
    move(store, "retire", "run-2")
    ip = state(store)
    assert (ip.state, ip.pause, ip.braked) == ("retiring", Pause(datetime(2026, 11, 20, tzinfo=UTC)), True)


def test_a_state_that_changed_meanwhile_is_refused_and_nothing_stays(store: Store) -> None:
    ip_id = fleet(store, "active")
    request = read_request({"event": "retire", "reason": "asked for"}, NOW.date())
    with store.session("*") as conn:
        seen = observe(conn, "aurora", NOW.date(), NOW.date(), POLICY, NOW)
        done = answer(seen, {ip_id}, request, POLICY, quotas(conn, "aurora"), NOW)
        conn.execute(update(schema.ips).values(status="quarantine"))
    asking = transitions.Asking(request, Origin("ops", NOW, "ip_transition", "run-1"), POLICY.digest)
    with pytest.raises(InputError, match="event retire in state quarantine"), store.session("*") as conn:
        transitions.record(conn, done.moves, asking)
    with store.session("*") as conn:
        assert conn.execute(select(func.count()).select_from(schema.decisions)).scalar_one() == 0


def test_a_run_that_moved_an_ip_is_known(store: Store) -> None:
    fleet(store, "active")
    move(store, "retire")
    with store.session("*") as conn:
        ip = ips.load_ips(conn, day=NOW.date())[0]
        assert transitions.done(conn, "run-1", ip)
        assert not transitions.done(conn, "run-2", ip)
