"""Accounting: which hosts there are, what was accepted for lost, and what one host's closed files say."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from email_engine.pipelines.run import Run
from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from pathlib import Path

    from email_engine.store.delivery import AccountingFile, Reading, Taken
    from email_engine.store.engine import Store


class ListMtaHosts(EngineOperator):
    """The names of all MTA hosts in the engine's database, for mapping one task a host.

    Before that, it gives up the refused files that param `accept_refused` names, with param `reason`.

    Raises:
        InputError: no such refused file stands, or no reason was given; nothing is accepted then."""

    def __init__(self, *, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine_conn_id = engine_conn_id

    def work(self, context: Any) -> list[str]:
        from email_engine.store.inventory import load_fleet
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            self._accept(store, context)
            with store.session(tenant="*") as conn:
                return [host.name for host in load_fleet(conn).mta_hosts]
        finally:
            store.dispose()

    def _accept(self, store: "Store", context: Any) -> None:
        from email_engine.store import refusals

        asked = (context.get("params") or {}).get(refusals.PARAM)
        if not asked:
            return
        run = current_run(context)
        with store.session(tenant="*") as conn:
            reason = str(run.params.get("reason") or "")
            chosen = refusals.choose(conn, asked, reason, run.run_id)
            if not run.dry_run:
                refusals.accept(conn, chosen, reason, run.actor, run.run_id, run.as_of)
        done = "would be accepted" if run.dry_run else "accepted"
        for one in chosen:
            self.log.info("%s: %s for lost by %s: %s", one.told, done, run.actor, reason)
        if not chosen:
            self.log.info("everything that %s names was accepted before", refusals.PARAM)


class IngestHost(EngineOperator):
    """Takes every closed accounting file of one host that was not dealt with before, oldest first.

    Each file is one transaction: after a kill or a clear nothing is counted twice. A file that cannot be read as
    accounting is refused with an alert and the next one is taken; so is the next one where a name is odd or a file may not be
    read. A file that is written to while it is read, or was just before, waits for the next run. When none was refused, odd or
    waiting, the host counts as seen up to the run's time: an idle host writes no file, and silence after a good look is no mail
    (an empty or missing folder is no look). A dry run reads and counts, and writes nothing.
    Returns counts: `{"host", "taken", "duplicate", "refused", "waiting", "odd", "records", "rejected"}`.

    Raises:
        EngineError: the host or the database is away or refuses us; what was taken before stays taken."""

    template_fields: Sequence[str] = ("mta_host",)

    def __init__(self, *, mta_host: str, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mta_host = mta_host
        self.engine_conn_id = engine_conn_id

    def work(self, context: Any) -> dict[str, Any]:
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        run = current_run(context)
        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            counts = self._ingest(store, run)
        finally:
            store.dispose()
        self.log.info("%s: %s", self.mta_host, ", ".join(f"{n} {what}" for what, n in counts.items()))
        return {"host": self.mta_host, **counts}

    def _ingest(self, store: "Store", run: Run) -> dict[str, int]:
        import tempfile
        from pathlib import Path

        from email_engine.accounting.policy import shipped_accounting_policy
        from email_engine.store.delivery import mark_checked, seen_files
        from email_engine.store.health import clock_offset
        from email_engine.store.odd_files import tell_odd
        from email_engine_airflow.hooks.powermta import PowerMtaHook
        from email_engine_airflow.operators.accounting_folder import FolderLook

        with store.session(tenant="*") as conn:
            connection, folder = _host(conn, self.mta_host)
            seen = seen_files(conn, self.mta_host)
            offset = clock_offset(conn, self.mta_host, run.as_of)
        counts = dict.fromkeys(("taken", "duplicate", "refused", "waiting", "odd", "records", "rejected"), 0)
        reading = self._reading(run)
        quiet = shipped_accounting_policy().quiet_seconds
        with PowerMtaHook(connection).get_conn() as mta, tempfile.TemporaryDirectory() as here:
            copy = Path(here) / "accounting.csv"
            look = FolderLook(mta, self.mta_host, folder, offset, quiet, self.log)
            for file in look.files(seen):
                if look.fetch(file, copy):
                    taken = self._take(store, file, copy, reading, run)
                    counts[taken.status] += 1
                    counts["records"] += taken.records
                    counts["rejected"] += taken.rejected
        counts |= {"waiting": look.waiting, "odd": len(look.odd)}
        if not run.dry_run:
            with store.session(tenant="*") as conn:
                tell_odd(conn, self.mta_host, folder, look.odd, run.dag_id, run.run_id)
                if look.whole and not counts["refused"]:
                    mark_checked(conn, self.mta_host, run.as_of)
        return counts

    def _reading(self, run: Run) -> "Reading":
        from datetime import UTC, datetime

        from email_engine.accounting.policy import shipped_accounting_policy
        from email_engine.accounting.recipients import VARIABLE, hash_from_environment
        from email_engine.fleet.providers import shipped_providers
        from email_engine.store.delivery import Reading

        hash_of = hash_from_environment()
        if hash_of is None:
            self.log.warning(
                "no key in %s: bounces and complaints are kept without their recipient", VARIABLE
            )
        # a run that is cleared later meets files that are younger than itself; they are not from the future
        now = max(run.as_of, datetime.now(UTC))
        return Reading(shipped_providers(), shipped_accounting_policy(), hash_of, now)

    def _take(
        self, store: "Store", file: "AccountingFile", path: "Path", reading: "Reading", run: Run
    ) -> "Taken":
        from email_engine.store.delivery import REFUSED, take_file

        if run.dry_run:
            taken = self._look(file, path, reading)
        else:
            with store.session(tenant="*") as conn:
                taken = take_file(conn, file, path, reading, dag_id=run.dag_id, run_id=run.run_id)
        level = self.log.warning if taken.status == REFUSED else self.log.info
        level("%s: %s, %d records %s", file.name, taken.status, taken.records, taken.message)
        return taken

    def _look(self, file: "AccountingFile", path: "Path", reading: "Reading") -> "Taken":
        from email_engine.accounting.summarize import summarize
        from email_engine.errors import InputError
        from email_engine.store.delivery import REFUSED, TAKEN, Taken

        try:
            name = f"{file.mta_host}:{file.name}"
            summary = summarize(path, name, reading.providers, latest=reading.latest)
        except InputError as error:
            return Taken(REFUSED, 0, 0, str(error))
        refused = summary.rejected_rate > reading.policy.largest_rejected_rate
        return Taken(REFUSED if refused else TAKEN, summary.records, summary.rejected_rows, "dry run")


def _host(conn: Any, name: str) -> tuple[str, str]:
    """Connection id and accounting folder of a host."""
    from email_engine.errors import InputError
    from email_engine.store.inventory import load_fleet

    hosts = {host.name: host for host in load_fleet(conn).mta_hosts}
    if name not in hosts:
        raise InputError(f"MTA host {name}", "not in the fleet", _listed(hosts), "add it to the fleet file")
    return hosts[name].connection, hosts[name].accounting_dir


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no host yet: apply a fleet file first"
