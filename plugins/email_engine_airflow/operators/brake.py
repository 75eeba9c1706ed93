"""The brake: queues paused and delivery servers disabled at once, read back, kept until released."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from email_engine_airflow.run import Run, current_run

if TYPE_CHECKING:
    from email_engine.adapters.mailwizz_db import MailwizzDb
    from email_engine.adapters.powermta import Hold, PowerMta
    from email_engine.fleet.model import Fleet
    from email_engine.store.brakes import Brake
    from email_engine.store.engine import Store

BRAKE, TAKEN_OFF = "brake", "brake-taken-off"


class Half(NamedTuple):
    """One side of one brake: does it stand as wanted, what reading back showed, was it found taken off?"""

    done: bool
    told: str
    taken_off: bool = False


CALLED_OFF = Half(False, "it was braked again while it was let go")
Halves = dict[int, Half]
"""By brake id."""


class ApplyBrakes(BaseOperator):
    """Makes one MTA host and the MailWizz servers of its IPs follow the brakes that stand in the database.

    Engaged brakes are put on, and put on again where a reload or a person took them off (then people are told);
    brakes whose release was asked are taken off; both halves are read back. PowerMTA comes first: it alone stops mail
    that is queued. One half being away never keeps the other from holding. What does not hold is named in an alert
    and fails the task, so that Airflow tries again. Where all holds already it costs two commands a host. A release is a
    new fleet version, so that the cap follows also when the host was away and a later run completed it. Brakes of a
    tenant in `observe` are left as they are. Returns `{"host", "held", "released", "failed"}`.

    Args:
        mta_host: name of the host in the fleet.

    Raises:
        NotVerified: one for all brakes of the host that are not complete.
        Unreachable: the engine's database is away; nothing was touched."""

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
                fleet = inventory.load_fleet(conn)
                standing = self._governed(brakes.engaged(conn, mta_host=self.mta_host), fleet)
            if run.dry_run or not standing:
                self.log.info("%d brakes stand on %s", len(standing), self.mta_host)
                return {"host": self.mta_host, "held": 0, "released": 0, "failed": 0}
            powermta = self._powermta(standing, fleet)
            mailwizz = self._mailwizz(standing, fleet, store, run)
            return self._record(store, standing, powermta, mailwizz, run)
        finally:
            store.dispose()

    def _governed(self, standing: "tuple[Brake, ...]", fleet: "Fleet") -> "tuple[Brake, ...]":
        from email_engine.fleet.model import Mode

        watched = {tenant.name for tenant in fleet.tenants if tenant.mode is Mode.OBSERVE}
        left = [brake.vmta for brake in standing if brake.tenant in watched]
        if left:
            self.log.info("left as they are, their tenant is in observe: %s", ", ".join(left))
        return tuple(brake for brake in standing if brake.tenant not in watched)

    def _powermta(self, standing: "tuple[Brake, ...]", fleet: "Fleet") -> Halves:
        from email_engine.errors import EngineError
        from email_engine_airflow.hooks.powermta import PowerMtaHook

        connection = next((h.connection for h in fleet.mta_hosts if h.name == self.mta_host), None)
        if connection is None:
            return _all(
                standing,
                f"PowerMTA: {self.mta_host} left the fleet; put it back until its brakes are released",
            )
        try:
            with PowerMtaHook(connection).get_conn() as mta:
                seen = _look(mta, standing)
                return _each(standing, "PowerMTA", partial(_turn_powermta, mta, seen))
        except (EngineError, AirflowException) as error:
            return _all(standing, f"PowerMTA: {error}")

    def _mailwizz(self, standing: "tuple[Brake, ...]", fleet: "Fleet", store: "Store", run: Run) -> Halves:
        from email_engine.errors import EngineError
        from email_engine_airflow.hooks.mailwizz_db import MailwizzDbHook

        connections = {i.name: i.db_connection for i in fleet.mailwizz_instances}
        done: Halves = {}
        for name in sorted({b.mailwizz for b in standing}):
            where, mine = f"MailWizz {name}", [b for b in standing if b.mailwizz == name]
            if name not in connections:
                done |= _all(mine, f"{where}: it left the fleet; put it back until its brakes are released")
                continue
            try:
                with MailwizzDbHook(connections[name]).get_conn() as database:
                    done |= _each(mine, where, partial(_turn_mailwizz, database, store, run))
            except (EngineError, AirflowException) as error:
                done |= _all(mine, f"{where}: {error}")
        return done

    def _record(
        self, store: "Store", standing: "tuple[Brake, ...]", powermta: Halves, mailwizz: Halves, run: Run
    ) -> dict[str, Any]:
        from datetime import UTC, datetime

        from email_engine.store import brakes, versions

        now = datetime.now(UTC)
        ids, news = (run.dag_id, run.run_id), 0
        counts = {"held": 0, "released": 0}
        failed: dict[str, list[str]] = {}
        for brake in standing:
            releasing = brake.release_asked_at is not None
            halves = powermta[brake.brake_id], mailwizz[brake.brake_id]
            stands = all(half.done for half in halves)
            holds = [half.done is not releasing for half in halves]
            told = "; ".join(half.told for half in halves)
            self.log.info("%s of %s: %s", "release" if releasing else "brake", brake.vmta, told)
            with store.session(tenant="*") as conn:
                if not brakes.confirm(conn, brake.brake_id, holds[0], holds[1], told, now):
                    # Another run ended it meanwhile: what was held here anew, the deployment lets go.
                    news = news or versions.bump(conn, f"a brake ended on {self.mta_host}", ids)
                    continue
                if stands and releasing:
                    if brakes.released(conn, brake.brake_id, now):
                        news = news or versions.bump(conn, f"brakes released on {self.mta_host}", ids)
                    else:
                        stands, halves = False, (CALLED_OFF, CALLED_OFF)
                _tell(conn, brake, halves, run)
            if stands:
                counts["released" if releasing else "held"] += 1
            for half in halves:
                if not half.done:
                    failed.setdefault(half.told, []).append(brake.vmta)
        self._raise(failed, len(standing))
        return {"host": self.mta_host, **counts, "failed": 0}

    def _raise(self, failed: dict[str, list[str]], standing: int) -> None:
        """One error for all that failed; what many brakes have in common is said once."""
        from email_engine.errors import NotVerified

        if not failed:
            return
        vmtas = {vmta for those in failed.values() for vmta in those}
        causes = " | ".join(f"{', '.join(those)}: {told}" for told, those in failed.items())
        raise NotVerified(
            f"brake on {self.mta_host}",
            f"{len(vmtas)} of {standing} not complete: {causes}",
            "queue paused, source disabled and delivery server disabled (released: the opposite), all read back",
            "the task tries again by itself; if the host stays away, stop PowerMTA there or block port 25",
        )


def _all(standing: "Iterable[Brake]", told: str) -> Halves:
    return {brake.brake_id: Half(False, told) for brake in standing}


def _each(standing: "Iterable[Brake]", where: str, turn: "Callable[[Brake], Half]") -> Halves:
    """One brake failing leaves the others their turn; a system that went away is not waited for again."""
    from email_engine.errors import EngineError, Unreachable

    done: Halves = {}
    gone: str | None = None
    for brake in standing:
        try:
            done[brake.brake_id] = turn(brake) if gone is None else Half(False, gone)
        except EngineError as error:
            done[brake.brake_id] = Half(False, f"{where}: {error}")
            if isinstance(error, Unreachable):
                gone = f"{where}: {error}"
    return done


def _look(mta: "PowerMta", standing: "Iterable[Brake]") -> "dict[str, Hold]":
    """What holds already; empty where the host cannot show all at once, then each is held and read by itself."""
    from email_engine.adapters.powermta_holds import Source, read_holds
    from email_engine.errors import EngineError, Unreachable

    wanted = [Source(b.vmta, str(b.address)) for b in standing if b.release_asked_at is None]
    try:
        return {hold.vmta: hold for hold in read_holds(mta, wanted)}
    except Unreachable:
        raise
    except EngineError:
        return {}


def _turn_powermta(mta: "PowerMta", known: "Mapping[str, Hold]", brake: "Brake") -> Half:
    address, seen = str(brake.address), known.get(brake.vmta)
    if brake.release_asked_at is not None:
        now = mta.let_go(address, brake.vmta)
        return Half(now.free, f"PowerMTA: {now.summary}")
    if seen is not None and seen.holds:
        return Half(True, f"PowerMTA: {seen.summary}")
    now = mta.hold(address, brake.vmta)
    taken_off = brake.powermta_holds and seen is not None and not seen.source_disabled
    return Half(now.holds, f"PowerMTA: {now.summary}", taken_off)


def _turn_mailwizz(database: "MailwizzDb", store: "Store", run: Run, brake: "Brake") -> Half:
    """A release leaves the server to the quota sync, which sets the new quota first and enables only what the engine
    itself disabled: so what did not run anyway is not recorded as the engine's doing."""
    from email_engine.errors import EngineError, NotVerified, Unreachable
    from email_engine.mailer.model import DISABLED, Setting
    from email_engine.store import quota_syncs, versions
    from email_engine.store.quota_syncs import SyncResult

    server, where = brake.mailwizz_server_id, f"MailWizz {brake.mailwizz}"
    if brake.release_asked_at is not None:
        return Half(True, f"{where}: server {server} is left to the quota sync")
    old = database.server(server).setting
    if not old.runs:
        return Half(True, f"{where}: server {server} is {old.status}")
    new = Setting(old.daily_quota, old.hourly_quota, DISABLED)
    reason = f"brake: {brake.reason}"
    with store.session(tenant="*") as conn:
        sync = quota_syncs.begin(
            conn, ip_id=brake.ip_id, tenant=brake.tenant, mailwizz=brake.mailwizz, server_id=server, day=run.as_of.date(),
            fleet_version=versions.current(conn), old=old, new=new, reason=reason, dag_id=run.dag_id, run_id=run.run_id,
        )  # fmt: skip
    result, failure = SyncResult.APPLIED, None
    try:
        if not database.disable(server).changed:
            result, reason = SyncResult.REFUSED, "somebody else had switched it off meanwhile"
    except EngineError as error:
        failure, reason = error, str(error)
        result = (
            SyncResult.NOT_VERIFIED if isinstance(error, NotVerified | Unreachable) else SyncResult.REFUSED
        )
    with store.session(tenant="*") as conn:
        quota_syncs.finish(conn, sync, result, reason)
    if failure is not None:
        raise failure
    return Half(True, f"{where}: server {server} is disabled", brake.mailwizz_holds)


def _tell(conn: Any, brake: "Brake", halves: tuple[Half, Half], run: Run) -> None:
    """News of the brake when its state changes; and each time that it was found taken off."""
    from email_engine.store import alerts

    name = f"{brake.vmta} ({brake.address}) on {brake.mta_host}"
    thing, ids = f"{brake.tenant}/{brake.vmta}", (brake.tenant, run.dag_id, run.run_id)
    releasing = brake.release_asked_at is not None
    if all(half.done for half in halves):
        state, severity = ("released", "info") if releasing else ("holds", "warning")
        text = f"{name} {'runs again' if releasing else 'stands still'}: {brake.reason}"
    else:
        state, severity = f"incomplete {halves[0].done:d}{halves[1].done:d}", "critical"
        text = (
            f"{name} is not completely {'released' if releasing else 'held'}; it is tried again. "
            f"{'; '.join(half.told for half in halves)}"
        )
    alerts.raise_alert(conn, BRAKE, thing, state, severity, text, *ids)
    loose = [half.told for half in halves if half.taken_off]
    if loose:
        text = f"{name}: a person or a restart had taken the brake off; it is on again. {'; '.join(loose)}"
        alerts.raise_alert(conn, TAKEN_OFF, thing, run.run_id, "warning", text, *ids)
