"""A domain that comes to an IP which sends: what the tables say, and what the IP may send from that moment on."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from email_engine.decision import Origin
from email_engine.fleet.inventory import plan_inventory
from email_engine.fleet.model import DomainWarmup
from email_engine.lifecycle.machine import Cause, Event, transition_of
from email_engine.pipelines.new_domains import limit_new_domains
from email_engine.pipelines.run import Run
from email_engine.pipelines.warmup_advance import close_days
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.fleet.inventory import apply_inventory, load_fleet
from email_engine.store.fleet.ips import load_ips, set_allowance
from email_engine.store.judgement import transitions
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.proposal import Action, Proposal
from email_engine.warmup.transition_request import Request
from email_engine.warmup.transitions_by_hand import Move
from tests.fleet_rows import add_host, add_ip, add_tenant

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TODAY = NOON.date()
POLICY = load_policy()
NEW = "fresh.aurora-mail.example"


def run(at: datetime = NOON, name: str = "r1", dry_run: bool = False) -> Run:
    return Run("warmup_advance", name, at, dry_run, "warmup_advance", {})


@pytest.fixture
def fleet(store: Store) -> SimpleNamespace:
    """An active IP of aurora and one of borealis (in observe) with 10,000 a day; and aurora's in standby, never dealt anything."""
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn, "aurora")
        add_tenant(conn, "borealis", mode="observe")
        ids = SimpleNamespace(
            active=add_ip(conn, 1, state="active"),
            observed=add_ip(conn, 1, tenant="borealis", network="203.0.113", state="active"),
            standby=add_ip(conn, 2, state="standby"),
            fresh=add_ip(conn, 3, state="active"),
        )
        for ip_id, tenant in ((ids.active, "aurora"), (ids.observed, "borealis"), (ids.standby, "aurora")):
            set_allowance(conn, ip_id, tenant, date(2026, 11, 1), 10_000, versions.bump(conn, "test"), None)
        return ids


def rename(store: Store, ip_id: int, name: str, at: datetime = NOON) -> None:
    with store.session("*") as conn:
        before = load_fleet(conn)
        address = conn.execute(select(s.ips.c.address).where(s.ips.c.id == ip_id)).scalar_one()
        ips = tuple(replace(ip, domain=name) if str(ip.address) == str(address) else ip for ip in before.ips)
        plan = plan_inventory(replace(before, ips=ips), before)
        apply_inventory(conn, plan, as_of=at, dag_id=None, run_id=None, actor="test")


def stands(store: Store, ip_id: int, day: date = TODAY):
    with store.session("*") as conn:
        return next(ip for ip in load_ips(conn, day=day) if ip.ip_id == ip_id)


def limited(store: Store, at: datetime = NOON) -> list[int]:
    with store.session("*") as conn:
        return [ip.ip_id for ip in limit_new_domains(conn, POLICY, run(at))]


def domain_of(store: Store, ip_id: int) -> str:
    return stands(store, ip_id).domain


def test_a_new_domain_of_a_sending_ip_begins_its_ladder_and_limits_the_running_day(
    store: Store, fleet
) -> None:
    rename(store, fleet.active, NEW)
    assert limited(store) == [fleet.active]
    ip = stands(store, fleet.active)
    assert ip.domain_warmup == DomainWarmup(TODAY, 1, TODAY + timedelta(days=1))
    assert ip.allowance == 50
    with store.session("*") as conn:
        rows = conn.execute(select(s.decisions).where(s.decisions.c.kind == "domain")).mappings().all()
    assert [(row["action"], row["applied"]) for row in rows] == [("limit", True)]
    assert NEW in rows[0]["reason"]


def test_applying_and_limiting_again_changes_nothing(store: Store, fleet) -> None:
    rename(store, fleet.active, NEW)
    limited(store)
    with store.session("*") as conn:
        before = versions.current(conn)
    rename(store, fleet.active, NEW, NOON + timedelta(days=3))
    assert limited(store) == []
    assert stands(store, fleet.active).domain_warmup == DomainWarmup(TODAY, 1, TODAY + timedelta(days=1))
    with store.session("*") as conn:
        assert versions.current(conn) == before


def test_other_ips_and_tenants_are_left_alone(store: Store, fleet) -> None:
    rename(store, fleet.active, NEW)
    limited(store)
    others = [stands(store, ip_id) for ip_id in (fleet.observed, fleet.standby, fleet.fresh)]
    assert [ip.domain_warmup for ip in others] == [None, None, None]
    assert others[0].allowance == 10_000


def test_of_a_tenant_in_observe_nothing_is_limited(store: Store, fleet) -> None:
    rename(store, fleet.observed, "fresh.borealis-mail.example")
    assert stands(store, fleet.observed).domain_warmup is not None
    assert limited(store) == []
    assert stands(store, fleet.observed).allowance == 10_000


@pytest.mark.parametrize("which", ["standby", "fresh"])
def test_in_standby_or_before_anything_was_decided_no_ladder_begins(store: Store, fleet, which: str) -> None:
    ip_id = getattr(fleet, which)
    rename(store, ip_id, NEW)
    assert stands(store, ip_id).domain == NEW
    assert stands(store, ip_id).domain_warmup is None


@pytest.mark.parametrize(("days", "kept"), [(0, False), (29, False), (30, True)])
def test_the_warm_domain_that_comes_back_while_receivers_remember_it_needs_no_ladder(
    store: Store, fleet, days: int, kept: bool
) -> None:
    old = domain_of(store, fleet.active)
    rename(store, fleet.active, NEW)
    rename(store, fleet.active, "other.aurora-mail.example", NOON + timedelta(hours=1))
    rename(store, fleet.active, old, NOON + timedelta(days=days))
    assert (stands(store, fleet.active).domain_warmup is not None) is kept


def test_a_domain_that_never_was_warm_is_not_trusted_when_it_comes_back(store: Store, fleet) -> None:
    rename(store, fleet.active, NEW)
    rename(store, fleet.active, "other.aurora-mail.example", NOON + timedelta(days=1))
    rename(store, fleet.active, NEW, NOON + timedelta(days=2))
    day = TODAY + timedelta(days=2)
    assert stands(store, fleet.active).domain_warmup == DomainWarmup(day, 1, day + timedelta(days=1))


def test_the_closed_day_takes_the_lesser_and_writes_where_the_domain_stands(store: Store, fleet) -> None:
    rename(store, fleet.active, NEW)
    limited(store)
    midnight = datetime(2026, 11, 21, 0, 5, tzinfo=UTC)
    close_days(store, "aurora", run(midnight, "r2"))
    ip = stands(store, fleet.active, TODAY + timedelta(days=1))
    assert ip.allowance <= 50
    assert ip.domain_warmup == DomainWarmup(TODAY, 1, TODAY + timedelta(days=1))
    with store.session("*") as conn:
        row = conn.execute(
            select(s.decisions.c.reason).where(
                s.decisions.c.pipeline == "warmup_advance", s.decisions.c.subject == "198.51.100.1"
            )
        ).scalar_one()
    assert NEW in row


def test_a_start_by_hand_ends_the_ladder_of_the_domain(store: Store, fleet) -> None:
    """The IP warms from phase 1 itself."""
    rename(store, fleet.active, NEW)
    with store.session("*") as conn:
        conn.execute(s.ips.update().where(s.ips.c.id == fleet.active).values(status="standby"))
        ip = next(one for one in load_ips(conn, day=TODAY) if one.ip_id == fleet.active)
        proposal = Proposal(Action.START, "It warms", 50, 1, event="start", new_phase=True)
        move = Move(
            IpObservation(ip), proposal, transition_of(ip.state, Event.START, Cause.PERSON), 50, "It warms."
        )
        request = Request(Event.START, "test")
        origin = Origin("a person", NOON, "ip_transition", "r1")
        transitions.record(conn, [move], transitions.Asking(request, origin, POLICY.digest))
    assert stands(store, fleet.active).domain_warmup is None
