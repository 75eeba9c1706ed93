"""The half of the quota sync that changes the world: writes to MailWizz in batches, each noted before it is tried."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy import Connection

from email_engine.adapters.mailwizz_batch import Unwritten
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.mailwizz_failures import RowLocked
from email_engine.errors import EngineError, NotVerified, Unreachable
from email_engine.fleet.model import IpRecord, MailwizzInstance, Mode
from email_engine.mailer.model import DISABLED, QuotaChange, QuotaPlan
from email_engine.pipelines.mailwizz_quota_sync.record import SHOWN, SyncRecord
from email_engine.pipelines.mailwizz_quota_sync.ways import HeldByBrake, Ways
from email_engine.pipelines.run import Run
from email_engine.store import quota_syncs
from email_engine.store.engine import Store
from email_engine.store.quota_syncs import Begun, Finished, SyncResult
from email_engine.store.stops import brakes

Item = TypeVar("Item")
BATCH = 250
LOCKED_AGAIN = (0.1, 0.3, 0.6, 1.0)
"""Seconds before rows that others held are tried once more, each time: MailWizz's workers hold a server's row for a moment
whenever they log a message of it."""


@dataclass(slots=True)
class Done:
    """`held`: raises that a brake forbids; `failures`: by server id, why it could not be written;
    `stopped`: why nothing more could be written to this database."""

    changed: int = 0
    held: int = 0
    failures: dict[int, EngineError] = field(default_factory=dict)
    stopped: EngineError | None = None

    def raise_failures(self, instance: str) -> None:
        """What stopped everything; else one error for all servers that could not be written, each by its id."""
        if self.stopped is not None:
            raise self.stopped
        if self.failures:
            errors = [str(error) for error in self.failures.values()]
            more = (
                [f"and servers {', '.join(map(str, list(self.failures)[SHOWN:]))}"]
                if len(errors) > SHOWN
                else []
            )
            raise NotVerified(
                f"MailWizz {instance}", f"{len(errors)} servers not written: {' | '.join([*errors[:SHOWN], *more])}",
                "every server as planned", "the task tries again and plans anew",
            )  # fmt: skip


class QuotaWriter:
    """Writes one instance's plan, once. `records`: the IPs of the instance."""

    def __init__(
        self, store: Store, database: MailwizzDb, run: Run, instance: MailwizzInstance, version: int,
        record: SyncRecord, records: Sequence[IpRecord],
    ) -> None:  # fmt: skip
        self._store = store
        self._run = run
        self._instance = instance
        self._version = version
        self._record = record
        self._known = {each.ip_id: each for each in records}
        self._ways = Ways(database, self._braked)
        self._done = Done()

    def apply(self, plan: QuotaPlan) -> Done:
        """Reductions first. In `observe` nothing but decisions is written.

        A brake that was engaged since the plan was made is asked for when a raise is noted, again right before it is
        written, and once more after a server was enabled: what comes in between finds the server on, or is found here."""
        acting = [change for change in plan.changes if self._known[change.ip_id].mode is Mode.ACT]
        observed = [change for change in plan.changes if self._known[change.ip_id].mode is not Mode.ACT]
        self._write([change for change in acting if change.reduces])
        self._write([change for change in acting if not change.reduces])
        with self._session() as conn:
            self._record.changes(conn, observed, self._known, applied=False)
            self._record.refusals(conn, plan.refusals, self._known)
            self._record.tell(conn, plan, self._known)
        return self._done

    def _write(self, changes: Sequence[QuotaChange]) -> None:
        locked: dict[int, QuotaChange] = {}
        for batch in _batches(changes):
            if self._done.stopped is None:
                locked |= self._try(self._begin(batch), again=True)
        for left, pause in zip(reversed(range(len(LOCKED_AGAIN))), LOCKED_AGAIN, strict=True):
            if locked:
                time.sleep(pause)
                locked = self._once_more(locked, again=left > 0)

    def _once_more(self, locked: Mapping[int, QuotaChange], *, again: bool) -> dict[int, QuotaChange]:
        still: dict[int, QuotaChange] = {}
        for ids in _batches(list(locked)):
            still |= self._try({sync_id: locked[sync_id] for sync_id in ids}, again=again)
        return still

    def _begin(self, changes: Sequence[QuotaChange]) -> dict[int, QuotaChange]:
        """Notes what is about to be tried, by the id of its row in `quota_syncs`."""
        with self._session() as conn:
            braked = brakes.standing(conn, [change.ip_id for change in changes if not change.reduces])
            free = [change for change in changes if change.ip_id not in braked]
            self._done.held += len(changes) - len(free)
            self._record.changes(conn, free, self._known, applied=True)
            ids = quota_syncs.begin_many(conn, [self._begun(change) for change in free])
        return dict(zip(ids, free, strict=True))

    def _try(self, begun: Mapping[int, QuotaChange], *, again: bool) -> dict[int, QuotaChange]:
        """Writes, and completes the rows of what was tried; returns those that wait for a row that somebody holds (`again`)."""
        if not begun:
            return {}
        attempted = self._ways.write(list(begun.values()))
        self._done.stopped = self._done.stopped or attempted.stopped
        outcomes = {sync_id: attempted.unwritten.get(change.server_id) for sync_id, change in begun.items()}
        waits = again and attempted.stopped is None and not attempted.waited
        locked = {n: begun[n] for n, found in outcomes.items() if waits and _is_locked(found)}
        enabled = []
        finished = []
        for sync_id, change in begun.items():
            if sync_id not in locked:
                result = self._count(change, found := outcomes[sync_id])
                finished.append(Finished(sync_id, result, str(found.error) if found else change.reason))
                if _may_be_on(change, found, result):
                    enabled.append(change)
        with self._session() as conn:
            quota_syncs.finish_many(conn, finished)
            braked = brakes.standing(conn, [change.ip_id for change in enabled])
        self._write([_off(change) for change in enabled if change.ip_id in braked])
        return locked

    def _count(self, change: QuotaChange, found: Unwritten | None) -> SyncResult:
        if found is None:
            self._done.changed += 1
            return SyncResult.DRIFT_MENDED if change.drift else SyncResult.APPLIED
        if isinstance(found.error, HeldByBrake):
            self._done.held += 1
        else:
            self._done.failures[change.server_id] = found.error
        unsure = found.half or isinstance(found.error, NotVerified | Unreachable)
        return SyncResult.NOT_VERIFIED if unsure else SyncResult.REFUSED

    def _braked(self, changes: Sequence[QuotaChange]) -> frozenset[int]:
        with self._session() as conn:
            return brakes.standing(conn, [change.ip_id for change in changes])

    def _begun(self, change: QuotaChange) -> Begun:
        return Begun(
            ip_id=change.ip_id, tenant=change.tenant, mailwizz=self._instance.name, server_id=change.server_id,
            day=self._run.as_of.date(), fleet_version=self._version, old=change.old, new=change.new,
            reason=change.reason, dag_id=self._run.dag_id, run_id=self._run.run_id,
        )  # fmt: skip

    def _session(self) -> AbstractContextManager[Connection]:
        return self._store.session(tenant=self._instance.tenant)


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _is_locked(found: Unwritten | None) -> bool:
    return found is not None and isinstance(found.error, RowLocked) and not found.half


def _may_be_on(change: QuotaChange, found: Unwritten | None, result: SyncResult) -> bool:
    """It was to be enabled, and nothing says that it was not."""
    enabling = change.new.runs and not change.old.runs
    held = found is not None and isinstance(found.error, HeldByBrake)
    return enabling and not held and result is not SyncResult.REFUSED


def _off(change: QuotaChange) -> QuotaChange:
    """It was braked while this server was being enabled: off again."""
    off = replace(change.new, status=DISABLED)
    return replace(change, old=change.new, new=off, reason="the brake is on")
