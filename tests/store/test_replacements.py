"""What a person retires or gives up is replaced from standby, by every guard and at phase 1; or it is said who could take over."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from email_engine.pipelines.ip_transition import move
from email_engine.pipelines.run import Run
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.lifecycle_rows import well_known

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=40)


def add(conn: Any, number: int, state: str, tenant: str = "aurora", network: str = "198.51.100") -> int:
    ip_id = add_ip(conn, number, state=state, since=SINCE, tenant=tenant, network=network)
    for at in (NOW - timedelta(days=7, hours=6), NOW):
        well_known(conn, ip_id, at, tenant)
    if state in ("active", "warming"):
        version = versions.bump(conn, "test")
        ips.set_allowance(conn, ip_id, tenant, NOW.date() - timedelta(days=1), 250, version, None)
    return ip_id


@pytest.fixture
def fleet(store: Store) -> Store:
    """Of aurora two active IPs, one that rests and three in standby, the first of which is listed; of borealis one in standby."""
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn, "aurora")
        add_tenant(conn, "borealis")
        for number, state in (
            (1, "active"),
            (2, "active"),
            (3, "resting"),
            (4, "standby"),
            (5, "standby"),
            (6, "standby"),
        ):
            add(conn, number, state)
        add(conn, 1, "standby", "borealis", "203.0.113")
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-4").values(blacklisted_on=["zen"]))
    return store


def ask(
    store: Store, name: str, event: str = "retire", scope: str = "ip", run_id: str = "r1", **form: Any
) -> list[str]:
    params = {"scope": scope, "name": name, "event": event, "reason": "worn out", "dry_run": False} | form
    return move(store, Run("ip_transition", run_id, NOW, params["dry_run"], "ops", params))


def states(store: Store) -> dict[str, str]:
    with store.session("*") as conn:
        return {ip.vmta: ip.state.value for ip in ips.load_ips(conn, day=NOW.date())}


def told(store: Store) -> str:
    with store.session("*") as conn:
        return "\n".join(conn.execute(select(s.alerts.c.text)).scalars())


@pytest.mark.parametrize(("event", "name"), [("retire", "198.51.100.1"), ("abandon", "198.51.100.3")])
def test_it_is_replaced_by_the_first_that_may_start(fleet: Store, event: str, name: str) -> None:
    ask(fleet, name, event, replace=True)
    now = states(fleet)
    assert (now["aurora-4"], now["aurora-5"], now["aurora-6"]) == ("standby", "warming", "standby")
    assert now["borealis-1"] == "standby"
    assert "198.51.100.5 of standby starts in phase 1 in place of what leaves aurora-newsletter" in told(
        fleet
    )
    with fleet.session("*") as conn:
        heir = next(ip for ip in ips.load_ips(conn, day=NOW.date()) if ip.vmta == "aurora-5")
    assert (heir.phase, heir.allowance) == (1, 50)


def test_without_the_choice_it_is_only_offered(fleet: Store) -> None:
    ask(fleet, "198.51.100.1")
    assert set(states(fleet).values()) == {"retiring", "active", "resting", "standby"}
    assert "198.51.100.5 of standby may start in phase 1" in told(fleet)


def test_the_run_cleared_starts_nobody_a_second_time(fleet: Store) -> None:
    ask(fleet, "198.51.100.1", replace=True)
    before = states(fleet)
    ask(fleet, "198.51.100.1", replace=True)
    assert states(fleet) == before


def test_a_whole_stream_gets_as_many_as_may_start_and_the_rest_is_told(fleet: Store) -> None:
    with fleet.session("*") as conn:
        add(conn, 7, "active")
    ask(fleet, "aurora/newsletter", scope="stream", replace=True)
    now = states(fleet)
    assert [now[f"aurora-{n}"] for n in (4, 5, 6)] == ["standby", "warming", "warming"]
    assert "nobody of standby may start for 1 IP of aurora-newsletter" in told(fleet)
    assert "it is listed on zen" in told(fleet)


def test_where_the_quota_has_no_room_nobody_starts(fleet: Store) -> None:
    with fleet.session("*") as conn:
        conn.execute(update(s.tenants).values(daily_quota=40))
    ask(fleet, "198.51.100.1", replace=True)
    assert "warming" not in states(fleet).values()
    assert "of the quota 40 a day are not promised" in told(fleet)


def test_a_dry_run_starts_nobody(fleet: Store) -> None:
    before = states(fleet)
    ask(fleet, "198.51.100.1", replace=True, dry_run=True)
    assert states(fleet) == before


@pytest.mark.parametrize("event", ["pause", "quarantine"])
def test_what_only_stops_for_a_while_is_not_replaced(fleet: Store, event: str) -> None:
    ask(fleet, "198.51.100.1", event, replace=True, until="2026-11-20")
    assert "warming" not in states(fleet).values()
