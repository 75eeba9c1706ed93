"""Airflow's connections as a command finds them: environment, secrets backend, metadata database."""

import os
from collections.abc import Callable

from airflow.exceptions import AirflowNotFoundException
from airflow.models.connection import Connection
from airflow.utils.session import create_session
from sqlalchemy import select

from email_engine.doctor.finding import DoctorFinding, State, wrong
from email_engine_airflow.hooks.engine_db import EngineDbHook

MAKE = "make it under Admin > Connections (docs/operating.md tells the fields), with exactly this id"


def stored_ids() -> tuple[str, ...]:
    """Ids in the metadata database: for hints alone, other backends list none."""
    with create_session() as session:
        return tuple(sorted(session.scalars(select(Connection.conn_id))))


def hand_over(conn_id: str) -> bool:
    """Puts the connection where hooks outside of a task find it: this process's environment. False if there is none."""
    try:
        found = Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        return False
    os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = found.as_json()
    return True


def missing(subject: str, conn_id: str, conn_type: str, known: tuple[str, ...]) -> DoctorFinding:
    near = [name for name in known if name.split("_")[0] == conn_type.split("_")[0]]
    seen = f"there is no connection {conn_id}" + (f"; there are {', '.join(near[:5])}" if near else "")
    return wrong(subject, seen, f"{MAKE}, type {conn_type}")


def tested(
    subject: str, conn_id: str, conn_type: str, known: tuple[str, ...], test: Callable[[], tuple[bool, str]]
) -> DoctorFinding:
    """What the connection's own test button says."""
    if not hand_over(conn_id):
        return missing(subject, conn_id, conn_type, known)
    fine, told = test()
    if fine:
        return DoctorFinding(subject, State.OK, told)
    seen, _, step = told.partition(" Next: ")
    return wrong(subject, seen, step or "correct the connection, then press its Test button")


def engine_url() -> str | None:
    """The engine database's address from its connection, for the checks that need no Airflow."""
    if not hand_over(EngineDbHook.default_conn_name):
        return None
    return EngineDbHook().url().render_as_string(hide_password=False)
