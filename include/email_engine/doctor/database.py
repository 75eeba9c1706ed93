"""The engine's database and the fleet file: what can be seen without Airflow."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text

from email_engine.doctor.finding import DoctorFinding, Named, not_seen, ok, wrong
from email_engine.fleet.inventory import plan_inventory
from email_engine.fleet.mistakes import FleetInvalid
from email_engine.fleet.model import Fleet
from email_engine.fleet.read import read_fleet
from email_engine.store.engine import Store
from email_engine.store.fleet.inventory import load_fleet, load_removed
from email_engine.store.migrate import alembic_config
from email_engine.store.schema import SCHEMA, decisions

AHEAD = timedelta(minutes=5)
DATABASE, TABLES, ROLE = "engine database", "engine database: tables", "engine database: role"
FLEET, INVENTORY, DECISIONS = "fleet file", "fleet file and database", "clock: newest decision"


def database_checks(store: Store, path: Path, fleet: Fleet | None) -> Iterator[Named]:
    """In the order in which they build on each other."""
    yield Named(DATABASE, lambda: reachable(store))
    yield Named(TABLES, lambda: migrated(store))
    yield Named(ROLE, lambda: bound(store))
    yield Named(DECISIONS, lambda: decisions_in_the_past(store, datetime.now(UTC)))
    if fleet is not None:
        yield Named(INVENTORY, lambda: same_inventory(store, fleet, path))


def reachable(store: Store) -> DoctorFinding:
    with store.session() as conn:
        conn.execute(text("SELECT 1"))
    return ok(DATABASE, f"{store!r} answers")


def migrated(store: Store) -> DoctorFinding:
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    with store.session() as conn:
        there = conn.execute(
            text("SELECT to_regclass(:table)"), {"table": f"{SCHEMA}.alembic_version"}
        ).scalar()
        now = (
            conn.execute(text(f"SELECT version_num FROM {SCHEMA}.alembic_version")).scalar()  # noqa: S608
            if there
            else None
        )
    if now == head:
        return ok(TABLES, f"at revision {head}, this release's")
    seen = f"at revision {now}, this release has {head}" if now else "there are none"
    return wrong(TABLES, seen, "run `email-engine migrate`")


def bound(store: Store) -> DoctorFinding:
    with store.session() as conn:
        unbound: bool = conn.execute(
            text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        ).scalar_one()
    if unbound:
        return wrong(
            ROLE, "it walks past row-level security, which keeps tenants apart",
            "log in with a role that is no superuser: ALTER ROLE ... NOSUPERUSER NOBYPASSRLS",
        )  # fmt: skip
    return ok(ROLE, "row-level security binds it")


def decisions_in_the_past(store: Store, now: datetime) -> DoctorFinding:
    with store.session(tenant="*") as conn:
        newest = conn.execute(select(func.max(decisions.c.as_of))).scalar()
    if newest is not None and newest > now + AHEAD:
        return wrong(
            DECISIONS, f"{newest:%Y-%m-%d %H:%M} UTC lies in the future; this clock says {now:%Y-%m-%d %H:%M}",
            "put the clocks right (`timedatectl`); a clock was ahead when it was made. Until then days may count as closed",
        )  # fmt: skip
    return ok(DECISIONS, f"{newest:%Y-%m-%d %H:%M} UTC" if newest else "none yet")


def fleet_file(path: Path) -> tuple[Fleet | None, DoctorFinding]:
    """The parsed file, and what there is to say about it."""
    try:
        fleet = read_fleet(path, datetime.now(UTC).date())
    except FleetInvalid as error:
        count = len(error.mistakes)
        return None, wrong(
            FLEET, f"{path.name} has {count} mistake{'s' * (count > 1)}", f"run `email-engine fleet check {path}`"
        )  # fmt: skip
    hosts, instances = len(fleet.mta_hosts), len(fleet.mailwizz_instances)
    return fleet, ok(
        FLEET,
        f"{path.name} is right: {len(fleet.ips)} IPs, MTA hosts {hosts}, MailWizz instances {instances}",
    )


def same_inventory(store: Store, fleet: Fleet, path: Path) -> DoctorFinding:
    with store.session(tenant="*") as conn:
        known = load_fleet(conn)
        plan = plan_inventory(fleet, known, load_removed(conn))
    if plan.empty:
        return ok(INVENTORY, "the same inventory")
    if not known.ips:
        return not_seen(
            INVENTORY, "the database has no inventory yet", f"run `email-engine fleet apply {path}`"
        )
    return wrong(
        INVENTORY, f"they differ in {len(plan.changes)} entries",
        f"look with `email-engine fleet plan {path}`; `fleet apply` or the next warmup_advance brings the file in",
    )  # fmt: skip
