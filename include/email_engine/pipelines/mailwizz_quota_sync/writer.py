"""The half of the quota sync that changes the world: decisions, writes to MailWizz, their record and the alerts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from sqlalchemy import Connection

from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.decision import Decision
from email_engine.errors import EngineError, NotVerified, Refused, Unreachable
from email_engine.fleet.model import IpRecord, MailwizzInstance, Mode
from email_engine.mailer.model import DISABLED, DeliveryServer, QuotaChange, QuotaPlan, Refusal
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store import quota_syncs
from email_engine.store.engine import Store
from email_engine.store.judgement import decisions
from email_engine.store.quota_syncs import SyncResult
from email_engine.store.stops import brakes
from email_engine.store.telling import alerts

PIPELINE = "mailwizz_quota_sync"
SHOWN = 10


def observe_api(
    clients: Clients, instance: MailwizzInstance, servers: Sequence[DeliveryServer]
) -> EngineError | None:
    """Asks MailWizz's API whether it is up and shows the same servers as the database.

    Returns the failure if it is away or refuses us. Raises Refused if it is another installation than the database's:
    then nothing may be written at all."""

    try:
        with clients.mailwizz_api(instance.api_connection) as api:
            shown = api.delivery_servers()
    except EngineError as error:
        return error
    known = {server.server_id: server for server in servers}
    for seen in shown:
        server = known.get(seen.server_id)
        if server is None or (server.type, server.hostname) != (seen.type, seen.hostname):
            raise Refused(
                f"MailWizz {instance.name}",
                f"its API shows delivery server {seen.server_id} ({seen.name}), its database "
                + ("another one" if server else "has none"),
                "connections to the same installation",
                f"compare the connections {instance.api_connection} and {instance.db_connection}",
            )
    return None


@dataclass(slots=True)
class Done:
    """`held`: raises that wait for the API or that a brake forbids; `failures`: servers that could not be written."""

    changed: int = 0
    held: int = 0
    failures: list[EngineError] = field(default_factory=list)

    def raise_failures(self, instance: str) -> None:
        """One error for all servers that could not be written."""

        if self.failures:
            listed = " | ".join(str(error) for error in self.failures[:SHOWN])
            raise NotVerified(
                f"MailWizz {instance}", f"{len(self.failures)} servers not written: {listed}",
                "every server as planned", "the task tries again and plans anew",
            )  # fmt: skip


class _Braked(Exception):
    """The IP was braked after its plan was made."""


def _result(error: EngineError, *, half_written: bool) -> SyncResult:
    """Refused: nothing was written. Where an earlier half of the write stands, or nobody knows, the next look settles it."""

    unsure = half_written or isinstance(error, NotVerified | Unreachable)
    return SyncResult.NOT_VERIFIED if unsure else SyncResult.REFUSED


class QuotaWriter:
    """Writes one instance's plan. `usage`: messages so far today by server id, for the record alone."""

    def __init__(
        self,
        store: Store,
        database: MailwizzDb,
        run: Run,
        instance: MailwizzInstance,
        version: int,
        policy_digest: str,
        usage: Mapping[int, int],
    ) -> None:
        self._store = store
        self._database = database
        self._run = run
        self._instance = instance
        self._version = version
        self._digest = policy_digest
        self._usage = usage

    def apply(self, plan: QuotaPlan, records: Sequence[IpRecord], *, raises: bool) -> Done:
        """Reductions first; raises only if `raises`. In `observe` nothing but decisions is written."""

        known = {record.ip_id: record for record in records}
        done = Done()
        for change in sorted(plan.changes, key=lambda c: not c.reduces):
            acts = known[change.ip_id].mode is Mode.ACT
            if acts and not (raises or change.reduces):
                done.held += 1
            elif acts:
                self._write(change, known[change.ip_id], done)
            else:
                with self._store.session(tenant=change.tenant) as conn:
                    self._decide(conn, change, known[change.ip_id], applied=False)
        with self._store.session(tenant=self._instance.tenant) as conn:
            for refusal in plan.refusals:
                self._refuse(conn, refusal, known[refusal.ip_id])
            self._tell(conn, plan, done)
        return done

    def _write(self, change: QuotaChange, record: IpRecord, done: Done) -> None:
        """A brake that was engaged since the plan was made is asked for before a raise is written, again right before a server
        is enabled, and once more afterwards: what comes in between finds the server on, or is found here."""

        with self._store.session(tenant=change.tenant) as conn:
            if not change.reduces and brakes.stands(conn, change.ip_id):
                done.held += 1
                return
            self._decide(conn, change, record, applied=True)
            sync_id = quota_syncs.begin(
                conn, ip_id=change.ip_id, tenant=change.tenant, mailwizz=self._instance.name, server_id=change.server_id,
                day=self._run.as_of.date(), fleet_version=self._version, old=change.old, new=change.new,
                reason=change.reason, dag_id=self._run.dag_id, run_id=self._run.run_id,
            )  # fmt: skip
        failure: EngineError | None = None
        result, message = SyncResult.DRIFT_MENDED if change.drift else SyncResult.APPLIED, change.reason
        steps, kept_off = self._steps(change), False
        try:
            for step in steps:
                step()
            done.changed += 1
        except _Braked as braked:
            done.held += 1
            kept_off, result, message = True, SyncResult.NOT_VERIFIED, str(braked)
        except EngineError as error:
            failure, message = error, str(error)
            result = _result(error, half_written=step is not steps[0])
        with self._store.session(tenant=change.tenant) as conn:
            quota_syncs.finish(conn, sync_id, result, message)
            stopped = change.new.runs and not change.old.runs and brakes.stands(conn, change.ip_id)
        if isinstance(failure, Unreachable):
            raise failure
        if failure is not None:
            done.failures.append(failure)
        if stopped and not kept_off and result is not SyncResult.REFUSED:
            # It was braked while this server was being enabled: off again.
            off = replace(change.new, status=DISABLED)
            self._write(replace(change, old=change.new, new=off, reason="the brake is on"), record, done)

    def _steps(self, change: QuotaChange) -> list[Callable[[], None]]:
        """Off before anything else, on after the quotas stand: a server never runs with a stranger's quotas."""
        old, new, server = change.old, change.new, change.server_id
        steps: list[Callable[[], None]] = []
        if old.runs and not new.runs:
            steps.append(lambda: self._database.set_status(server, new.status, old))
        if (old.daily_quota, old.hourly_quota) != (new.daily_quota, new.hourly_quota):
            steps.append(lambda: self._database.set_quota(server, new.daily_quota, new.hourly_quota, old))
        if new.runs and not old.runs:
            steps.append(lambda: self._enable(change))
        return steps

    def _enable(self, change: QuotaChange) -> None:

        with self._store.session(tenant=change.tenant) as conn:
            if brakes.stands(conn, change.ip_id):
                raise _Braked(f"server {change.server_id} stays off: the brake is on")
        self._database.set_status(change.server_id, change.new.status, change.old)

    def _decide(self, conn: Connection, change: QuotaChange, record: IpRecord, *, applied: bool) -> None:
        on, off = change.new.runs and not change.old.runs, change.old.runs and not change.new.runs
        action = "enable" if on else "disable" if off else "set-quotas"
        kind = "quota-drift" if change.drift else "quota"
        self._record(conn, record, kind, action, str(change), applied, {"drift": change.drift})

    def _refuse(self, conn: Connection, refusal: Refusal, record: IpRecord) -> None:
        verdicts = {"finding": refusal.finding.value}
        self._record(conn, record, "quota-finding", "hold", str(refusal), False, verdicts)

    def _record(
        self, conn: Connection, record: IpRecord, kind: str, action: str, reason: str, applied: bool,
        verdicts: Mapping[str, object],
    ) -> None:  # fmt: skip

        run_key = f"{self._version}/{self._run.as_of.date()}"
        inputs = {
            "mailwizz": self._instance.name, "server_id": record.mailwizz_server_id, "allowance": record.allowance,
            "state": record.state.value, "braked": record.braked, "sent_today": self._usage.get(record.mailwizz_server_id, 0),
        }  # fmt: skip
        decision = Decision(
            record.tenant, PIPELINE, str(record.address), run_key, action, reason, self._run.as_of, self._digest, kind,
            applied, inputs, verdicts,
        )  # fmt: skip
        decisions.record(conn, decision, self._run.dag_id, self._run.run_id)

    def _tell(self, conn: Connection, plan: QuotaPlan, done: Done) -> None:
        """One alert for all findings of the instance, news only when they change; one for drift, each time."""

        name, tenant = self._instance.name, self._instance.tenant
        ids = (tenant, self._run.dag_id, self._run.run_id)
        if plan.refusals:
            state = _digest(f"{r.server_id} {r.finding}" for r in plan.refusals)
            text = f"{amount(len(plan.refusals), 'delivery server')} of {name} need a person\n{_listed(plan.refusals)}"
            alerts.raise_alert(conn, "quota-findings", name, state, "warning", text, *ids)
        else:
            alerts.clear(conn, "quota-findings", name)
        drifted = [change for change in plan.changes if change.drift]
        if drifted:
            state = _digest([self._run.run_id, *(str(change) for change in drifted)])
            text = f"{amount(len(drifted), 'delivery server')} of {name} had other quotas than the engine's; mended\n"
            alerts.raise_alert(conn, "quota-drift", name, state, "info", text + _listed(drifted), *ids)


def _digest(lines: object) -> str:
    return sha256("\n".join(sorted(map(str, lines))).encode()).hexdigest()[:12]  # type: ignore[call-overload]


def _listed(items: Sequence[object]) -> str:
    more = [f"and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return "\n".join([*(str(item) for item in items[:SHOWN]), *more])
