"""The simulation decides what `warmup_advance` decides: the same mail through the operator and a real PostgreSQL."""

from collections import defaultdict
from collections.abc import Container
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from email_engine.fleet.model import Fleet, IpState
from email_engine.simulation import days as simulated_days
from email_engine.simulation.days import IpDay
from email_engine.simulation.life import Life
from email_engine.simulation.replay import Accounting, replay
from email_engine.simulation.run import FIRST, simulate
from email_engine.simulation.scenario import Demand, IpKind, TrueRates
from email_engine.store import schema
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.warmup.observation import DnsHealth, IpObservation, midnight
from email_engine.warmup.policy_file import load_policy
from tests.airflow.test_warmup_operator import _connection as _connection
from tests.airflow.test_warmup_operator import all_rows, decide
from tests.core.simulation.worlds import scenario, small
from tests.fleet_rows import add_delivery, add_host, add_ip, add_tenant

DAYS, QUOTA = 26, 8_000
KINDS = (
    IpKind("good", 0.5, TrueRates(bounce=0.01, complaint=0.0001, deferral=0.03)),
    IpKind("middling", 0.25, TrueRates(bounce=0.07, complaint=0.0005)),
    IpKind("bad", 0.25, TrueRates(bounce=0.15, complaint=0.002), daily=TrueRates(bounce=0.001)),
)
WORLD = scenario(kinds=KINDS, providers={"gmail": 1.0}, demand=Demand(20_000, spread_rate=0.05))
"""All mail goes to one provider: the days of a simulation do not tell which mail went where."""
CHECK = {
    "tenant": "aurora", "subject": "news.example", "check_id": "spf.record", "status": "ok", "severity": "error",
    "observed": "", "expected": "", "remedy": "",
}  # fmt: skip
Told = tuple[str, str, int]
BROKEN = range(12, 17)
"""Days whose DNS is broken, in the test of backfills."""


def fleet() -> Fleet:
    """Six warming IPs and two active ones that share the rest of a short quota."""
    warming = small(8, quota=QUOTA, schedule="double")
    every = [
        replace(ip, initial_state=IpState.ACTIVE, initial_phase=6) if n >= 6 else ip
        for n, ip in enumerate(warming.ips)
    ]
    return replace(warming, ips=tuple(every))


def simulated(days: tuple[IpDay, ...]) -> dict[tuple[str, str], Told]:
    return {
        (one.address, one.day.isoformat()): (str(one.action), one.reason, one.counts.sent) for one in days
    }


def load(store: Store) -> dict[str, int]:
    with store.session("*") as conn:
        add_tenant(conn, daily_quota=QUOTA)
        add_host(conn)
        return {
            str(ip.address): add_ip(
                conn, n, network="10.0.0", state=str(ip.initial_state), since=midnight(FIRST),
                plan={"phase": ip.initial_phase, "schedule": ip.schedule},
            )
            for n, ip in enumerate(fleet().ips, 1)
        }  # fmt: skip


def write_day(
    store: Store, ids: dict[str, int], day: date, mail: list[IpDay], broken: Container[int] = ()
) -> None:
    number = (day - FIRST).days + 1
    with store.session("*") as conn:
        for one in mail:
            c = one.counts
            counts: dict[str, Any] = {
                "delivered": c.delivered,
                "bounced": c.bounced,
                "deferred": c.deferred,
                "complained": c.complained,
                "bounce_meanings": {"address": c.unknown_users, "reputation": c.blocked},
            }
            if c.sent or c.deferred or c.complained:
                add_delivery(conn, ids[one.address], midnight(day), **counts)
        conn.execute(update(schema.mta_hosts).values(accounting_checked_at=midnight(day + timedelta(days=1))))
        if number % 2 == 0 or number - 1 in broken:  # DNS is fresh for two days
            check = CHECK | {
                "checked_at": midnight(day) + timedelta(hours=6),
                "status": "broken" if number in broken else "ok",
            }
            conn.execute(insert(schema.dns_checks), [check | {"ip_id": n} for n in ids.values()])
        ips.mark_swept(conn, ids.values(), midnight(day) + timedelta(hours=20))


def test_the_operator_decides_every_ip_and_day_as_the_simulation_did(store: Store) -> None:
    days = simulate(fleet(), load_policy(), WORLD, DAYS, seed=5)
    by_day: dict[date, list[IpDay]] = defaultdict(list)
    for one in days:
        by_day[one.day].append(one)
    ids = load(store)
    write_day(store, ids, FIRST - timedelta(days=1), [])
    decide(FIRST - timedelta(days=1))
    for day, mail in by_day.items():
        write_day(store, ids, day, mail)
        decide(day)
    decided = {
        (row["subject"], row["run_key"]): (row["action"], row["reason"], row["inputs"]["sent"])
        for row in all_rows(store, schema.decisions)
        if row["run_key"] >= FIRST.isoformat()
    }
    assert decided == simulated(days)
    seen = {action for action, _, _ in decided.values()}
    assert {"advance", "graduate", "pause", "resume", "quarantine", "stay"} <= seen


@pytest.fixture
def dns_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation sees broken DNS on the days `BROKEN`."""
    observe = simulated_days.observe

    def observe_broken(life: Life, day: date, *rest: Any, **named: Any) -> IpObservation:
        seen = observe(life, day, *rest, **named)
        if (day - FIRST).days + 1 not in BROKEN:
            return seen
        return replace(seen, dns=DnsHealth.BROKEN, dns_broken=(str(CHECK["check_id"]),))

    monkeypatch.setattr(simulated_days, "observe", observe_broken)


@pytest.mark.usefixtures("dns_breaks")
@pytest.mark.parametrize("backfill", [False, True], ids=["daily", "backfill"])
def test_a_backfill_of_42_days_decides_as_42_daily_runs_did(store: Store, backfill: bool) -> None:
    """All accounting, DNS and lists are there before the first day is closed, as in a backfill; DNS breaks and is mended on
    the way; a repeated run changes nothing."""
    weeks = 42
    days = simulate(fleet(), load_policy(), WORLD, weeks, seed=5)
    by_day: dict[date, list[IpDay]] = defaultdict(list)
    for one in days:
        by_day[one.day].append(one)
    ids = load(store)
    write_day(store, ids, FIRST - timedelta(days=1), [])
    if backfill:
        for day, mail in by_day.items():
            write_day(store, ids, day, mail, BROKEN)
    decide(FIRST - timedelta(days=1))
    for day, mail in by_day.items():
        if not backfill:
            write_day(store, ids, day, mail, BROKEN)
        assert decide(day)["days"] == [day.isoformat()]
    rows = {(row["subject"], row["run_key"]): row for row in all_rows(store, schema.decisions)}
    decided = {
        key: (row["action"], row["reason"], row["inputs"]["sent"])
        for key, row in rows.items()
        if key[1] >= FIRST.isoformat()
    }
    assert decided == simulated(days)
    assert any(row["inputs"]["dns"] == "broken" and row["action"] == "hold" for row in rows.values())
    before = all_rows(store, schema.decisions), all_rows(store, schema.allowances)
    assert decide(FIRST + timedelta(days=weeks - 1))["actions"] == {}
    assert (all_rows(store, schema.decisions), all_rows(store, schema.allowances)) == before


def test_a_replay_of_simulated_mail_decides_the_same() -> None:
    policy = load_policy()
    days = simulate(fleet(), policy, WORLD, DAYS, seed=5)
    traffic: dict[str, dict[date, Any]] = defaultdict(dict)
    for one in days:
        traffic[one.address][one.day] = {"gmail": one.counts}
    whole = {day: midnight(day + timedelta(days=1)) for day in {one.day for one in days}}
    files = Accounting(traffic, {host.name: whole for host in fleet().mta_hosts})
    again = tuple(replay(fleet(), policy, files))
    assert simulated(again) == simulated(days)
