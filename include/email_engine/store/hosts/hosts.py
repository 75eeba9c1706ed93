"""MTA hosts: what `mta_health` last saw of each. Run it under tenant `*`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from email_engine.errors import InputError
from email_engine.fleet.model import MtaHost
from email_engine.store.schema import mta_hosts


@dataclass(frozen=True, slots=True)
class SeenHost:
    """A host of the fleet; `health`: the last look as plain JSON, `{}` if there was none."""

    host: MtaHost
    health: Mapping[str, Any]
    checked_at: datetime | None


def load_host(conn: Connection, name: str) -> SeenHost:
    """Raises InputError for a host that the fleet does not have."""
    query = select(mta_hosts).where(mta_hosts.c.name == name, mta_hosts.c.removed.is_(False))
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        raise InputError(f"MTA host {name}", "not in the fleet", "a host of fleet.yaml", "see fleet.yaml")
    host = MtaHost(row["name"], row["connection"], row["version"], row["config_file"], row["accounting_dir"])
    return SeenHost(host, row["health"] or {}, row["health_checked_at"])


def save_health(conn: Connection, name: str, health: Mapping[str, Any], at: datetime) -> None:
    """`at`: the look's time; a look that is older than the one known is dropped (a run that was cleared)."""
    older = mta_hosts.c.health_checked_at.is_(None) | (mta_hosts.c.health_checked_at <= at)
    conn.execute(
        update(mta_hosts)
        .where(mta_hosts.c.name == name, older)
        .values(health=dict(health), health_checked_at=at)
    )
