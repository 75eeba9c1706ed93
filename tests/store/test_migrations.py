"""Migrations make exactly the schema, once, also when two run at the same time."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from itertools import count

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, insert, make_url, select, text

from email_engine.errors import AccessDenied, Unreachable
from email_engine.store.accounting.refusals import refusals
from email_engine.store.engine import Store
from email_engine.store.migrate import alembic_config, prepare_role, upgrade
from email_engine.store.schema import (
    SCHEMA,
    TENANT_TABLES,
    accounting_files,
    delivery_days,
    delivery_stats,
    metadata,
)
from tests.fleet_rows import add_host, add_ip, add_tenant

_numbers = count(1)
CATALOGUE = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'email_engine'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped""",
    "constraints": """
        SELECT c.relname, conname, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid
        WHERE connamespace = 'email_engine'::regnamespace""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'email_engine'",
}


@pytest.fixture
def empty_url(postgres_url: str) -> Iterator[str]:
    """A database without the engine's tables, and a role that owns it."""
    name = f"migrate_{next(_numbers)}"
    yield prepare_role(postgres_url, name, name, "not-a-secret")
    libpq = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(libpq, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]
        conn.execute(f"DROP ROLE {name}")  # type: ignore[call-overload]


def catalogue(conn: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every column, constraint and index of the schema but Alembic's own."""
    return {
        kind: sorted(
            tuple(row) for row in conn.execute(text(query)) if not str(row[0]).endswith("alembic_version")
        )
        for kind, query in CATALOGUE.items()
    }


def catalogue_of(url: str) -> dict[str, list[tuple[object, ...]]]:
    engine = create_engine(url, connect_args={"options": "-c search_path=public"})
    with engine.connect() as conn:
        found = catalogue(conn)
    engine.dispose()
    return found


def test_the_newest_revision_is_the_schema_to_the_last_check(
    engine_database_url: str, empty_url: str
) -> None:
    engine = create_engine(empty_url, connect_args={"options": "-c search_path=public"})
    with engine.begin() as conn:
        conn.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        metadata.create_all(conn)
        wanted = catalogue(conn)
    engine.dispose()
    made = catalogue_of(engine_database_url)
    for kind in CATALOGUE:
        assert made[kind] == wanted[kind], f"{kind} differ: add a revision to store/migrations/versions"


def test_alembic_sees_nothing_left_to_do(engine_database_url: str) -> None:
    engine = create_engine(engine_database_url, connect_args={"options": "-c search_path=public"})
    with engine.connect() as conn:
        options = {
            "include_schemas": True,
            "compare_type": True,
            "compare_server_default": True,
            "version_table_schema": SCHEMA,
            "include_name": lambda name, kind, _: name == SCHEMA if kind == "schema" else True,
        }
        assert compare_metadata(MigrationContext.configure(conn, opts=options), metadata) == []
    engine.dispose()


def test_upgrading_again_changes_nothing(empty_url: str) -> None:
    upgrade(empty_url)
    before = catalogue_of(empty_url)
    upgrade(empty_url)
    assert catalogue_of(empty_url) == before


def test_two_upgrades_at_once_both_succeed(empty_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upgrade, [empty_url, empty_url]))
    store = Store(empty_url)
    with store.session() as conn:
        assert conn.execute(text("SELECT count(*) FROM email_engine.alembic_version")).scalar_one() == 1
    store.dispose()


def test_the_days_of_accounting_that_was_there_before_are_summed(empty_url: str) -> None:
    upgrade(empty_url, "0014")
    hours = [
        ("gmail", "2026-11-01 00:00+00", 5, '{"rate": 2}'),
        ("gmail", "2026-11-02 00:59+01", 7, '{"rate": 1, "system": 3}'),
        ("gmail", "2026-11-02 00:00+00", 9, "{}"),
        ("yahoo", "2026-11-01 12:00+00", 1, "{}"),
    ]
    store = Store(empty_url)
    with store.session("*") as conn:
        add_tenant(conn)
        add_host(conn)
        ip_id = add_ip(conn, 1)
        for provider, hour, delivered, meanings in hours:
            conn.execute(
                insert(delivery_stats).values(
                    tenant="aurora", ip_id=ip_id, provider=provider, hour=datetime.fromisoformat(hour), attempts=delivered,
                    delivered=delivered, bounced=0, deferred=0, complained=0, deferral_meanings=json.loads(meanings),
                )
            )  # fmt: skip
    upgrade(empty_url)
    d = delivery_days.c
    columns = (d.tenant, d.provider, d.day, d.attempts, d.delivered, d.deferral_meanings, d.named_lists)
    with store.session("aurora") as conn:
        rows = conn.execute(select(*columns).order_by(d.provider, d.day)).all()
    store.dispose()
    assert [tuple(row) for row in rows] == [
        ("aurora", "gmail", date(2026, 11, 1), 12, 12, {"rate": 3, "system": 3}, {}),
        ("aurora", "gmail", date(2026, 11, 2), 9, 9, {}, {}),
        ("aurora", "yahoo", date(2026, 11, 1), 1, 1, {}, {}),
    ]


def test_files_that_were_refused_long_before_hold_nobody_all_at_once(empty_url: str) -> None:
    upgrade(empty_url, "0016")
    store = Store(empty_url)
    with store.session("*") as conn:
        add_host(conn)
        for name, status, age in (
            ("old", "refused", "3 days"),
            ("new", "refused", "1 hour"),
            ("good", "taken", "9 days"),
        ):
            conn.execute(
                text(
                    "INSERT INTO email_engine.accounting_files"
                    " (mta_host, name, size, modified, digest, records, rejected, status, recorded_at)"
                    " VALUES ('mta-1', :name, 1, 1, :name, 1, 0, :status, now() - CAST(:age AS interval))"
                ),
                {"name": name, "status": status, "age": age},
            )
    upgrade(empty_url)
    with store.session("*") as conn:
        f = accounting_files.c
        rows = conn.execute(select(f.name, f.accepted_by).where(f.accepted_at.is_not(None))).all()
        standing = [one.name for one in refusals(conn)]
    store.dispose()
    assert [tuple(row) for row in rows] == [("old", "upgrade")]
    assert standing == ["new"]


def test_a_failed_upgrade_leaves_nothing_behind(empty_url: str) -> None:
    engine = create_engine(empty_url)
    with engine.begin() as conn:
        conn.execute(text("CREATE SCHEMA email_engine"))
        conn.execute(text("CREATE TABLE email_engine.warmup_plans (in_the_way int)"))
    with pytest.raises(Exception, match="warmup_plans"):
        upgrade(empty_url)
    with engine.begin() as conn:
        found = (
            conn.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'email_engine'"))
            .scalars()
            .all()
        )
    engine.dispose()
    assert found == ["warmup_plans"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE email_engine.ips SET bind_address = '10.0.0.5'", "bind address"),
        (
            "INSERT INTO email_engine.brakes (tenant, ip_id, provider, reason, actor, engaged_at) "
            "SELECT tenant, id, 'yahoo', 'r', 'a', now() FROM email_engine.ips",
            "would not let go",
        ),
    ],
)
def test_an_older_release_gets_nothing_that_it_could_not_handle(
    empty_url: str, change: str, reason: str
) -> None:
    upgrade(empty_url)
    store = Store(empty_url)
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_ip(conn, 1)
        conn.execute(text(change))
    engine = create_engine(empty_url, connect_args={"options": "-c search_path=public"})
    with pytest.raises(RuntimeError, match=reason), engine.begin() as conn:
        command.downgrade(alembic_config(conn), "0021")
    with store.session(tenant="*") as conn:
        conn.execute(text("UPDATE email_engine.ips SET bind_address = NULL"))
        conn.execute(text("UPDATE email_engine.brakes SET released_at = now()"))
    with engine.begin() as conn:
        command.downgrade(alembic_config(conn), "0021")
    engine.dispose()
    store.dispose()


def test_there_is_one_line_of_revisions_and_alembic_can_write_the_next() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    assert len(scripts.get_heads()) == 1
    assert [script.revision for script in scripts.walk_revisions()][-1] == "0001"


def test_every_table_that_knows_tenants_is_in_the_list_of_walled_ones() -> None:
    knowing = {table.name for table in metadata.tables.values() if "tenant" in table.c} | {"tenants"}
    assert {table.name for table in TENANT_TABLES} == knowing


def test_the_role_is_bound_by_row_security_and_prepared_again_without_harm(
    postgres_url: str, empty_url: str
) -> None:
    name = make_url(empty_url).username or ""
    again = prepare_role(postgres_url, name, name, "another-password")
    store = Store(again)
    with store.session() as conn:
        flags = conn.execute(
            text("SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user")
        ).one()
    store.dispose()
    assert tuple(flags) == (False, False, False)
    with pytest.raises(AccessDenied):
        upgrade(empty_url)


def test_a_database_that_is_away_is_said_so() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        upgrade("postgresql+psycopg://u:p@127.0.0.1:1/db")
