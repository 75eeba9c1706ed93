"""What the warm-up reads: days, allowances, freshness, DNS, lists, brakes."""

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, literal, select, update

from email_engine.decision import Decision, Origin
from email_engine.fleet.traffic import DayCounts
from email_engine.store import schema, versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.judgement import decisions
from email_engine.store.judgement.observations import observe, quotas
from email_engine.store.stops import brakes
from email_engine.store.stops.brakes import BY_HAND
from email_engine.warmup.observation import DnsHealth, IpObservation, midnight
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.provider_limits import UNBOUND
from email_engine.warmup.snapshot import observation_document, observation_of
from tests.fleet_rows import add_delivery, add_host, add_hour

DAY = date(2026, 11, 10)
START = datetime(2026, 11, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def see(store: Store, day: date = DAY, session: str = "aurora") -> IpObservation:
    with store.session(session) as conn:
        return observe(conn, "aurora", day, day + timedelta(days=1), load_policy())[0]


def test_accounting_is_summed_by_utc_day_over_providers_for_30_days(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    ip_id = two_tenants.aurora[0]
    with store.session("*") as conn:
        add_delivery(conn, ip_id, START, delivered=40, bounced=1, deferred=5, complained=2)
        rows = [
            ("yahoo", START + 23 * HOUR, 9),
            ("gmail", START + 24 * HOUR, 500),
            ("gmail", START - 1 * HOUR, 7),
        ]
        rows += [("gmail", START - timedelta(days=29), 3), ("gmail", START - timedelta(days=29) - HOUR, 1000)]
        for provider, hour, delivered in rows:
            add_hour(conn, ip_id, hour, provider, delivered=delivered)
    assert see(store).days == (
        DayCounts(DAY - timedelta(days=29), 3),
        DayCounts(DAY - timedelta(days=1), 7),
        DayCounts(DAY, 49, 1, 5, 2),
    )


def test_the_allowance_given_and_the_one_that_would_stand(store: Store, two_tenants: SimpleNamespace) -> None:
    with store.session("*") as conn:
        version = versions.bump(conn, "test")
        ips.set_allowance(conn, two_tenants.aurora[0], "aurora", DAY - timedelta(days=3), 50, version, None)
        ips.set_allowance(conn, two_tenants.aurora[0], "aurora", DAY + timedelta(days=1), 100, version, None)
        ips.set_allowance(conn, two_tenants.aurora[0], "aurora", DAY, 7, version, None, "gmail")
        ips.update_plan(conn, two_tenants.aurora[0], paused=True, pause_until=START)
    seen = see(store)
    assert (seen.given, seen.standing, seen.ip.allowance) == (50, 100, 0)


@pytest.mark.parametrize(("status", "fresh"), [("taken", True), ("refused", False), ("duplicate", False)])
def test_only_files_that_were_taken_make_a_host_fresh(
    store: Store, two_tenants: SimpleNamespace, status: str, fresh: bool
) -> None:
    with store.session("*") as conn:
        for n, name in enumerate(("a.csv", "b.csv")):
            conn.execute(
                insert(schema.accounting_files).values(
                    mta_host="mta-1", name=name, size=1, modified=int(START.timestamp()) - n, digest=name, records=1,
                    rejected=0, status=status,
                )
            )  # fmt: skip
    assert see(store).fresh_through == (START if fresh else None)


MINUTES = 1 / 60
A_DAY_AFTER = 24 + 5 * MINUTES
"""When the file of a whole day was closed."""


@pytest.mark.parametrize(
    ("files", "known_until"),
    [
        ([("taken", 9), ("refused", 10), ("taken", 25)], 9),
        ([("taken", 9), ("duplicate", 22), ("refused", 23), ("taken", 25)], 22),
        ([("taken", 9), ("refused", 10), ("refused", 11), ("taken", 25)], 9),
        ([("taken", 9), ("refused", 10), ("taken", 11), ("refused", 12), ("taken", 25)], 9),
        ([("taken", 5 * MINUTES), ("refused", A_DAY_AFTER), ("taken", 25)], 5 * MINUTES),
        ([("refused", A_DAY_AFTER), ("taken", 25)], 0),
        ([("refused", 10), ("taken", 25)], -24),
        ([("taken", -4), ("refused", -3), ("taken", 25)], -4),
        ([("taken", -400), ("refused", -399), ("taken", 25)], -400),
        ([("taken", -4), ("refused", 5 * MINUTES), ("taken", 25)], -4),
        ([("taken", 49), ("refused", 50), ("taken", 51)], 49),
        ([("refused", 98), ("taken", 99)], 72),
        ([("refused", 10, "mta-2"), ("taken", 9, "mta-2"), ("taken", 25)], 25),
        ([("taken", 9), ("taken", 22, "mta-2"), ("refused", 23), ("taken", 25)], 9),
    ],
    ids=[
        "in the morning", "after a copy", "twice in a row", "twice", "of the whole day, closed after it",
        "of the whole day, the first of its host", "the first of its host", "the day before", "weeks ago",
        "of the evening before, closed after midnight", "days later", "days later, the first of its host",
        "another host's", "after another host's",
    ],
)  # fmt: skip
def test_a_refused_file_leaves_the_time_since_the_file_before_it_unknown(
    store: Store, two_tenants: SimpleNamespace, files: list[tuple[Any, ...]], known_until: float
) -> None:
    """Also when later files were taken and the folder was looked at: what it says is counted nowhere."""
    with store.session("*") as conn:
        add_host(conn, "mta-2")
        for status, hour, *host in files:
            name = f"{status}-{hour}"
            conn.execute(
                insert(schema.accounting_files).values(
                    mta_host=host[0] if host else "mta-1", name=name, size=1, digest=name, records=1, rejected=0,
                    status=status, modified=round((START + hour * HOUR).timestamp()),
                )
            )  # fmt: skip
    assert see(store).fresh_through == START + timedelta(seconds=round(known_until * 3600))


@pytest.mark.parametrize(
    ("hours", "known"), [(None, False), (-1, False), (0, True), (30, True)],
    ids=["never", "too long ago", "within a day of the end of the day", "after it"],
)  # fmt: skip
def test_block_lists_that_were_silent_for_a_day_are_unknown(
    store: Store, two_tenants: SimpleNamespace, hours: int | None, known: bool
) -> None:
    if hours is not None:
        with store.session("*") as conn:
            ips.mark_swept(conn, two_tenants.aurora, START + hours * HOUR)
            ips.mark_swept(conn, two_tenants.aurora, START - 99 * HOUR)
    assert see(store).blocklists_known is known


def check(
    status: str, severity: str = "error", at: datetime = START, name: str = "spf.record"
) -> dict[str, Any]:
    return {"status": status, "severity": severity, "checked_at": at, "check_id": name}


@pytest.mark.parametrize(
    ("checks", "health", "broken"),
    [
        ([], DnsHealth.UNKNOWN, ()),
        ([check("ok")], DnsHealth.OK, ()),
        ([check("ok"), check("broken", name="ptr.name")], DnsHealth.BROKEN, ("ptr.name",)),
        ([check("broken", "warning")], DnsHealth.OK, ()),
        ([check("ok"), check("unknown", name="ptr.name")], DnsHealth.UNKNOWN, ()),
        ([check("broken"), check("ok", at=START + HOUR)], DnsHealth.OK, ()),
        ([check("broken", name="dkim.key"), check("ok", at=START + HOUR)], DnsHealth.OK, ()),
        ([check("ok", at=START - timedelta(hours=25))], DnsHealth.UNKNOWN, ()),
        ([check("broken"), check("ok", at=START + 25 * HOUR)], DnsHealth.BROKEN, ("spf.record",)),
    ],
    ids=[
        "never checked",
        "fine",
        "broken",
        "a warning",
        "unknown",
        "mended",
        "no longer asked",
        "too old",
        "mended on the next day",
    ],
)
def test_dns_is_what_the_newest_run_found(
    store: Store,
    two_tenants: SimpleNamespace,
    checks: list[dict[str, Any]],
    health: DnsHealth,
    broken: tuple[str, ...],
) -> None:
    with store.session("*") as conn:
        for row in checks:
            base = {"subject": "x", "observed": "", "expected": "", "remedy": ""}
            conn.execute(
                insert(schema.dns_checks).values(tenant="aurora", ip_id=two_tenants.aurora[0], **base | row)
            )
    seen = see(store)
    assert (seen.dns, seen.dns_broken) == (health, broken)


@pytest.mark.parametrize(
    ("checks", "since"),
    [
        ([], None),
        ([check("broken")], None),
        ([check("unknown")], None),
        ([check("ok", severity="warning")], None),
        ([check("ok"), check("ok", at=START - 48 * HOUR)], DAY - timedelta(days=2)),
        ([check("broken", at=START - 48 * HOUR), check("ok", at=START - 30 * HOUR), check("ok")], DAY - timedelta(days=2)),
        ([check("ok", at=START - 48 * HOUR), check("broken", at=START - 24 * HOUR), check("ok")], DAY),
        ([check("ok", at=START - 48 * HOUR), check("unknown", at=START - 24 * HOUR), check("ok")], DAY - timedelta(days=2)),
        ([check("ok"), check("broken", name="dkim.key")], None),
        ([check("ok", at=START - 48 * HOUR), check("unknown", name="dkim.key", at=START - 48 * HOUR), check("ok"), check("ok", name="dkim.key")], DAY),
    ],
    ids=[
        "never looked at", "broken", "nobody answered", "only a warning", "good for days", "published, then seen", "it was broken between",
        "a silent resolver breaks nothing", "one of two", "half an answer is not a good one",
    ],
)  # fmt: skip
def test_a_standby_ip_is_clean_since_its_dns_is_good(
    store: Store, two_tenants: SimpleNamespace, checks: list[dict[str, Any]], since: date | None
) -> None:
    with store.session("*") as conn:
        mine = schema.ips.c.id == two_tenants.aurora[0]
        conn.execute(update(schema.ips).where(mine).values(status="standby", status_since=START - 240 * HOUR))
        for row in checks:
            base = {"subject": "x", "observed": "", "expected": "", "remedy": ""}
            conn.execute(
                insert(schema.dns_checks).values(tenant="aurora", ip_id=two_tenants.aurora[0], **base | row)
            )
    seen = see(store)
    assert seen.dns_good_on == since
    assert seen.clean_since == (midnight(since) if since else START - 240 * HOUR)


@pytest.mark.parametrize(
    ("kind", "at", "pipeline", "told"),
    [
        ("quota-finding", START + 23 * HOUR, "mailwizz_quota_sync", True),
        ("campaign-finding", START, "mailwizz_quota_sync", True),
        ("quota-finding", START + 24 * HOUR, "mailwizz_quota_sync", False),
        ("quota-finding", START - HOUR, "mailwizz_quota_sync", False),
        ("quota", START, "mailwizz_quota_sync", False),
        ("quota-finding", START, "warmup_advance", False),
    ],
    ids=[
        "of the day",
        "of campaigns",
        "of the next day",
        "of the day before",
        "no finding",
        "of another pipeline",
    ],
)
def test_what_keeps_mailwizz_from_handing_over_is_known_for_its_day(
    store: Store, two_tenants: SimpleNamespace, kind: str, at: datetime, pipeline: str, told: bool
) -> None:
    with store.session("*") as conn:
        for tenant, subject in (("aurora", see(store).ip.address), ("borealis", "203.0.113.9")):
            verdicts = {"finding": "hands-over-less", "observed": f"too little for {tenant}"}
            decision = Decision(
                tenant, pipeline, str(subject), f"1/{tenant}", "hold", "x", at, "d", kind, False, {}, verdicts
            )
            decisions.record(conn, decision, "mailwizz_quota_sync", "r")
    seen = see(store)
    assert seen.handover == ("too little for aurora" if told else None)
    assert observation_of(json.loads(json.dumps(observation_document(seen)))).handover == seen.handover


@pytest.mark.parametrize(("hours", "health"), [(30, DnsHealth.OK), (28, DnsHealth.BROKEN)])
def test_dns_that_was_mended_before_the_run_is_believed(
    store: Store, two_tenants: SimpleNamespace, hours: int, health: DnsHealth
) -> None:
    with store.session("*") as conn:
        for row in (check("broken"), check("ok", at=START + 29 * HOUR)):
            base = {"subject": "x", "observed": "", "expected": "", "remedy": ""}
            conn.execute(
                insert(schema.dns_checks).values(tenant="aurora", ip_id=two_tenants.aurora[0], **base | row)
            )
        effective, known = DAY + timedelta(days=1), START + hours * HOUR
        seen = observe(conn, "aurora", DAY, effective, load_policy(), known_until=known)
    assert seen[0].dns is health


@pytest.mark.parametrize(
    ("dag_id", "paused", "status", "asked", "held"),
    [
        ("warmup_advance", True, "warming", False, False),
        ("rbl_sweep", False, "quarantine", False, False),
        ("rbl_sweep", False, "warming", False, True),
        (BY_HAND, True, "warming", False, True),
        (BY_HAND, False, "resting", False, True),
        (BY_HAND, False, "warming", True, False),
    ],
    ids=[
        "its own pause",
        "parked",
        "another pipeline's",
        "a person's during a pause",
        "a person's while parked",
        "let go",
    ],
)
def test_a_brake_holds_when_it_is_neither_the_pause_nor_the_parking(
    store: Store,
    two_tenants: SimpleNamespace,
    dag_id: str,
    paused: bool,
    status: str,
    asked: bool,
    held: bool,
) -> None:
    ip_id = two_tenants.aurora[0]
    with store.session("*") as conn:
        ip = ips.load_ips(conn, day=DAY, tenant="aurora")[0]
        brakes.engage(conn, ip, "too loud", Origin("ops", START, dag_id, "run"), None)
        conn.execute(update(schema.ips).where(schema.ips.c.id == ip_id).values(status=status))
        if paused:
            ips.update_plan(conn, ip_id, paused=True, pause_until=START)
        if asked:
            brakes.ask_release(conn, ip_id, START, by_hand=True)
    assert see(store).held_by == ("ops (too loud)" if held else None)


def test_the_last_listing_that_matters_is_known(store: Store, two_tenants: SimpleNamespace) -> None:
    with store.session("*") as conn:
        for zone, kind, hours in (("zen", "reputation", 1), ("info", "info", 9)):
            conn.execute(
                insert(schema.blacklist_events).values(
                    {
                        "tenant": "aurora", "ip_id": two_tenants.aurora[0], "list": zone, "zone": zone,
                        "severity": "high", "class": kind, "codes": ["127.0.0.2"], "opened_at": START,
                        "last_seen_at": START + hours * HOUR, "closed_at": START + hours * HOUR,
                    }
                )
            )  # fmt: skip
    assert see(store).last_listed_at == START + HOUR


def test_quotas_are_the_tenants_and_its_streams(store: Store, two_tenants: SimpleNamespace) -> None:
    with store.session("aurora") as conn:
        assert (quotas(conn, "aurora").tenant, quotas(conn, "aurora").streams) == (500_000, {})
        conn.execute(update(schema.streams).values(daily_quota=1_000))
        assert quotas(conn, "aurora").streams == {"newsletter": 1_000}


def deliver(store: Store, ip_id: int, provider: str, hour: datetime, **columns: Any) -> None:
    with store.session("*") as conn:
        add_hour(conn, ip_id, hour, provider, **columns)


def test_replies_count_by_what_they_mean(store: Store, two_tenants: SimpleNamespace) -> None:
    ip_id = two_tenants.aurora[0]
    deliver(
        store, ip_id, "gmail", START, delivered=10, bounced=5, deferred=9,
        bounce_meanings={"reputation": 3, "address": 2}, deferral_meanings={"rate": 4, "reputation": 1, "system": 4},
        named_lists={"zen.spamhaus.org": 2, "dnsbl.example": 1},
    )  # fmt: skip
    deliver(store, ip_id, "yahoo", START + HOUR, delivered=1, bounced=1, bounce_meanings={"reputation": 1})
    seen = see(store)
    assert seen.days == (DayCounts(DAY, 11, 6, 9, 0, 4, 5, 2),)
    assert seen.providers == {
        "gmail": (DayCounts(DAY, 10, 5, 9, 0, 3, 5, 2),),
        "yahoo": (DayCounts(DAY, 1, 1, 0, 0, 1),),
    }
    assert [(one.name, dict(one.refused), one.sent) for one in seen.named] == [
        ("dnsbl.example", {"gmail": 1}, 17), ("zen.spamhaus.org", {"gmail": 2}, 17)
    ]  # fmt: skip


def test_neighbours_are_the_others_of_the_stream_and_of_the_domain(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    first, second = two_tenants.aurora[:2]
    deliver(store, first, "gmail", START, delivered=7)
    deliver(store, second, "gmail", START, delivered=5, bounced=1)
    seen = see(store)
    assert (seen.days, seen.peers, seen.domain) == ((DayCounts(DAY, 7),), (DayCounts(DAY, 5, 1),), ())
    with store.session("*") as conn:
        kept = {c.name: c for c in schema.streams.c if c.name not in ("name", "pool")}
        apart = select(literal("apart"), literal("aurora-apart"), *kept.values()).where(
            schema.streams.c.tenant == "aurora"
        )
        conn.execute(insert(schema.streams).from_select(["name", "pool", *kept], apart))
        conn.execute(
            update(schema.ips)
            .where(schema.ips.c.id == second)
            .values(stream="apart", pool_name="aurora-apart")
        )
    seen = see(store)
    assert (seen.peers, seen.domain) == ((), (DayCounts(DAY, 5, 1),))


def test_bounds_of_providers_stand_until_they_end(store: Store, two_tenants: SimpleNamespace) -> None:
    ip_id = two_tenants.aurora[0]
    with store.session("*") as conn:
        version = versions.bump(conn, "test")
        ips.set_allowance(conn, ip_id, "aurora", DAY, 100, version, None)
        ips.set_allowance(conn, ip_id, "aurora", DAY, 50, version, None, "microsoft")
    assert see(store).bounds == {"microsoft": 50}
    with store.session("*") as conn:
        ips.set_allowance(conn, ip_id, "aurora", DAY + timedelta(days=1), UNBOUND, version, None, "microsoft")
        ips.update_plan(conn, ip_id, paces={"yahoo": 0.5})
    assert (see(store).bounds, see(store).throttle_factors) == ({}, {"yahoo": 0.5})


def test_days_before_those_of_a_provider_are_known_where_its_reports_are_spread_over_them(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    ip_id = two_tenants.aurora[0]
    with store.session("*") as conn:
        for back, delivered in ((21, 20), (20, 30), (14, 40), (13, 50)):
            for provider in ("gmail", "yahoo"):
                add_hour(conn, ip_id, START - timedelta(days=back), provider, delivered=delivered)
        add_hour(conn, ip_id, START, "gmail", delivered=1, complained=5)
        add_hour(conn, ip_id, START, "yahoo", delivered=9, complained=5)
    seen = see(store)
    assert seen.earlier == {
        "gmail": (DayCounts(DAY - timedelta(days=20), 30), DayCounts(DAY - timedelta(days=14), 40))
    }
    assert seen.providers["gmail"][0] == DayCounts(DAY - timedelta(days=13), 50)
    assert observation_of(json.loads(json.dumps(observation_document(seen)))).earlier == seen.earlier
