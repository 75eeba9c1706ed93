"""Brakes of single providers: made and let go by what the judgement suspends, day by day."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from email_engine.decision import Origin
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.judgement import observations, warmup
from email_engine.store.judgement.forecasts import standings
from email_engine.store.stops import brakes
from email_engine.warmup.guard import guard_tenant
from email_engine.warmup.observation import midnight
from email_engine.warmup.plan import plan_tenant
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.rows import PIPELINE, Writing, rows_of
from tests.fleet_rows import add_host, add_hour, add_ip, add_tenant

POLICY = load_policy()
LAST = date(2026, 11, 20)
GOOD = {"gmail": 800, "yahoo": 200}


def mail(store: Store, ip_id: int, day: date, refused: dict[str, int], tenant: str = "aurora") -> None:
    with store.session("*") as conn:
        for provider, count in GOOD.items():
            bad = refused.get(provider, 0)
            meanings = {"reputation": bad} if bad else {}
            add_hour(
                conn, ip_id, midnight(day) + timedelta(hours=12), provider, tenant=tenant,
                delivered=count - bad, bounced=bad, bounce_meanings=meanings,
            )  # fmt: skip


def fleet(store: Store, tenant: str = "aurora", mode: str = "act", number: int = 1) -> int:
    with store.session("*") as conn:
        if number == 1:
            add_host(conn)
        add_tenant(conn, tenant, mode=mode)
        plan = {"phase": 6, "phase_started_on": LAST - timedelta(days=60), "target_daily_quota": 2_000}
        ip_id = add_ip(conn, number, tenant=tenant, state="active", plan=plan)
        version = versions.bump(conn, "test")
        ips.set_allowance(conn, ip_id, tenant, LAST - timedelta(days=20), 2_000, version, None)
    for n in range(1, 12):
        mail(store, ip_id, LAST - timedelta(days=n), {}, tenant)
    return ip_id


def close(store: Store, day: date, tenant: str = "aurora") -> None:
    effective = day + timedelta(days=1)
    at = midnight(effective)
    with store.session("*") as conn:
        conn.execute(s.mta_hosts.update().values(accounting_checked_at=at))
        seen = observations.observe(conn, tenant, day, effective, POLICY)
        found = plan_tenant(seen, POLICY, observations.quotas(conn, tenant), day, effective)
        writing = Writing(
            day, effective, Origin("test", at, PIPELINE, f"{day}"), POLICY.digest, policy=POLICY
        )
        warmup.record(conn, rows_of(found, writing), writing)


def guard(store: Store, day: date, tenant: str = "aurora") -> None:
    at = midnight(day) + timedelta(hours=15)
    with store.session("*") as conn:
        seen = observations.observe(conn, tenant, day, day, POLICY, at)
        found, _ = guard_tenant(seen, POLICY, day)
        origin = Origin("test", at, "reputation_guard", f"{day}")
        writing = Writing(
            day, day + timedelta(days=1), origin, POLICY.digest, POLICY, "reputation_guard", at_once=True
        )
        warmup.record(conn, rows_of(found, writing), writing)


def standing(store: Store) -> dict[str, bool]:
    """By provider: was its release asked?"""
    with store.session("*") as conn:
        return {b.provider: b.release_asked_at is not None for b in brakes.engaged(conn, providers=True)}


@pytest.mark.parametrize("when", [guard, close], ids=["while the day runs", "at its end"])
def test_a_provider_that_refuses_is_held_and_the_ip_is_not(store: Store, when) -> None:
    ip_id = fleet(store)
    mail(store, ip_id, LAST, {"yahoo": 80})
    when(store, LAST)
    assert standing(store) == {"yahoo": False}
    with store.session("*") as conn:
        (found,) = brakes.engaged(conn, providers=True)
        assert brakes.engaged(conn) == ()
        assert not ips.load_ips(conn, day=LAST)[0].braked
        decision = conn.execute(select(s.decisions.c.reason, s.brakes.c.decision_id).join(s.brakes)).one()
        assert [one.suspended for one in standings(conn, day=LAST)] == [("yahoo",)]
    assert "yahoo" in found.reason.lower()
    assert decision.reason == found.reason


def test_it_is_probed_after_a_day_and_held_again_when_it_refuses_the_probe(store: Store) -> None:
    ip_id = fleet(store)
    mail(store, ip_id, LAST, {"yahoo": 80})
    close(store, LAST)
    close(store, LAST + timedelta(days=1))
    assert standing(store) == {"yahoo": True}
    with store.session("*") as conn:
        (ip,) = ips.load_ips(conn, day=LAST + timedelta(days=2))
        assert ip.bounds["yahoo"] == POLICY.suspend.probe
    mail(store, ip_id, LAST + timedelta(days=2), {"yahoo": 150})
    close(store, LAST + timedelta(days=2))
    assert standing(store) == {"yahoo": False}, "the release is called off"


def test_nothing_is_held_of_a_tenant_in_observe_nor_of_another_one(store: Store) -> None:
    observed, other = fleet(store, mode="observe"), fleet(store, "borealis", number=2)
    for ip_id, tenant in ((observed, "aurora"), (other, "borealis")):
        mail(store, ip_id, LAST, {"yahoo": 80} if tenant == "aurora" else {}, tenant)
        close(store, LAST, tenant)
    assert standing(store) == {}


def test_what_no_list_of_domains_covers_is_not_held(store: Store) -> None:
    ip_id = fleet(store)
    with store.session("*") as conn:
        for n in range(12):
            hour = midnight(LAST - timedelta(days=n)) + timedelta(hours=12)
            bad = 80 if n == 0 else 0
            meanings = {"reputation": bad} if bad else {}
            add_hour(conn, ip_id, hour, "other", delivered=200 - bad, bounced=bad, bounce_meanings=meanings)
    mail(store, ip_id, LAST, {})
    close(store, LAST)
    with store.session("*") as conn:
        assert conn.execute(select(s.warmup_plans.c.paces)).scalar_one() == {"other": 0.0}
    assert standing(store) == {}


def test_a_brake_of_the_ip_and_one_of_its_provider_stand_beside_each_other(store: Store) -> None:
    ip_id = fleet(store)
    mail(store, ip_id, LAST, {"yahoo": 80})
    close(store, LAST)
    with store.session("*") as conn:
        (ip,) = ips.load_ips(conn, day=LAST)
        brakes.engage(conn, ip, "by hand", Origin("ops", midnight(LAST), brakes.BY_HAND, "r"), None)
        assert standing(store) == {"yahoo": False}
    assert standing(store) == {"*": False, "yahoo": False}
    with store.session("*") as conn:
        assert brakes.ask_release(conn, ip_id, midnight(LAST), by_hand=True)
    assert standing(store) == {"*": True, "yahoo": False}


AT = datetime(2026, 11, 10, 12, 30, tzinfo=UTC)
