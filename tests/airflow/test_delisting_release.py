"""What a follow-up leaves in the database, and what the daily pipeline makes of it: no release without a named cause."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from email_engine.blocklists.delisting import Answer, Recheck, Status
from email_engine.paths import CONFIG
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.stops import delistings
from email_engine.warmup import policy_file
from email_engine_airflow.operators.warmup_advance import DecideWarmup
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.lifecycle_rows import well_known
from tests.listing_rows import add_listing, close_listing, quarantine

DAY = timedelta(days=1)
STOPPED = datetime(2026, 11, 2, 8, tzinfo=UTC)
NAMED, CLEARED = "named", "cleared"


@pytest.fixture
def listed(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """By tenant: a listing that stopped its first IP and that two sweeps closed a day later."""
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    found = {}
    with store.session("*") as conn:
        add_host(conn)
        for tenant, network in (("aurora", "198.51.100"), ("borealis", "203.0.113")):
            add_tenant(conn, tenant)
            ip_id = add_ip(conn, 1, tenant, state="active", network=network)
            quarantine(conn, ip_id, STOPPED, days=7)
            found[tenant] = add_listing(conn, ip_id, STOPPED, tenant, closed=STOPPED + DAY)
    return found


def follow(store: Store, listing: int, *what: str) -> None:
    with store.session("*") as conn:
        read = delistings.follow(conn, listing, "delisting", "one")
        if NAMED in what:
            delistings.answer(conn, listing, "ops", STOPPED, cause="list of May")
        if CLEARED in what:
            cleared = Recheck(Status.CLEARED, None, None)
            delistings.note_check(conn, read, Answer.NOT_LISTED, cleared, STOPPED + DAY)


def close(store: Store, day: date, tenant: str = "aurora") -> dict[str, str]:
    """Closes the day; what was decided about each IP, by address."""
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + DAY
    with store.session("*") as conn:
        conn.execute(s.mta_hosts.update().values(accounting_checked_at=end))
        for ip in load_ips(conn, day=day, tenant=tenant):
            well_known(conn, ip.ip_id, end, tenant)
    run = SimpleNamespace(dag_id="warmup_advance", run_id=f"r{day}{tenant}", run_after=end, logical_date=end)
    DecideWarmup(task_id="decide", tenant=tenant).execute(
        {"dag_run": run, "params": {"dry_run": False, "day": None}, "outlet_events": {}}
    )
    with store.session("*") as conn:
        rows = conn.execute(select(s.decisions).where(s.decisions.c.run_id == run.run_id)).all()
    return {row.subject: f"{row.action}: {row.reason}" for row in rows}


OVER = (STOPPED + 7 * DAY).date()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ((), "no cause of its listing on zen-lab is named"),
        ((CLEARED,), "no cause of its listing on zen-lab is named"),
        ((NAMED,), "no re-check found it off zen-lab since"),
        ((NAMED, CLEARED), "clean: "),
    ],
    ids=["nobody answered", "no cause", "the list is silent", "cause and re-check"],
)
def test_it_rests_only_with_a_named_cause_and_a_clean_recheck(
    store: Store, listed: dict[str, int], what: tuple[str, ...], said: str
) -> None:
    follow(store, listed["aurora"], *what)
    follow(store, listed["borealis"], NAMED, CLEARED)
    (decided,) = close(store, OVER).values()
    assert said in decided
    with store.session("*") as conn:
        states = {ip.tenant: ip.state for ip in load_ips(conn, day=OVER)}
    assert states == {"aurora": "resting" if "clean" in said else "quarantine", "borealis": "quarantine"}


def test_an_ip_that_nobody_follows_waits_as_after_an_upgrade(store: Store, listed: dict[str, int]) -> None:
    for n in range(3):
        (decided,) = close(store, OVER + n * DAY).values()
        assert decided.startswith("hold: ")
        assert "no cause" in decided


@pytest.mark.parametrize("days", [3, 14])
def test_the_quarantine_lasts_as_long_as_the_policy_says(
    store: Store, listed: dict[str, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, days: int
) -> None:
    policy = (CONFIG / "policy.yaml").read_text()
    assert "quarantine_days: 7" in policy
    (tmp_path / "policy.yaml").write_text(policy.replace("quarantine_days: 7", f"quarantine_days: {days}"))
    monkeypatch.setattr(policy_file, "CONFIG", tmp_path)
    with store.session("*") as conn:
        conn.execute(s.ips.update().values(quarantine_until=None))
    follow(store, listed["aurora"], NAMED, CLEARED)
    end = (STOPPED + days * DAY).date()
    assert close(store, end - DAY)["198.51.100.1"].startswith("stay: Quarantine lasts")
    assert close(store, end)["198.51.100.1"].startswith("clean: ")


@pytest.mark.parametrize(("what", "action"), [((), "hold"), ((CLEARED,), "reenter")])
def test_one_minor_listing_needs_no_cause_but_the_recheck(
    store: Store, listed: dict[str, int], what: tuple[str, ...], action: str
) -> None:
    with store.session("*") as conn:
        conn.execute(s.blacklist_events.update().values(severity="medium"))
    follow(store, listed["aurora"], *what)
    assert close(store, OVER)["198.51.100.1"].startswith(f"{action}: ")


def test_a_listing_that_opens_again_needs_a_cause_of_its_own(store: Store, listed: dict[str, int]) -> None:
    follow(store, listed["aurora"], NAMED, CLEARED)
    with store.session("*") as conn:
        ip_id = delistings.find(conn, listed["aurora"]).ip_id
        again = add_listing(conn, ip_id, STOPPED + 2 * DAY)
        close_listing(conn, again, STOPPED + 3 * DAY)
    assert "no cause" in close(store, OVER)["198.51.100.1"]
    follow(store, again, NAMED, CLEARED)
    assert close(store, OVER + DAY)["198.51.100.1"].startswith("clean: ")


def test_the_decision_comes_out_the_same_when_it_is_made_again(store: Store, listed: dict[str, int]) -> None:
    from email_engine.store.judgement.decisions import of_day
    from email_engine.warmup.explain import decide_again

    close(store, OVER)
    with store.session("*") as conn:
        (recorded,) = of_day(conn, "warmup_advance", "198.51.100.1", OVER)
    follow(store, listed["aurora"], NAMED, CLEARED)
    again: Any = decide_again(recorded, [recorded], policy_file.load_policy())
    assert again.agrees, again.differences
