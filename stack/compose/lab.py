"""What the one-shot `lab-init` does: the example fleet, the lab's databases and world, and the connections that lead to it.

Safe to repeat. Nothing is written where Airflow holds a connection of the same name that leads elsewhere: a fleet of real hosts is
never turned to the lab."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import URL

from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.model import BlockList, ListStatus
from email_engine.errors import InputError
from email_engine.fleet.model import Fleet
from email_engine.fleet.names_file import write_names
from email_engine.fleet.read import read_fleet
from email_engine.paths import CONFIG, fleet_path
from email_engine.store.migrate import prepare_role
from stack import connections, world
from stack.chosen_ports import PORTS
from stack.compose.steps import database_address, read_secret
from stack.settings import Settings

HOST, STATE = "EMAIL_ENGINE_LAB_HOST", "EMAIL_ENGINE_LAB_STATE"
EXAMPLE = CONFIG / "fleet.yaml"


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a connection leads: `base_url` is the extra of that name, empty where there is none."""

    conn_id: str
    host: str
    base_url: str = ""

    @property
    def leads_to(self) -> str:
        """A host name, an address or a socket's folder."""
        place = self.base_url or self.host
        if place.startswith("/"):
            return place
        return urlsplit(place if "://" in place else f"//{place}").hostname or ""


def prepare_lab(secrets: Path) -> list[str]:
    """The steps in their order; returns the ids of the connections that are written.

    `secrets`: the folder of the secrets. The variables EMAIL_ENGINE_LAB_HOST (where the lab will listen) and EMAIL_ENGINE_LAB_STATE
    (the folder of its world) must be set. InputError where a connection leads elsewhere or the fleet file cannot be had."""
    host, state = _variable(HOST), Path(_variable(STATE))
    fleet = read_fleet(fleet_path() if fleet_path().exists() else EXAMPLE)
    server = database_address(secrets, "engine_database_url").set(drivername="postgresql")
    here = Settings(state, dict(PORTS)).for_fleet(
        [mta.name for mta in fleet.mta_hosts], [instance.name for instance in fleet.mailwizz_instances]
    )
    names = {"dns_resolver_default", "telegram_alerts_default", *(mta.connection for mta in fleet.mta_hosts)}
    for instance in fleet.mailwizz_instances:
        names |= {instance.api_connection, instance.db_connection}
    refuse_taken_roles(
        fleet, {"postgres", server.username, database_address(secrets, "airflow_database_url").username}
    )
    refuse_foreign(stored(names), {host, database_host(server)})
    ensure_fleet(fleet_path())
    write_names(fleet_path(), fleet)
    make_databases(server, read_secret(secrets, "postgres_password"), here, fleet)
    lists = zones(load_blocklists()[0])
    world.write_world(here, world.make_world(here, server, fleet, {"mode": "real"}, lists=lists))
    made = connections.lab_connections(here, server, fleet, host)
    write_connections(made)
    return sorted(made)


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise InputError(name, "is not set", "the environment of the service lab-init", "run it in that service")


def ensure_fleet(path: Path) -> None:
    """Puts the example there where no file is. InputError where the folder may not be written to."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            shutil.copyfile(EXAMPLE, draft)
            draft.rename(path)
        except OSError as error:
            raise InputError(
                str(path), f"is missing and cannot be written ({error.strerror})", "a fleet file",
                "on the host: cp include/config/fleet.yaml fleet/fleet.yaml",
            ) from None  # fmt: skip


def zones(lists: Iterable[BlockList]) -> list[dict[str, Any]]:
    """The lab's lists: all that are asked without a key, in good health, as the file in force expects them."""
    return [
        {
            "zone": each.zone,
            "kind": "healthy" if each.probe.has_test_point else "no-test-point",
            "test_codes": sorted(map(str, each.probe.listed)),
        }
        for each in lists
        if each.status is ListStatus.ACTIVE and not each.key_required
    ]


def refuse_foreign(found: Iterable[Stored], ours: set[str]) -> None:
    """InputError that names every connection which leads to none of `ours`; never where it leads in full."""
    foreign = sorted(each.conn_id for each in found if each.leads_to not in ours)
    if foreign:
        raise InputError(
            "Airflow's connections", f"{', '.join(foreign)} lead elsewhere", "none of these names, or only the lab's own",
            "leave the profile lab out; to try it all the same, use a copy of this folder with another "
            "COMPOSE_PROJECT_NAME and EMAIL_ENGINE_PORT in its .env",
        )  # fmt: skip


def refuse_taken_roles(fleet: Fleet, taken: set[str | None]) -> None:
    """InputError for a MailWizz whose role would be one that Airflow, the engine or the superuser logs in with."""
    for instance in fleet.mailwizz_instances:
        if instance.name in taken:
            raise InputError(
                f"mailwizz {instance.name}", "is the name of a role in PostgreSQL that others use", "another name",
                "rename it in the fleet file",
            )  # fmt: skip


def database_host(server: URL) -> str:
    return server.host or str(server.query.get("host") or "")


def make_databases(server: URL, password: str, here: Settings, fleet: Fleet) -> None:
    """A role and a database of the same name for each MailWizz, on the engine's server."""
    admin, known = server.set(username="postgres", password=password, database="postgres"), here.secrets()
    for instance in fleet.mailwizz_instances:
        prepare_role(admin, instance.name, instance.name, known[f"{instance.name}_db"])


def stored(names: Iterable[str]) -> list[Stored]:
    """Those of the names that Airflow's database holds."""
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        rows = session.scalars(select(Connection).where(Connection.conn_id.in_(names)))
        return [
            Stored(row.conn_id, row.host or "", str(row.extra_dejson.get("base_url") or "")) for row in rows
        ]


def write_connections(made: Mapping[str, Mapping[str, Any]]) -> None:
    """Into Airflow's database, all or none, in place of those of the same name."""
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id.in_(made)))
        for name, fields in made.items():
            session.add(Connection(conn_id=name, **{**fields, "extra": json.dumps(fields["extra"])}))
