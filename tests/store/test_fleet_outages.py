"""A mailbox provider's outage from the accounting of every tenant to what each tenant's guard and day close do about it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from email_engine.pipelines.reputation_guard import OUTAGE, guard
from email_engine.pipelines.run import Run
from email_engine.pipelines.warmup_advance import close_days
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.stops import brakes
from email_engine.store.telling.alerts import standing
from tests.fleet_rows import add_host, add_hour, add_ip, add_tenant

MORNING = datetime(2026, 11, 20, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def mail(store: Store, ip_id: int, tenant: str, at: datetime, unknown: int = 0, elsewhere: int = 0) -> None:
    with store.session("*") as conn:
        for provider, sent, bad in (("gmail", 100, unknown), ("yahoo", 100, elsewhere)):
            add_hour(
                conn, ip_id, at, provider, tenant=tenant, delivered=sent - bad, bounced=bad,
                bounce_meanings={"address": bad} if bad else {},
            )  # fmt: skip


@pytest.fixture
def fleet(store: Store) -> dict[str, list[int]]:
    """Two tenants with two active IPs each that send 200 an hour; the second one has few messages alone."""
    found = {}
    with store.session("*") as conn:
        add_host(conn)
        for number, tenant in enumerate(("aurora", "borealis")):
            add_tenant(conn, tenant, daily_quota=30_000)
            plan = {"phase": 6, "phase_started_on": (MORNING - 60 * DAY).date(), "target_daily_quota": 5_000}
            some = [add_ip(conn, 10 * number + n, tenant=tenant, state="active", plan=plan) for n in (1, 2)]
            found[tenant] = some
            version = versions.bump(conn, "test")
            for ip_id in some:
                ips.set_allowance(conn, ip_id, tenant, (MORNING - 20 * DAY).date(), 5_000, version, None)
    for tenant, some in found.items():
        for ip_id in some:
            for days in range(1, 12):
                mail(store, ip_id, tenant, MORNING - days * DAY + 12 * HOUR, 2, 2)
    return found


def run(at: datetime, number: int, dag: str = "reputation_guard") -> Run:
    return Run(dag, f"r{number}", at, False, dag, {})


def told(store: Store) -> list[str]:
    with store.session("*") as conn:
        return sorted(one.object for one in standing(conn, OUTAGE))


def held(store: Store) -> set[tuple[int, str | None]]:
    with store.session("*") as conn:
        return {
            (one.ip_id, one.provider)
            for one in (*brakes.engaged(conn), *brakes.engaged(conn, providers=True))
            if one.release_asked_at is None
        }


def test_an_outage_holds_its_provider_for_every_tenant_and_is_told_once(
    store: Store, fleet: dict[str, list[int]]
) -> None:
    for tenant, some in fleet.items():
        for ip_id in some:
            for hour in (8, 9):
                mail(store, ip_id, tenant, MORNING + hour * HOUR, 60, 2)
    for number, tenant in enumerate((*fleet, *fleet)):
        guard(store, tenant, run(MORNING + 10 * HOUR, number))
    assert held(store) == {(ip_id, "gmail") for some in fleet.values() for ip_id in some}
    assert told(store) == ["aurora gmail", "borealis gmail"]
    with store.session("*") as conn:
        texts = conn.execute(select(s.alerts.c.text)).scalars().all()
    assert len(texts) == 2, "one message a tenant, none for each IP"
    assert all("No IP is blamed" in text and "Next: remove nobody" in text for text in texts)
    with store.session("*") as conn:
        conn.execute(s.mta_hosts.update().values(accounting_checked_at=MORNING + DAY))
    close_days(store, "aurora", run(MORNING + DAY + HOUR, 9, "warmup_advance"))
    with store.session("aurora") as conn:
        states = conn.execute(select(s.warmup_plans.c.paces, s.warmup_plans.c.stops)).all()
        inputs = conn.execute(
            select(s.decisions.c.action).where(s.decisions.c.pipeline == "warmup_advance")
        ).scalars()
        assert set(inputs) == {"hold"}
    assert [(row.paces, row.stops) for row in states] == [({"gmail": 0.0}, [])] * 2
    assert told(store) == ["aurora gmail", "borealis gmail"], "it waits a day, and is not proven to be over"


def test_an_outage_that_is_over_by_the_evening_holds_nothing_and_counts_for_nothing(
    store: Store, fleet: dict[str, list[int]]
) -> None:
    for tenant, some in fleet.items():
        for ip_id in some:
            for hour in range(6, 20):
                mail(store, ip_id, tenant, MORNING + hour * HOUR, 90 if hour < 9 else 1, 2)
    with store.session("*") as conn:
        conn.execute(s.mta_hosts.update().values(accounting_checked_at=MORNING + DAY))
    close_days(store, "aurora", run(MORNING + DAY + HOUR, 1, "warmup_advance"))
    assert held(store) == set()
    with store.session("aurora") as conn:
        reasons = conn.execute(
            select(s.decisions.c.reason).where(s.decisions.c.pipeline == "warmup_advance")
        ).scalars()
        assert all("othing is proven against it" in reason for reason in reasons)


def test_an_hour_of_outage_in_a_large_fleets_day_blames_no_ip(
    store: Store, fleet: dict[str, list[int]]
) -> None:
    """4,000 of 100,000 messages of the day, which are within the limit, are 2,000 of 3,000 of one IP."""
    early, late = fleet["aurora"]
    with store.session("*") as conn:
        for ip_id in fleet["borealis"]:
            add_hour(conn, ip_id, MORNING + 2 * HOUR, "gmail", tenant="borealis", delivered=50_000)
        for ip_id, tenant in ((early, "aurora"), (fleet["borealis"][0], "borealis")):
            add_hour(
                conn, ip_id, MORNING + 8 * HOUR, "gmail", tenant=tenant, delivered=1_000, bounced=2_000,
                bounce_meanings={"address": 2_000},
            )  # fmt: skip
    for ip_id in (early, late):
        mail(store, ip_id, "aurora", MORNING + 7 * HOUR, 1, 1)
    guard(store, "aurora", run(MORNING + 10 * HOUR, 1))
    assert held(store) == {(early, "gmail")}
    assert told(store) == ["aurora gmail"]


def test_a_bad_list_of_one_tenant_is_no_outage(store: Store, fleet: dict[str, list[int]]) -> None:
    for tenant, some in fleet.items():
        for ip_id in some:
            bad = 80 if tenant == "aurora" else 1
            mail(store, ip_id, tenant, MORNING + 8 * HOUR, bad, bad)
    for number, tenant in enumerate(fleet):
        guard(store, tenant, run(MORNING + 10 * HOUR, number))
    assert held(store) == {(ip_id, "*") for ip_id in fleet["aurora"]}, "the rest of the day stops"
    assert told(store) == []


def test_a_bad_list_at_one_provider_that_takes_the_others_mail_is_no_outage(
    store: Store, fleet: dict[str, list[int]]
) -> None:
    for tenant, some in fleet.items():
        for ip_id in some:
            for _ in range(5 if tenant == "aurora" else 1):
                mail(store, ip_id, tenant, MORNING + 8 * HOUR, 70 if tenant == "aurora" else 1, 2)
    for number, tenant in enumerate(fleet):
        guard(store, tenant, run(MORNING + 10 * HOUR, number))
    assert told(store) == []
    assert {ip_id for ip_id, _ in held(store)} == set(fleet["aurora"])
