"""What one tenant's session sees and writes, table by table; and what nobody may change."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from email_engine.decision import Decision, Origin
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.judgement.decisions import record
from email_engine.store.stops import brakes
from email_engine.store.tables.hygiene import COUNTED

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
TENANT_TABLES = [table.name for table in s.TENANT_TABLES]


def fill(conn: Connection, tenant: str, ip_id: int) -> None:
    """At least one row of the tenant in every table that has tenants."""
    decision = Decision(tenant, "test", f"{tenant}/{ip_id}", "2026-11-01", "stay", "Because.", NOON, "0" * 64)
    decision_id = record(conn, decision, "test", "run")
    version = versions.bump(conn, "test")
    ip = next(ip for ip in ips.load_ips(conn, day=NOON.date(), tenant=tenant) if ip.ip_id == ip_id)
    ips.set_allowance(conn, ip_id, tenant, NOON.date(), 50, version, decision_id)
    ips.transition(
        conn,
        ip_id,
        "graduate",
        ips.IpState.ACTIVE,
        "Because.",
        Origin("test", NOON, "test", "run"),
        decision_id,
    )
    brakes.engage(conn, ip, "Because.", Origin("test", NOON, "test", "run"), decision_id)
    rows: dict[Any, dict[str, Any]] = {
        s.alerts: {"event": "e", "object": tenant, "state": "s", "severity": "info", "text": "t"},
        s.blacklist_events: {
            "ip_id": ip_id, "list": "zen", "zone": "zen.example", "severity": "high", "class": "reputation",
            "codes": ["127.0.0.2"], "opened_at": NOON, "last_seen_at": NOON,
        },
        s.delivery_stats: {
            "ip_id": ip_id, "provider": "gmail", "hour": NOON, "attempts": 1, "delivered": 1, "bounced": 0,
            "deferred": 0, "complained": 0,
        },
        s.delivery_days: {
            "ip_id": ip_id, "provider": "gmail", "day": NOON.date(), "attempts": 1, "delivered": 1, "bounced": 0,
            "deferred": 0, "complained": 0,
        },
        s.dns_checks: {
            "ip_id": ip_id, "subject": "x", "check_id": "spf", "status": "ok", "severity": "error", "observed": "",
            "expected": "", "remedy": "", "checked_at": NOON,
        },
        s.domain_listings: {
            "domain": f"{tenant}.example", "list": "dbl", "zone": "dbl.example", "severity": "high", "class": "reputation",
            "codes": ["127.0.1.2"], "opened_at": NOON, "last_seen_at": NOON,
        },
        s.dkim_keys: {"domain": f"{tenant}.example", "selector": "s1", "key_path": "/k.pem", "stage": "making", "since": NOON},
        s.owed_news: {"dag_id": "warmup_advance", "run_id": "r"},
        s.blocklist_answers: {"ip_id": ip_id, "list": "zen", "answer": "not_listed", "asked_at": NOON},
        s.reputation: {"ip_id": ip_id, "provider": "gmail", "messages": 1, "rates": {}, "as_of": NOON},
        s.quota_syncs: {
            "ip_id": ip_id, "mailwizz": f"mw-{tenant}", "server_id": 1, "day": NOON.date(), "fleet_version": version,
            "result": "applied",
        },
        s.warmup_daily_stats: {
            "ip_id": ip_id, "day": NOON.date(), "phase": 1, "allowance": 50, "sent": 0, "delivered": 0, "bounced": 0,
            "deferred": 0, "complained": 0,
        },
    }  # fmt: skip
    file = {
        "mta_host": "mta-1",
        "name": tenant,
        "size": 1,
        "modified": 1,
        "digest": tenant,
        "records": 1,
        "rejected": 0,
    }
    file_id = conn.execute(
        insert(s.accounting_files).values(status="taken", **file).returning(s.accounting_files.c.id)
    ).scalar_one()
    rows[s.delivery_events] = {
        "ip_id": ip_id, "file_id": file_id, "kind": "bounce", "provider": "gmail", "at": NOON, "counted_at": NOON,
        "counted_by": "record", "category": "bad-mailbox", "status": "5.1.1", "message_id": "m", "campaign": "c",
    }  # fmt: skip
    rows[s.suppressions] = {
        "ip_id": ip_id, "file_id": file_id, "reason": "hard", "provider": "gmail", "at": NOON, "message_id": "m", "campaign": "c",
    }  # fmt: skip
    rows[s.recipient_list_reports] = {
        "mailwizz": f"mw-{tenant}", "list_uid": "ab1", "name": "News", "day": NOON.date(), "looked_at": NOON,
        **dict.fromkeys(COUNTED, 0),
    }  # fmt: skip
    for table, row in rows.items():
        conn.execute(insert(table).values(tenant=tenant, **row))
    brake = conn.execute(
        insert(s.brakes)
        .values(tenant=tenant, ip_id=ip_id, reason="r", actor="a", engaged_at=NOON, provider="gmail")
        .returning(s.brakes.c.id)
    ).scalar_one()
    heard = {"server_id": 1, "began_at": NOON, "quiet_since": NOON}
    conn.execute(insert(s.silences).values(tenant=tenant, brake_id=brake, **heard))
    paused = {"mailwizz": f"mw-{tenant}", "campaign": "c", "name": "c", "paused_at": NOON}
    conn.execute(insert(s.paused_campaigns).values(tenant=tenant, brake_id=brake, **paused))
    listing = select(func.max(s.blacklist_events.c.id)).scalar_subquery()
    conn.execute(insert(s.delistings).values(tenant=tenant, ip_id=ip_id, listing_id=listing))


@pytest.fixture
def filled(store: Store, two_tenants: SimpleNamespace) -> SimpleNamespace:
    with store.session("*") as conn:
        fill(conn, "aurora", two_tenants.aurora[0])
        fill(conn, "borealis", two_tenants.borealis[0])
    return two_tenants


def owners(store: Store, table: str, tenant: str | None) -> set[str | None]:
    column = "name" if table == "tenants" else "tenant"
    with store.session(tenant) as conn:
        return set(conn.execute(text(f"SELECT {column} FROM email_engine.{table}")).scalars())


def test_every_tenant_table_is_walled(store: Store, filled: SimpleNamespace) -> None:
    for table in TENANT_TABLES:
        assert owners(store, table, "aurora") == {"aurora"}, table
        assert owners(store, table, "*") >= {"aurora", "borealis"}, table
        assert owners(store, table, None) == set(), table
        assert owners(store, table, "stranger") == set(), table


def test_row_security_binds_the_owner_too_on_every_table_that_knows_tenants(store: Store) -> None:
    with store.session() as conn:
        walled = conn.execute(
            text(
                "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
                "WHERE nspname = 'email_engine' AND relrowsecurity AND relforcerowsecurity"
            )
        ).scalars()
        assert set(walled) == set(TENANT_TABLES)
        assert not conn.execute(
            text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        ).scalar_one()


@pytest.mark.parametrize(
    "session", ["aurora", None], ids=["another tenant's session", "a session without tenant"]
)
def test_rows_of_others_can_be_neither_added_nor_moved_nor_changed(
    store: Store, filled: SimpleNamespace, session: str | None
) -> None:
    stolen = insert(s.alerts).values(
        tenant="borealis", event="x", object="x", state="x", severity="info", text="x"
    )
    with pytest.raises(ProgrammingError, match="row-level security"), store.session(session) as conn:
        conn.execute(stolen)
    with store.session(session) as conn:
        changed = conn.execute(
            update(s.warmup_plans).where(s.warmup_plans.c.tenant == "borealis").values(phase=6)
        )
        assert changed.rowcount == 0


def test_a_row_cannot_be_handed_to_another_tenant(store: Store, filled: SimpleNamespace) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), store.session("aurora") as conn:
        conn.execute(update(s.alerts).values(tenant="borealis"))


def test_the_platforms_alerts_are_seen_only_by_the_session_of_all(
    store: Store, filled: SimpleNamespace
) -> None:
    alert = insert(s.alerts).values(event="x", object="host", state="down", severity="critical", text="x")
    with pytest.raises(ProgrammingError, match="row-level security"), store.session("aurora") as conn:
        conn.execute(alert)
    with store.session("*") as conn:
        conn.execute(alert)
    assert None in owners(store, "alerts", "*")
    assert None not in owners(store, "alerts", "aurora")


@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET reason = 'other'", "DELETE FROM {}", "TRUNCATE {} CASCADE"], ids=str
)
@pytest.mark.parametrize("table", ["decisions", "ip_state_history", "fleet_versions"])
def test_what_was_written_stays_written(
    store: Store, filled: SimpleNamespace, table: str, statement: str
) -> None:
    with pytest.raises(DBAPIError, match="is append-only"), store.session("*") as conn:
        conn.execute(text(statement.format(f"email_engine.{table}")))


@pytest.mark.parametrize(
    ("table", "row", "complaint"),
    [
        (
            s.ips,
            {"address": "192.0.2.9", "pool_name": "borealis-newsletter"},
            "fk_ips_tenant_stream_pool_name",
        ),
        (s.ips, {"address": "192.0.2.9", "mailwizz": "mw-borealis"}, "fk_ips_mailwizz_tenant"),
    ],
    ids=["a pool of another tenant", "a MailWizz of another tenant"],
)
def test_keys_refuse_what_tenants_may_never_share(
    store: Store, two_tenants: SimpleNamespace, table: Any, row: dict[str, Any], complaint: str
) -> None:
    with store.session("*") as conn:
        one = dict(conn.execute(select(s.ips).where(s.ips.c.id == two_tenants.aurora[0])).mappings().one())
    del one["id"]
    one |= {"hostname": "x.example", "vmta_name": "x", "mailwizz_server_id": 999}
    with pytest.raises(IntegrityError, match=complaint), store.session("*") as conn:
        conn.execute(insert(table).values(one | row))


def test_counts_below_zero_are_refused(store: Store, two_tenants: SimpleNamespace) -> None:
    with store.session("*") as conn:
        version = versions.bump(conn, "test")
    with pytest.raises(IntegrityError, match="messages_not_negative"), store.session("*") as conn:
        ips.set_allowance(conn, two_tenants.aurora[0], "aurora", date(2026, 11, 1), -1, version, None)


def test_filled_covers_every_table(store: Store, filled: SimpleNamespace) -> None:
    with store.session("*") as conn:
        empty = [
            t.name
            for t in s.TENANT_TABLES
            if not conn.execute(select(func.count()).select_from(t)).scalar_one()
        ]
    assert empty == []
