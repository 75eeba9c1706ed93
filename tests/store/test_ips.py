"""IPs as records: allowance in force, state changes, plan."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from email_engine.decision import Decision, Origin
from email_engine.errors import InputError, Refused
from email_engine.fleet.model import IpRecord, IpState, Pause
from email_engine.store import schema, versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.judgement import decisions
from email_engine.store.stops import brakes

DAY = date(2026, 11, 10)
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


def load(store: Store, day: date = DAY, session: str = "*", **where: Any) -> tuple[IpRecord, ...]:
    with store.session(session) as conn:
        return ips.load_ips(conn, day=day, **where)


def allow(store: Store, ip_id: int, day: date, messages: int, provider: str = "*") -> None:
    with store.session("*") as conn:
        ips.set_allowance(conn, ip_id, "aurora", day, messages, versions.bump(conn, "test"), None, provider)


def test_an_ip_comes_whole_with_domain_plan_and_risk_class(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    ip = load(store)[0]
    assert (str(ip.address), ip.domain, ip.vmta, ip.pool) == (
        "198.51.100.1", "news1.aurora-mail.example", "aurora-1", "aurora-newsletter",
    )  # fmt: skip
    assert (ip.state, ip.mode, ip.risk_class, ip.phase, ip.daily_target) == (
        "warming",
        "act",
        "standard",
        1,
        10_000,
    )
    assert ip.state_since == datetime(2026, 9, 1, tzinfo=UTC)
    assert (ip.allowance, ip.braked, ip.sends) == (0, False, False)


@pytest.mark.parametrize(
    ("where", "session", "numbers"),
    [
        ({}, "*", [1, 2, 1, 2]),
        ({"tenant": "borealis"}, "*", [1, 2]),
        ({"mailwizz": "mw-aurora"}, "*", [1, 2]),
        ({"mta_host": "mta-2"}, "*", []),
        ({"tenant": "borealis"}, "aurora", []),
    ],
    ids=["all", "of a tenant", "of a MailWizz", "of a host", "never over the wall"],
)
def test_ips_are_chosen_by_tenant_host_and_mailwizz(
    store: Store, two_tenants: SimpleNamespace, where: dict[str, str], session: str, numbers: list[int]
) -> None:
    assert [
        int(str(ip.address).rpartition(".")[2]) for ip in load(store, session=session, **where)
    ] == numbers


@pytest.mark.parametrize(
    ("day", "messages"),
    [(DAY - timedelta(days=1), 0), (DAY, 50), (DAY + timedelta(days=1), 50), (DAY + timedelta(days=3), 100)],
    ids=["before the first", "on its day", "until the next", "the next"],
)
def test_the_allowance_of_a_day_is_the_newest_that_began(
    store: Store, two_tenants: SimpleNamespace, day: date, messages: int
) -> None:
    allow(store, two_tenants.aurora[0], DAY, 50)
    allow(store, two_tenants.aurora[0], DAY + timedelta(days=2), 100)
    allow(store, two_tenants.aurora[0], DAY, 7, provider="gmail")
    assert load(store, day)[0].allowance == messages


def test_setting_an_allowance_again_replaces_it(store: Store, two_tenants: SimpleNamespace) -> None:
    allow(store, two_tenants.aurora[0], DAY, 50)
    allow(store, two_tenants.aurora[0], DAY, 40)
    assert load(store)[0].allowance == 40


@pytest.mark.parametrize("what", ["paused", "braked", "parked"])
def test_an_ip_that_stands_still_has_no_allowance(
    store: Store, two_tenants: SimpleNamespace, what: str
) -> None:
    ip_id = two_tenants.aurora[0]
    allow(store, ip_id, DAY, 50)
    with store.session("*") as conn:
        if what == "paused":
            ips.update_plan(conn, ip_id, paused=True, pause_until=NOON)
        elif what == "braked":
            brakes.engage(conn, load(store)[0], "x", Origin("x", NOON, "x", "x"), None)
        else:
            conn.execute(update(schema.ips).where(schema.ips.c.id == ip_id).values(status="quarantine"))
    ip = load(store)[0]
    assert (ip.allowance, ip.sends) == (0, False)
    assert ip.braked is (what == "braked")
    assert ip.pause == (Pause(NOON) if what == "paused" else None)


def test_removed_ips_are_not_loaded(store: Store, two_tenants: SimpleNamespace) -> None:
    with store.session("*") as conn:
        conn.execute(update(schema.ips).where(schema.ips.c.id == two_tenants.aurora[0]).values(removed=True))
    assert len(load(store, tenant="aurora")) == 1


def move(store: Store, ip_id: int, event: str, to: IpState, session: str = "*", **columns: Any) -> None:
    with store.session(session) as conn:
        ips.transition(conn, ip_id, event, to, "Because.", Origin("ops", NOON, "dag", "run"), None, **columns)


def test_a_state_and_its_history_change_together(store: Store, two_tenants: SimpleNamespace) -> None:
    until = NOON + timedelta(days=7)
    move(store, two_tenants.aurora[0], "listed", IpState.QUARANTINE, quarantine_until=until)
    ip = load(store)[0]
    assert (ip.state, ip.state_since, ip.quarantine_until) == ("quarantine", NOON, until)
    with store.session("aurora") as conn:
        row = conn.execute(select(schema.ip_state_history)).mappings().one()
    assert (row["from_status"], row["to_status"], row["event"]) == ("warming", "quarantine", "listed")
    assert (row["reason"], row["actor"], row["dag_id"], row["run_id"]) == ("Because.", "ops", "dag", "run")


@pytest.mark.parametrize(
    ("event", "to", "session", "complaint"),
    [
        ("rested", IpState.STANDBY, "*", "event rested in state warming: no such transition"),
        ("graduate", IpState.RESTING, "*", "graduate from warming leads to active"),
        ("graduate", IpState.ACTIVE, "borealis", "not seen in this session"),
    ],
    ids=[
        "an event that the state does not know",
        "another state than the table's",
        "an IP of another tenant",
    ],
)
def test_what_the_lifecycle_does_not_know_changes_nothing(
    store: Store, two_tenants: SimpleNamespace, event: str, to: IpState, session: str, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        move(store, two_tenants.aurora[0], event, to, session)
    assert load(store)[0].state == "warming"


def decision(tenant: str = "aurora", reason: str = "Because.") -> Decision:
    return Decision(
        tenant, "test", "198.51.100.1", "2026-11-10", "stay", reason, NOON, "0" * 64, inputs={"sent": 3}
    )


def test_a_decision_is_written_once_for_its_key(store: Store, two_tenants: SimpleNamespace) -> None:
    with store.session("*") as conn:
        first = decisions.record(conn, decision(), "dag", "run-1")
        again = decisions.record(conn, decision(reason="Otherwise."), "dag", "run-2")
        row = conn.execute(select(schema.decisions)).mappings().one()
    assert first == again == row["id"]
    assert (row["reason"], row["run_id"], row["inputs"]) == ("Because.", "run-1", {"sent": 3})


def test_a_key_of_another_tenant_is_refused(store: Store, two_tenants: SimpleNamespace) -> None:
    with store.session("aurora") as conn:
        decisions.record(conn, decision(), "dag", "run")
    with pytest.raises(Refused, match="taken by another tenant"), store.session("borealis") as conn:
        decisions.record(conn, decision("borealis"), "dag", "run")


def test_versions_grow_and_know_their_run(store: Store) -> None:
    with store.session("*") as conn:
        assert versions.current(conn) == 0
        first = versions.bump(conn, "one", ("dag", "run"))
        assert versions.bump(conn, "two") > first
        assert versions.current(conn) > first
        assert versions.made_by(conn, "dag", "run") == first
        assert versions.made_by(conn, "dag", "other") is None


def test_listed_zones_are_kept_sorted_and_once(store: Store, two_tenants: SimpleNamespace) -> None:
    with store.session("*") as conn:
        ips.set_listed(conn, two_tenants.aurora[0], ["zen", "bl", "zen"])
    assert load(store)[0].blacklisted_on == ("bl", "zen")


def test_an_event_that_keeps_the_state_is_history_and_no_new_beginning(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    before = load(store)[0].state_since
    move(store, two_tenants.aurora[0], "pause", IpState.WARMING)
    assert (load(store)[0].state, load(store)[0].state_since) == ("warming", before)
    with store.session("aurora") as conn:
        row = conn.execute(select(schema.ip_state_history)).mappings().one()
    assert (row["from_status"], row["to_status"], row["event"]) == ("warming", "warming", "pause")


def test_bounds_of_providers_come_with_the_ip(store: Store, two_tenants: SimpleNamespace) -> None:
    first, second = two_tenants.aurora
    for ip_id in (first, second):
        allow(store, ip_id, DAY, 100)
    allow(store, first, DAY, 50, provider="microsoft")
    allow(store, first, DAY + timedelta(days=1), 25, provider="microsoft")
    allow(store, first, DAY, 100, provider="gmail")
    allow(store, first, DAY + timedelta(days=2), 10_000_000, provider="microsoft")
    for ahead, expected in ((-1, {}), (0, {"microsoft": 50}), (1, {"microsoft": 25}), (2, {})):
        ip, other, *_ = load(store, DAY + timedelta(days=ahead))
        assert (dict(ip.bounds), dict(other.bounds)) == (expected, {})
    assert load(store, DAY, session="borealis")[0].bounds == {}


def test_an_ip_that_may_send_nothing_has_no_bounds(store: Store, two_tenants: SimpleNamespace) -> None:
    ip_id = two_tenants.aurora[0]
    allow(store, ip_id, DAY, 100)
    allow(store, ip_id, DAY, 50, provider="microsoft")
    with store.session("*") as conn:
        ips.update_plan(conn, ip_id, paused=True, pause_until=NOON)
    assert (load(store)[0].allowance, load(store)[0].bounds) == (0, {})
