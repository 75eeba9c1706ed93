"""Many delivery servers in one transaction: rows that nobody else holds are locked and compared, written by one statement and,
after the commit, read back by one. Three statements and two ends of a transaction, however many servers.

Each row goes from one setting to the other at once: MailWizz never sees a server on with a stranger's quotas. A row that another
session holds is skipped and named, so is one that changed since it was read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from email_engine.adapters import mailwizz_refusals as refusals
from email_engine.adapters.mailwizz_db import MailwizzDb, touched_now
from email_engine.adapters.mailwizz_statement import Target, update_targets
from email_engine.adapters.mailwizz_tables import Tables, completed_plans
from email_engine.errors import AccessDenied, EngineError, Refused
from email_engine.mailer.model import DISABLED, GOVERNED, UNLIMITED, Setting

_SKIPS = {True: (10, 6), False: (8, 0, 1)}
"""Whether it is MariaDB, and the first version that knows SKIP LOCKED."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One server: `old` as it was read, `new` as it is to be."""

    server_id: int
    old: Setting
    new: Setting

    @property
    def quotas_change(self) -> bool:
        return (self.old.daily_quota, self.old.hourly_quota) != (self.new.daily_quota, self.new.hourly_quota)

    @property
    def guarded(self) -> bool:
        """Quotas matter to it: it changes them, or lets a server run by them."""
        return self.quotas_change or (self.new.runs and not self.old.runs)


@dataclass(frozen=True, slots=True)
class Unwritten:
    """Why a server is not as it was to be. `half`: a part of it stands."""

    error: EngineError
    half: bool = False


class MailwizzBatch:
    """Writes to many servers of one database at once."""

    def __init__(self, database: MailwizzDb) -> None:
        self._db = database
        self._complete: frozenset[tuple[int, int]] | None = None

    def possible(self) -> bool:
        """Does the database know SKIP LOCKED? MariaDB from 10.6 on, MySQL from 8.0.1, PostgreSQL. Without it one row that
        somebody holds would hold up all of them."""
        with self._db.transaction() as conn:
            return skips_locked(conn.dialect)

    def write(self, wanted: Sequence[Wanted]) -> dict[int, Unwritten]:
        """By server id, what was not written, or not seen afterwards.

        A server to be switched off is, also if its quotas are others by now. Raises EngineError where the database refused
        the batch as a whole: then nothing of it stands (Unreachable: nobody knows)."""
        unwritten = {w.server_id: found for w in wanted if (found := self._unlimited(w))}
        targets: dict[int, Target] = {}
        with self._db.connection() as conn:
            known = self._db.known(conn)
            held = self._lock(conn, known, wanted)
            for each in wanted:
                row = held.get(each.server_id)
                if row is not None and each.server_id not in unwritten:
                    self._aim(conn, known, each, row, targets, unwritten)
            if targets:
                touched = touched_now(known.server)
                conn.execute(update_targets(conn, known.server, targets.values(), touched))
            conn.commit()
            self._read_back(conn, known, wanted, held.keys(), targets, unwritten)
        return unwritten

    def _lock(self, conn: Connection, known: Tables, wanted: Sequence[Wanted]) -> Mapping[int, Row[Any]]:
        query = _settings(known, [each.server_id for each in wanted]).with_for_update(skip_locked=True)
        return {int(row.server_id): row for row in conn.execute(query)}

    def _aim(
        self, conn: Connection, known: Tables, wanted: Wanted, row: Row[Any], targets: dict[int, Target],
        unwritten: dict[int, Unwritten],
    ) -> None:  # fmt: skip
        server_id, now, subject = wanted.server_id, _setting(row), self._db.subject(wanted.server_id)
        same = (now.daily_quota, now.hourly_quota) == (wanted.old.daily_quota, wanted.old.hourly_quota)
        turns = wanted.old.runs != wanted.new.runs
        if now.status not in GOVERNED or (turns and now.runs != wanted.old.runs):
            unwritten[server_id] = Unwritten(refusals.changed_meanwhile(subject, now))
            return
        refusal: EngineError | None = None
        if wanted.guarded and self._planned(conn, known, row):
            refusal = refusals.planned(subject)
        elif wanted.guarded and not same:
            refusal = refusals.changed_meanwhile(subject, now)
        status = wanted.new.status if turns else now.status
        if refusal is None:
            quotas = wanted.new if wanted.quotas_change else now
            targets[server_id] = Target(
                server_id, now, Setting(quotas.daily_quota, quotas.hourly_quota, status)
            )
            return
        off = turns and status == DISABLED
        if off:
            targets[server_id] = Target(server_id, now, Setting(now.daily_quota, now.hourly_quota, status))
        unwritten[server_id] = Unwritten(refusal, half=off)

    def _planned(self, conn: Connection, known: Tables, row: Row[Any]) -> bool:
        """Under a warm-up plan of MailWizz's own that it has not completed."""
        plan = getattr(row, "warmup_plan_id", None)
        if plan is None:
            return False
        if self._complete is None:
            self._complete = completed_plans(conn, known)
        return (int(row.server_id), int(plan)) not in self._complete

    def _read_back(
        self, conn: Connection, known: Tables, wanted: Sequence[Wanted], held: Collection[int],
        targets: Mapping[int, Target], unwritten: dict[int, Unwritten],
    ) -> None:  # fmt: skip
        try:
            with self._db.translated():
                query = _settings(known, [each.server_id for each in wanted])
                there = {int(row.server_id): _setting(row) for row in conn.execute(query)}
        except (Refused, AccessDenied) as error:
            for each in wanted:
                subject, target = self._db.subject(each.server_id), targets.get(each.server_id)
                if each.server_id not in held:
                    unwritten[each.server_id] = Unwritten(refusals.locked(subject, each.server_id))
                elif target is not None:
                    told = refusals.not_read_back(subject, _text(target), error)
                    unwritten[each.server_id] = Unwritten(told)
            return
        for each in wanted:
            subject, target = self._db.subject(each.server_id), targets.get(each.server_id)
            now = there.get(each.server_id)
            if each.server_id not in held:
                skipped = refusals.locked(subject, each.server_id) if now else refusals.absent(subject)
                unwritten[each.server_id] = Unwritten(skipped)
            elif target is not None and not (now and target.stands(now)):
                unwritten[each.server_id] = Unwritten(refusals.not_verified(subject, now, _text(target)))

    def _unlimited(self, wanted: Wanted) -> Unwritten | None:
        daily, hourly = wanted.new.daily_quota, wanted.new.hourly_quota
        if not wanted.guarded or min(daily, hourly) > UNLIMITED:
            return None
        return Unwritten(refusals.unlimited(self._db.subject(wanted.server_id), daily, hourly))


def skips_locked(dialect: Any) -> bool:
    """`dialect`: SQLAlchemy's, of a connection that was opened."""
    if dialect.name == "postgresql":
        return True
    needed = _SKIPS[bool(dialect.is_mariadb)]
    return tuple(dialect.server_version_info or ()) >= needed


def _settings(known: Tables, server_ids: Sequence[int]) -> Any:
    server = known.server
    plan = [server.c.warmup_plan_id] if "warmup_plan_id" in server.c else []
    columns = (server.c.server_id, server.c.daily_quota, server.c.hourly_quota, server.c.status, *plan)
    return select(*columns).where(server.c.server_id.in_(server_ids)).order_by(server.c.server_id)


def _setting(row: Row[Any]) -> Setting:
    return Setting(int(row.daily_quota), int(row.hourly_quota), str(row.status).strip())


def _text(target: Target) -> str:
    return f"{target.new.daily_quota}/{target.new.hourly_quota}, {target.new.status}"
