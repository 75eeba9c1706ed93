"""Airflow: settings, pool, DAGs, and runs that a clock ahead of time left in the future."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from airflow.configuration import conf
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.pool import Pool
from airflow.providers_manager import ProvidersManager
from airflow.utils.session import create_session
from croniter import croniter  # type: ignore[import-untyped]
from sqlalchemy import func, select

from email_engine.doctor.finding import DoctorFinding, Named, not_seen, ok, wrong
from email_engine.paths import ROOT
from email_engine_airflow.future_runs import lies_in_future
from email_engine_airflow.pools import DESCRIPTION, POOL, SLOTS

AHEAD = timedelta(minutes=5)
KEY, TEST, PROVIDER = "Airflow: fernet key", "Airflow: test buttons", "Airflow: email-engine's provider"
DAGS, IMPORTS, POOLS, RUNS = "Airflow: DAGs", "Airflow: import errors", f"Airflow: pool {POOL}", "clock: runs"


def airflow_checks() -> Iterator[Named]:
    yield from (
        Named(KEY, fernet_key),
        Named(TEST, test_buttons),
        Named(PROVIDER, provider),
        Named(DAGS, dags),
        Named(IMPORTS, import_errors),
        Named(POOLS, pool),
        Named(RUNS, lambda: runs(datetime.now(UTC))),
    )


def fernet_key() -> DoctorFinding:
    if conf.get("core", "fernet_key", fallback=""):
        return ok(KEY, "set: passwords of connections are stored encrypted")
    return wrong(
        KEY, "empty: passwords of connections are stored in plain text",
        "set AIRFLOW__CORE__FERNET_KEY on every component (docs/operating.md), then enter the passwords again",
    )  # fmt: skip


def test_buttons() -> DoctorFinding:
    said = conf.get("core", "test_connection", fallback="Disabled").strip()
    if said.lower() == "enabled":
        return ok(TEST, "enabled")
    return wrong(TEST, f"{said}", "set AIRFLOW__CORE__TEST_CONNECTION=Enabled for the API server")


def provider() -> DoctorFinding:
    if "email-engine" in ProvidersManager().providers:
        return ok(PROVIDER, "installed: its connection types have forms")
    return wrong(PROVIDER, "not found", "install the package into Airflow's own Python environment")


def dags() -> DoctorFinding:
    wanted = {path.stem for path in (ROOT / "dags").glob("*.py") if not path.name.startswith("_")}
    with create_session() as session:
        rows = {
            str(name): bool(paused)
            for name, paused in session.execute(
                select(DagModel.dag_id, DagModel.is_paused).where(DagModel.dag_id.in_(wanted), ~DagModel.is_stale)
            )
        }  # fmt: skip
    if lacking := sorted(wanted - rows.keys()):
        return wrong(
            DAGS, f"not loaded: {', '.join(lacking)}", "see AIRFLOW__CORE__DAGS_FOLDER and that the DAG processor runs"
        )  # fmt: skip
    if paused := sorted(name for name, stopped in rows.items() if stopped):
        return not_seen(
            DAGS, f"all {len(rows)} are loaded; paused: {', '.join(paused)}", "switch them on when you are ready"
        )  # fmt: skip
    return ok(DAGS, f"all {len(rows)} are loaded and on")


def import_errors() -> DoctorFinding:
    with create_session() as session:
        files = [str(name) for name in session.scalars(select(ParseImportError.filename))]
    if files:
        return wrong(IMPORTS, f"in {', '.join(sorted(files)[:5])}", "read them on the page Dags in the UI")
    return ok(IMPORTS, "none")


def pool() -> DoctorFinding:
    with create_session() as session:
        slots = session.scalar(select(Pool.slots).where(Pool.pool == POOL))
    if slots:
        return ok(POOLS, f"{slots} slots")
    seen = "it has no slots" if slots == 0 else "there is none"
    return wrong(
        POOLS, f"{seen}: Airflow never starts deployments, ingest and health of hosts",
        f"airflow pools set {POOL} {SLOTS} '{DESCRIPTION}'",
    )  # fmt: skip


def runs(now: datetime) -> DoctorFinding:
    """A scheduler whose clock was ahead planned next runs too late, and nothing starts until then."""
    late = []
    with create_session() as session:
        newest = session.scalar(select(func.max(DagRun.run_after)).where(lies_in_future(now)))
        planned = session.execute(
            select(DagModel.dag_id, DagModel.timetable_summary, DagModel.next_dagrun_create_after).where(
                DagModel.next_dagrun_create_after.is_not(None), ~DagModel.is_stale
            )
        ).all()
    for name, cron, at in planned:
        if at is not None and at > _next(str(cron), now) + AHEAD:
            late.append(f"{name} ({at:%Y-%m-%d %H:%M})")
    if newest is not None:
        late.insert(0, f"a run of {newest:%Y-%m-%d %H:%M}")
    if late:
        return wrong(
            RUNS, f"too far in the future at {now:%Y-%m-%d %H:%M} UTC: {', '.join(late[:5])}",
            "put the clock right (`timedatectl`); a minute later the triggerer has moved our runs to now and the DAG processor has "
            "planned the next ones: see that both run and that their clocks and the database's are right",
        )  # fmt: skip
    return ok(RUNS, "no run lies in the future, and every next one is due at its time")


def _next(cron: str, now: datetime) -> datetime:
    if croniter.is_valid(cron):
        return datetime.fromtimestamp(croniter(cron, now).get_next(float), UTC)
    return now + timedelta(days=8)
