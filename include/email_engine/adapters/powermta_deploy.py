"""Putting one configuration on one host, step by step, with a way back from each."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_session import NEW_SUFFIX
from email_engine.adapters.powermta_verify import Intent, verify
from email_engine.errors import EngineError, NotVerified, Unreachable
from email_engine.pmta.config.layout import digest

BACKUP_SUFFIX = ".email-engine.bak"


class Interrupted(EngineError):
    """An earlier deployment ended between two steps; the host runs what it ran before."""


class Step(StrEnum):
    UPLOAD = "upload"
    BACKUP = "backup"
    EXCHANGE = "exchange"
    TEST = "test config"
    RELOAD = "reload"
    VERIFY = "verify"
    RESTORE = "restore"


TOUCHED = frozenset({Step.EXCHANGE, Step.TEST, Step.RELOAD, Step.VERIFY})
"""Steps after which the host may hold the new file: a failure there restores."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` as in table deployments; `applying` where the host is out of reach and nobody knows: the next run heals.

    `error`: what failed, in the MTA's own words where it spoke."""

    status: str
    failed_step: str | None = None
    error: EngineError | None = None

    @property
    def message(self) -> str | None:
        return str(self.error) if self.error else None


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is on a host: the number of the deployment, and `require`, which raises where it is not its turn any more.

    What a deployment writes bears its number until it is renamed into place. Who takes over removes that first, so that a
    deployment which was cut off between asking and renaming finds nothing to rename. `healing`: it is another's deployment."""

    number: int
    require: Callable[[], None]
    healing: bool = False

    def beside(self, path: str) -> str:
        return f"{path}.email-engine.{self.number}{'.healing' if self.healing else ''}.new"

    def claim(self, mta: PowerMta, path: str) -> None:
        """As `require`; what this run wrote and may not rename any more is removed."""
        try:
            self.require()
        except EngineError:
            with contextlib.suppress(EngineError):
                self.tidy(mta, path)
            raise

    def write(self, mta: PowerMta, path: str, data: bytes) -> None:
        beside = self.beside(path)
        mta.write(beside, data, like=path)
        if mta.read(beside) != data:
            raise NotVerified(
                mta.endpoint.subject, f"{beside} differs from what was sent", "the same bytes", "see its disk"
            )

    def rename(self, mta: PowerMta, path: str) -> None:
        mta.rename(self.beside(path), path)

    def tidy(self, mta: PowerMta, path: str) -> None:
        """Removes what it wrote and did not rename."""
        mta.remove(self.beside(path))
        mta.remove(self.beside(path + BACKUP_SUFFIX))


def install(
    mta: PowerMta,
    intent: Intent,
    previous: bytes | None,
    turn: Turn,
    after_reload: Callable[[], None] | None = None,
) -> Outcome:
    """Upload beside, back up, exchange, test, reload, verify. A failure restores `previous` and reloads.

    `after_reload` runs before anything is read back: a reload may let go what must stand still. It must not raise.
    Raises what `turn.require` raises; then nothing more was touched."""
    backup = intent.path + BACKUP_SUFFIX
    step = Step.UPLOAD
    try:
        turn.write(mta, intent.path, intent.text.encode())
        step = Step.BACKUP
        if previous is not None:
            turn.write(mta, backup, previous)
    except EngineError as error:
        return _way_back(mta, intent, previous, turn, step, error)
    turn.claim(mta, intent.path)
    try:
        if previous is not None:
            turn.rename(mta, backup)
        step = Step.EXCHANGE
        turn.rename(mta, intent.path)
    except EngineError as error:
        return _way_back(mta, intent, previous, turn, step, error)
    return _finish(mta, intent, previous, turn, after_reload)


def heal(
    mta: PowerMta,
    intent: Intent,
    previous_digest: str | None,
    turn: Turn,
    after_reload: Callable[[], None] | None = None,
) -> Outcome:
    """After a run that was killed or cut off: finishes what it had exchanged, or makes sure that the old file is loaded.

    `intent` and the number of `turn` are that run's. Raises EngineError when the host does not let itself be looked at."""
    backup = intent.path + BACKUP_SUFFIX
    for cut_off in (replace(turn, healing=False), replace(turn, healing=True)):
        cut_off.tidy(mta, intent.path)
    for leftover in (intent.path + NEW_SUFFIX, backup + NEW_SUFFIX):
        mta.remove(leftover)
    standing = mta.read(intent.path)
    seen = None if standing is None else digest(standing)
    if seen == intent.digest:
        kept = mta.read(backup)
        if previous_digest is not None and (kept is None or digest(kept) != previous_digest):
            kept = standing
        return _finish(mta, intent, None if previous_digest is None else kept, turn, after_reload)
    mta.reload()
    observed = "the old file stands" if seen == previous_digest else "neither the old nor the new file stands"
    error = Interrupted(
        mta.endpoint.subject, f"a deployment was interrupted, {observed}", "an end", "none: planned again"
    )
    return Outcome("failed", Step.EXCHANGE, error)


def _finish(
    mta: PowerMta,
    intent: Intent,
    previous: bytes | None,
    turn: Turn,
    after_reload: Callable[[], None] | None,
) -> Outcome:
    step = Step.TEST
    try:
        for current, work in _activation(mta, intent):
            step = current
            work()
            if step is Step.RELOAD and after_reload:
                after_reload()
    except EngineError as error:
        return _way_back(mta, intent, previous, turn, step, error)
    return Outcome("verified")


def _activation(mta: PowerMta, intent: Intent) -> Iterator[tuple[Step, Callable[[], object]]]:
    yield Step.TEST, lambda: mta.knows_test_config() and mta.test_config()
    yield Step.RELOAD, mta.reload
    yield Step.VERIFY, lambda: verify(mta, intent)


def _way_back(
    mta: PowerMta, intent: Intent, previous: bytes | None, turn: Turn, step: Step, error: EngineError
) -> Outcome:
    """Restores over a new session where the old one broke; `applying` if the host stays away.

    Only what this deployment wrote itself is replaced: a file that came after it stays."""
    if isinstance(error, Unreachable):
        mta.close()
    if step not in TOUCHED:
        with contextlib.suppress(EngineError):
            turn.tidy(mta, intent.path)
        return Outcome("failed", step, error)
    try:
        standing = mta.read(intent.path)
        ours = standing is not None and digest(standing) == intent.digest
        if ours:
            turn.write(mta, intent.path, previous or b"")
    except EngineError as second:
        return _stuck(mta, intent, step, error, second)
    if not ours and standing != previous:
        return Outcome("failed", step, _another_file(mta, intent, step, error))
    turn.claim(mta, intent.path)
    try:
        if ours:
            turn.rename(mta, intent.path)
        turn.tidy(mta, intent.path)
        mta.reload()
    except EngineError as second:
        return _stuck(mta, intent, step, error, second)
    return Outcome("rolled_back", step, error)


def _stuck(mta: PowerMta, intent: Intent, step: Step, error: EngineError, second: EngineError) -> Outcome:
    if isinstance(second, Unreachable):
        return Outcome("applying", step, error)
    worst = NotVerified(
        mta.endpoint.subject,
        f"{step} failed ({error.observed}) and so did going back ({second.observed})",
        "the old configuration on disk and running",
        f"put {intent.path}{BACKUP_SUFFIX} back by hand and run `pmta reload`",
    )
    return Outcome("failed", Step.RESTORE, worst)


def _another_file(mta: PowerMta, intent: Intent, step: Step, error: EngineError) -> NotVerified:
    return NotVerified(
        mta.endpoint.subject,
        f"{step} failed ({error.observed}), and {intent.path} holds a file that this deployment did not write; it was left",
        f"digest {intent.digest[:12]} of this deployment, or the file from before",
        "find out who writes this file; the next run of pmta_config_deploy compares with what stands there",
    )
