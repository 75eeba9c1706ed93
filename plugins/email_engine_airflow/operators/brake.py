"""The brake: queues paused and delivery servers disabled at once, read back, kept until released."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from email_engine_airflow.run import Run, current_run

if TYPE_CHECKING:
    from email_engine.adapters.mailwizz_db import MailwizzDb
    from email_engine.adapters.powermta import PowerMta
    from email_engine.store.brakes import Brake
    from email_engine.store.engine import Store

Halves = dict[int, tuple[bool, str]]
"""Brake id -> (does this half stand as wanted?, what reading back showed)."""


class ApplyBrakes(BaseOperator):
    """Makes one MTA host and the MailWizz servers of its IPs follow the brakes that stand in the database.

    Engaged brakes are put on (or put on again where a reload or a person took them off), brakes whose release was
    asked are taken off; both halves are read back. One half being away never keeps the other from holding. What does
    not hold is named in an alert and fails the task, so that Airflow tries again. Returns `{"host", "held",
    "released", "failed"}`.

    Args:
        mta_host: name of the host in the fleet.
    """

    template_fields = ("mta_host",)

    def __init__(self, *, mta_host: str, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mta_host = mta_host
        self.engine_conn_id = engine_conn_id

    def execute(self, context: Any) -> dict[str, Any]:
        from email_engine.store import brakes, inventory
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        run = current_run(context)
        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            with store.session(tenant="*") as conn:
                standing = brakes.engaged(conn, mta_host=self.mta_host)
                fleet = inventory.load_fleet(conn)
            if run.dry_run or not standing:
                self.log.info("%d brakes stand on %s", len(standing), self.mta_host)
                return {"host": self.mta_host, "held": 0, "released": 0, "failed": 0}
            host = next(h for h in fleet.mta_hosts if h.name == self.mta_host)
            instances = {i.name: i.db_connection for i in fleet.mailwizz_instances}
            mailwizz = self._mailwizz(standing, instances, store, run)
            powermta = self._powermta(standing, host.connection)
            return self._record(store, standing, powermta, mailwizz, run)
        finally:
            store.dispose()

    def _powermta(self, standing: "tuple[Brake, ...]", connection: str) -> Halves:
        from email_engine.errors import EngineError
        from email_engine_airflow.hooks.powermta import PowerMtaHook

        def both(mta: "PowerMta") -> Halves:
            return {b.brake_id: self._attempt(partial(_turn_powermta, mta, b)) for b in standing}

        try:
            with PowerMtaHook(connection).get_conn() as mta:
                return both(mta)
        except EngineError as error:
            return {b.brake_id: (False, f"PowerMTA: {error}") for b in standing}

    def _mailwizz(
        self, standing: "tuple[Brake, ...]", instances: dict[str, str], store: "Store", run: Run
    ) -> Halves:
        from email_engine.errors import EngineError
        from email_engine_airflow.hooks.mailwizz_db import MailwizzDbHook

        done: Halves = {}
        for name in sorted({b.mailwizz for b in standing}):
            mine = [b for b in standing if b.mailwizz == name]
            try:
                with MailwizzDbHook(instances[name]).get_conn() as database:
                    for brake in mine:
                        done[brake.brake_id] = self._attempt(
                            partial(_turn_mailwizz, database, brake, store, run)
                        )
            except EngineError as error:
                done |= {
                    b.brake_id: (False, f"MailWizz {name}: {error}") for b in mine if b.brake_id not in done
                }
        return done

    def _attempt(self, turn: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
        from email_engine.errors import EngineError

        try:
            return turn()
        except EngineError as error:
            return False, str(error)

    def _record(
        self, store: "Store", standing: "tuple[Brake, ...]", powermta: Halves, mailwizz: Halves, run: Run
    ) -> dict[str, Any]:
        from datetime import UTC, datetime

        from email_engine.errors import NotVerified
        from email_engine.store import alerts, brakes

        now = datetime.now(UTC)
        failed: list[str] = []
        counts = {"held": 0, "released": 0}
        for brake in standing:
            releasing = brake.release_asked_at is not None
            halves = powermta[brake.brake_id], mailwizz[brake.brake_id]
            stands = all(done for done, _ in halves)
            told = "; ".join(text for _, text in halves)
            with store.session(tenant="*") as conn:
                holds = [done is not releasing for done, _ in halves]
                brakes.confirm(conn, brake.brake_id, holds[0], holds[1], told, now)
                if stands and releasing:
                    brakes.released(conn, brake.brake_id, now)
                what = "brake"
                if stands:
                    counts["released" if releasing else "held"] += 1
                    state, severity = ("released", "info") if releasing else ("holds", "warning")
                    text = f"{brake.vmta} ({brake.address}) on {brake.mta_host} {'runs again' if releasing else 'stands still'}: {brake.reason}"
                else:
                    state, severity = f"incomplete {halves[0][0]:d}{halves[1][0]:d}", "critical"
                    text = (
                        f"{brake.vmta} ({brake.address}) on {brake.mta_host} is only half "
                        f"{'released' if releasing else 'held'}; it is tried again. {told}"
                    )
                    failed.append(text)
                alerts.raise_alert(
                    conn,
                    what,
                    f"{brake.tenant}/{brake.vmta}",
                    state,
                    severity,
                    text,
                    brake.tenant,
                    run.dag_id,
                    run.run_id,
                )
        if failed:
            raise NotVerified(
                f"brake on {self.mta_host}",
                f"{len(failed)} of {len(standing)} not complete: {' | '.join(failed)}",
                "queue paused, source disabled and delivery server disabled, all read back",
                "the task tries again by itself; if the host stays away, stop PowerMTA there or block port 25",
            )
        return {"host": self.mta_host, **counts, "failed": 0}


def _turn_powermta(mta: "PowerMta", brake: "Brake") -> tuple[bool, str]:
    address = str(brake.address)
    if brake.release_asked_at is not None:
        seen = mta.let_go(address, brake.vmta)
        return seen.free, f"PowerMTA: {seen.summary}"
    seen = mta.hold(address, brake.vmta)
    return seen.holds, f"PowerMTA: {seen.summary}"


def _turn_mailwizz(database: "MailwizzDb", brake: "Brake", store: "Store", run: Run) -> tuple[bool, str]:
    """A release leaves the server to the quota sync, which sets the new quota first and enables only what the engine
    itself disabled."""
    from email_engine.mailer.model import Setting
    from email_engine.store import quota_syncs, versions

    server, where = brake.mailwizz_server_id, f"MailWizz {brake.mailwizz}"
    if brake.release_asked_at is not None:
        return True, f"{where}: server {server} is left to the quota sync"
    old = database.server(server).setting
    new = Setting(old.daily_quota, old.hourly_quota, "disabled")
    if old == new:
        return True, f"{where}: server {server} is disabled"
    with store.session(tenant="*") as conn:
        sync = quota_syncs.begin(
            conn, ip_id=brake.ip_id, tenant=brake.tenant, mailwizz=brake.mailwizz, server_id=server, day=run.as_of.date(),
            fleet_version=versions.current(conn), old=old, new=new, reason=f"brake: {brake.reason}",
            dag_id=run.dag_id, run_id=run.run_id,
        )  # fmt: skip
    switched = database.disable(server)
    with store.session(tenant="*") as conn:
        quota_syncs.finish(conn, sync, quota_syncs.SyncResult.APPLIED, f"brake: {brake.reason}")
    return True, f"{where}: server {server} is {switched}"
