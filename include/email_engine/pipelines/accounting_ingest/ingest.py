"""What one host's closed accounting files say, counted."""

import logging
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from email_engine.accounting.policy import shipped_accounting_policy
from email_engine.accounting.recipients import VARIABLE, hash_from_environment
from email_engine.accounting.sealing import sealer_from_environment
from email_engine.accounting.summarize import summarize
from email_engine.accounting.unpack import unpacked
from email_engine.errors import InputError
from email_engine.fleet.providers import shipped_providers
from email_engine.pipelines.accounting_ingest.folder import FolderLook
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.store.accounting.delivery import (
    REFUSED,
    TAKEN,
    AccountingFile,
    Reading,
    Taken,
    mark_checked,
    seen_files,
    take_file,
)
from email_engine.store.accounting.odd_files import tell_odd
from email_engine.store.engine import Store
from email_engine.store.fleet.inventory import load_fleet
from email_engine.store.hosts.health import clock_offset

log = logging.getLogger(__name__)


def ingest(store: Store, clients: Clients, mta_host: str, run: Run) -> dict[str, Any]:
    """Takes every closed accounting file of one host that was not dealt with before, oldest first.

    Each file is one transaction: after a kill or a clear nothing is counted twice. A file that cannot be read as
    accounting is refused with an alert and the next one is taken; so is the next one where a name is odd or a file may not be
    read. A file that is written to while it is read, or was just before, waits for the next run. When none was refused, odd or
    waiting, the host counts as seen up to the run's time: an idle host writes no file, and silence after a good look is no mail
    (an empty or missing folder is no look). A dry run reads and counts, and writes nothing.
    Returns counts: `{"host", "taken", "duplicate", "refused", "waiting", "odd", "records", "rejected"}`.

    Raises EngineError: the host or the database is away or refuses us; what was taken before stays taken."""
    counts = _ingest(store, clients, mta_host, run)
    log.info("%s: %s", mta_host, ", ".join(f"{n} {what}" for what, n in counts.items()))
    return {"host": mta_host, **counts}


def _ingest(store: Store, clients: Clients, mta_host: str, run: Run) -> dict[str, int]:
    with store.session(tenant="*") as conn:
        connection, folder = _host(conn, mta_host)
        seen = seen_files(conn, mta_host)
        offset = clock_offset(conn, mta_host, run.as_of)
    counts = dict.fromkeys(("taken", "duplicate", "refused", "waiting", "odd", "records", "rejected"), 0)
    reading = _reading(run)
    quiet = shipped_accounting_policy().quiet_seconds
    with clients.mta(connection) as mta, tempfile.TemporaryDirectory() as here:
        copy = Path(here) / "accounting.csv"
        look = FolderLook(mta, mta_host, folder, offset, quiet)
        for file in look.files(seen):
            if look.fetch(file, copy):
                taken = _take(store, file, copy, reading, run)
                counts[taken.status] += 1
                counts["records"] += taken.records
                counts["rejected"] += taken.rejected
    counts |= {"waiting": look.waiting, "odd": len(look.odd)}
    if not run.dry_run:
        with store.session(tenant="*") as conn:
            tell_odd(conn, mta_host, folder, look.odd, run.dag_id, run.run_id)
            if look.whole and not counts["refused"]:
                mark_checked(conn, mta_host, run.as_of)
    return counts


def _reading(run: Run) -> Reading:
    hash_of = hash_from_environment()
    if hash_of is None:
        log.warning("no key in %s: bounces and complaints are kept without their recipient", VARIABLE)
    # a run that is cleared later meets files that are younger than itself; they are not from the future
    now = max(run.as_of, datetime.now(UTC))
    return Reading(shipped_providers(), shipped_accounting_policy(), hash_of, now, sealer_from_environment())


def _take(store: Store, file: AccountingFile, path: Path, reading: Reading, run: Run) -> Taken:
    if run.dry_run:
        taken = _look(file, path, reading)
    else:
        with store.session(tenant="*") as conn:
            taken = take_file(conn, file, path, reading, dag_id=run.dag_id, run_id=run.run_id)
    level = log.warning if taken.status == REFUSED else log.info
    level("%s: %s, %d records %s", file.name, taken.status, taken.records, taken.message)
    return taken


def _look(file: AccountingFile, path: Path, reading: Reading) -> Taken:
    try:
        name = f"{file.mta_host}:{file.name}"
        with tempfile.TemporaryDirectory() as folder:
            plain = unpacked(path, Path(folder), name)
            summary = summarize(plain, name, reading.providers, latest=reading.latest)
    except InputError as error:
        return Taken(REFUSED, 0, 0, str(error))
    refused = summary.rejected_rate > reading.policy.largest_rejected_rate
    return Taken(REFUSED if refused else TAKEN, summary.records, summary.rejected_rows, "dry run")


def _host(conn: Connection, name: str) -> tuple[str, str]:
    """Connection id and accounting folder of a host."""
    hosts = {host.name: host for host in load_fleet(conn).mta_hosts}
    if name not in hosts:
        raise InputError(f"MTA host {name}", "not in the fleet", _listed(hosts), "add it to the fleet file")
    return hosts[name].connection, hosts[name].accounting_dir


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no host yet: apply a fleet file first"
