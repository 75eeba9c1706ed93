"""`email-engine doctor`: everything a new operator must get right, as a checklist with the next step of each.

Run it where Airflow runs, with Airflow's environment: connections, pool and DAGs are looked at through Airflow itself. Without
Airflow it looks at database and fleet file, and says what it could not see."""

import argparse
import contextlib
import importlib
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from email_engine.commands.output import DATABASE, add_database, add_json, emit
from email_engine.paths import fleet_path

if TYPE_CHECKING:
    from email_engine.doctor.finding import DoctorFinding

WITH_AIRFLOW = "email_engine_airflow.doctor"


def configure(parser: argparse.ArgumentParser) -> None:
    """Database, fleet file and patience."""
    parser.add_argument(
        "--fleet", type=Path, default=fleet_path(), metavar="FILE", help="default: EMAIL_ENGINE_FLEET"
    )
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="for each check (default: 30)"
    )
    add_database(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Looks at everything, prints the checklist; 1 where anything is wrong."""
    with _without_airflows_notes():
        return _run(args)


@contextlib.contextmanager
def _without_airflows_notes() -> Iterator[None]:
    """Airflow logs a lot when it is asked for its settings; the checklist says what matters."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)


def _run(args: argparse.Namespace) -> int:
    from email_engine.doctor.finding import State, not_seen, render_checklist, run_all

    fleet, about_file = _fleet(args.fleet)
    findings = [about_file]
    airflow, why = _airflow()
    if airflow is None:
        findings.append(
            not_seen(
                "Airflow", f"{why}; its settings, pool, DAGs and every connection were not looked at",
                "run this where Airflow runs, with its environment (AIRFLOW_HOME, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN)",
            )
        )  # fmt: skip
    findings += _database(args, airflow, fleet)
    if airflow is not None:
        try:
            findings += run_all(airflow.checks(fleet), args.timeout)
        except Exception as error:  # noqa: BLE001 - Airflow's own database away must not hide the rest
            findings.append(
                not_seen(
                    "Airflow", f"its metadata database cannot be read ({type(error).__name__})",
                    "check AIRFLOW__DATABASE__SQL_ALCHEMY_CONN and run `airflow db migrate`",
                )
            )  # fmt: skip
    counts = {state: sum(found.state is state for found in findings) for state in State}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items())
    emit(
        args,
        {"ok": not counts[State.WRONG], "counts": counts, "checks": [asdict(f) for f in findings]},
        f"{render_checklist(findings)}\n\n{summary}",
    )
    return 1 if counts[State.WRONG] else 0


def _fleet(path: Path) -> "tuple[object, DoctorFinding]":
    from email_engine.doctor.database import FLEET, fleet_file
    from email_engine.doctor.finding import wrong
    from email_engine.errors import EngineError

    try:
        return fleet_file(path)
    except EngineError as error:
        return None, wrong(FLEET, f"{error.subject}: {error.observed}", error.next_step)


def _airflow() -> tuple[ModuleType | None, str]:
    """The part that needs Airflow, found by name so that this package never imports it."""
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
    try:
        return importlib.import_module(WITH_AIRFLOW), ""
    except ModuleNotFoundError as error:
        return None, f"{error.name} is not installed here"
    except Exception as error:  # noqa: BLE001 - Airflow's import reads configuration and may fail in many ways
        return None, f"Airflow does not start here ({type(error).__name__})"


def _database(args: argparse.Namespace, airflow: ModuleType | None, fleet: object) -> "list[DoctorFinding]":
    from email_engine.doctor.database import DATABASE as SUBJECT
    from email_engine.doctor.database import database_checks
    from email_engine.doctor.finding import run_all, wrong
    from email_engine.errors import EngineError
    from email_engine.store.engine import connect

    try:
        url = args.database_url or os.environ.get(DATABASE) or (airflow.engine_url() if airflow else None)
        if not url:
            return [
                wrong(SUBJECT, "no address", f"make the connection email_engine_db, or set {DATABASE}"),
            ]
        store = connect(url)
    except EngineError as error:
        return [wrong(SUBJECT, f"{error.subject}: {error.observed}", error.next_step)]
    except Exception as error:  # noqa: BLE001 - an address that is none, or Airflow's database away
        return [
            wrong(SUBJECT, f"its address cannot be had ({type(error).__name__})", f"correct {DATABASE}, or email_engine_db")
        ]  # fmt: skip
    try:
        return run_all(database_checks(store, args.fleet, fleet), args.timeout)  # type: ignore[arg-type]
    finally:
        store.dispose()
