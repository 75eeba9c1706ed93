"""The two ways to write changes to MailWizz: a batch at once, or row by row where the database cannot skip locked rows or refused
the batch. Neither stops for one server; both stop when the database is gone or takes no writes at all."""

import logging
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace

from email_engine.adapters.mailwizz_batch import MailwizzBatch, Unwritten, Wanted
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.mailwizz_failures import ReadOnly, TooSlow
from email_engine.errors import EngineError, Refused, Unreachable
from email_engine.mailer.model import QuotaChange

log = logging.getLogger(__name__)

Braked = Callable[[Sequence[QuotaChange]], Set[int]]
"""Asks, when it is called, which of these changes' IPs (`ip_id`) have a brake on."""


class HeldByBrake(Refused):
    """The IP was braked after its plan was made."""


@dataclass(slots=True)
class Attempted:
    """`unwritten`: by server id, what is not as planned; `stopped`: why nothing more can be written to this database;
    `waited`: rows that others held were waited for."""

    unwritten: dict[int, Unwritten] = field(default_factory=dict)
    stopped: EngineError | None = None
    waited: bool = False


class Ways:
    """Writes to one database in the way that it allows."""

    def __init__(self, database: MailwizzDb, braked: Braked) -> None:
        self._db = database
        self._batch = MailwizzBatch(database)
        self._braked = braked
        self._at_once: bool | None = None

    def write(self, changes: Sequence[QuotaChange]) -> Attempted:
        """A brake is asked for right before anything is raised or enabled."""
        try:
            if self._at_once is None:
                self._at_once = self._batch.possible()
        except EngineError as error:
            return _none_of(changes, error)
        return self._together(changes) if self._at_once else self._one_by_one(changes)

    def _together(self, changes: Sequence[QuotaChange]) -> Attempted:
        raised = [change for change in changes if not change.reduces]
        braked = self._braked(raised) if raised else frozenset()
        done = Attempted({c.server_id: Unwritten(_held(c)) for c in raised if c.ip_id in braked})
        tried = [change for change in changes if change.server_id not in done.unwritten]
        try:
            wanted = [Wanted(change.server_id, change.old, change.new) for change in tried]
            done.unwritten |= self._batch.write(wanted)
        except (Unreachable, ReadOnly) as error:
            done.unwritten |= {change.server_id: Unwritten(error) for change in tried}
            done.stopped = error
        except EngineError as error:
            log.warning("%d servers go row by row: %s", len(tried), error)
            one_by_one = self._one_by_one(tried, hung=isinstance(error, TooSlow))
            done.unwritten |= one_by_one.unwritten
            done.stopped, done.waited = one_by_one.stopped, True
        return done

    def _one_by_one(self, changes: Sequence[QuotaChange], *, hung: bool = False) -> Attempted:
        """`hung`: what passes locked rows by waited in vain too; where the first row does so as well, the table itself is locked, and each
        further row would take as long."""
        done = Attempted(waited=True)
        for change in changes:
            if done.stopped is not None:
                done.unwritten[change.server_id] = Unwritten(_not_tried(done.stopped))
                continue
            found = self._row(change)
            if found is not None:
                done.unwritten[change.server_id] = found
                locked = hung and change is changes[0] and isinstance(found.error, TooSlow)
                if locked or isinstance(found.error, Unreachable | ReadOnly):
                    done.stopped = found.error
        return done

    def _row(self, change: QuotaChange) -> Unwritten | None:
        written = False
        try:
            for step in self._steps(change):
                step()
                written = True
        except EngineError as error:
            return Unwritten(error, half=written)
        return None

    def _steps(self, change: QuotaChange) -> Sequence[Callable[[], None]]:
        """Off before anything else, on after the quotas stand: a server never runs with a stranger's quotas."""
        old, new, server = change.old, change.new, change.server_id
        steps: list[Callable[[], None]] = []
        if old.runs and not new.runs:
            steps.append(lambda: self._db.set_status(server, new.status, old))
        if (old.daily_quota, old.hourly_quota) != (new.daily_quota, new.hourly_quota):
            steps.append(lambda: self._raise_quota(change))
        if new.runs and not old.runs:
            steps.append(lambda: self._enable(change))
        return steps

    def _raise_quota(self, change: QuotaChange) -> None:
        if not change.reduces and self._braked([change]):
            raise _held(change)
        self._db.set_quota(change.server_id, change.new.daily_quota, change.new.hourly_quota, change.old)

    def _enable(self, change: QuotaChange) -> None:
        if self._braked([change]):
            raise _held(change)
        stands = replace(change.new, status=change.old.status)  # the quotas were written before
        self._db.set_status(change.server_id, change.new.status, stands)


def _none_of(changes: Sequence[QuotaChange], error: EngineError) -> Attempted:
    return Attempted({c.server_id: Unwritten(_not_tried(error)) for c in changes}, error)


def _held(change: QuotaChange) -> HeldByBrake:
    return HeldByBrake(
        f"delivery server {change.server_id}", "it stays as it is: the brake is on", "an IP without a brake",
        "nothing; the sync after the brake's release raises it",
    )  # fmt: skip


def _not_tried(stopped: EngineError) -> Refused:
    return Refused(stopped.subject, f"not tried: {stopped.observed}", stopped.allowed, stopped.next_step)
