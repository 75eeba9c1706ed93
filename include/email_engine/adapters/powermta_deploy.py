"""Putting one configuration on one host, step by step, with a way back from each."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_session import NEW_SUFFIX
from email_engine.errors import EngineError, NotVerified, Unreachable
from email_engine.mta.effective import bounded_queue, queue_rate, read_macros
from email_engine.mta.inventory import VmtaBlock
from email_engine.mta.layout import digest
from email_engine.mta.rates import per_second

BACKUP_SUFFIX = ".email-engine.bak"
BIG = "gmail.com"
"""A mailbox provider that every policy limits: its queues are looked at."""
LOOKED_AT = 50
"""How many of the changed virtual MTAs are read back, evenly spread: each costs a command."""


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
class Intent:
    """What shall stand on the host: `path` and `text`; `shown`: the virtual MTAs whose reading back proves it."""

    path: str
    text: str
    shown: tuple[VmtaBlock, ...] = ()

    @property
    def digest(self) -> str:
        return digest(self.text)


def install(
    mta: PowerMta, intent: Intent, previous: bytes | None, after_reload: Callable[[], None] | None = None
) -> Outcome:
    """Upload beside, back up, exchange, test, reload, verify. A failure restores `previous` and reloads.

    `after_reload` runs before anything is read back: a reload may let go what must stand still. It must not raise."""
    beside, backup = intent.path + NEW_SUFFIX, intent.path + BACKUP_SUFFIX
    data = intent.text.encode()
    step = Step.UPLOAD
    try:
        mta.write(beside, data, like=intent.path)
        if mta.read(beside) != data:
            raise NotVerified(
                mta.endpoint.subject, f"{beside} differs from what was sent", "the same bytes", "see its disk"
            )
        step = Step.BACKUP
        if previous is not None:
            mta.replace(backup, previous)
        step = Step.EXCHANGE
        mta.rename(beside, intent.path)
    except EngineError as error:
        return _way_back(mta, intent.path, previous, step, error)
    return _finish(mta, intent, previous, after_reload)


def heal(
    mta: PowerMta,
    intent: Intent,
    previous_digest: str | None,
    after_reload: Callable[[], None] | None = None,
) -> Outcome:
    """After a run that was killed: finishes what it had exchanged, or makes sure that the old file is loaded.

    `intent` is that run's. Raises EngineError when the host does not let itself be looked at."""
    backup = intent.path + BACKUP_SUFFIX
    for leftover in (intent.path + NEW_SUFFIX, backup + NEW_SUFFIX):
        mta.remove(leftover)
    standing = mta.read(intent.path)
    seen = None if standing is None else digest(standing)
    if seen == intent.digest:
        kept = mta.read(backup)
        if previous_digest is not None and (kept is None or digest(kept) != previous_digest):
            kept = standing
        return _finish(mta, intent, None if previous_digest is None else kept, after_reload)
    mta.reload()
    observed = "the old file stands" if seen == previous_digest else "neither the old nor the new file stands"
    error = Interrupted(
        mta.endpoint.subject, f"a deployment was interrupted, {observed}", "an end", "none: planned again"
    )
    return Outcome("failed", Step.EXCHANGE, error)


def _finish(
    mta: PowerMta, intent: Intent, previous: bytes | None, after_reload: Callable[[], None] | None
) -> Outcome:
    step = Step.TEST
    try:
        for current, work in _activation(mta, intent):
            step = current
            work()
            if step is Step.RELOAD and after_reload:
                after_reload()
    except EngineError as error:
        return _way_back(mta, intent.path, previous, step, error)
    return Outcome("verified")


def _activation(mta: PowerMta, intent: Intent) -> Iterator[tuple[Step, Callable[[], object]]]:
    yield Step.TEST, lambda: mta.knows_test_config() and mta.test_config()
    yield Step.RELOAD, mta.reload
    yield Step.VERIFY, lambda: verify(mta, intent)


def _way_back(mta: PowerMta, path: str, previous: bytes | None, step: Step, error: EngineError) -> Outcome:
    """Restores over a new session where the old one broke; `applying` if the host stays away."""
    if isinstance(error, Unreachable):
        mta.close()
    if step not in TOUCHED:
        with contextlib.suppress(EngineError):
            mta.remove(path + NEW_SUFFIX)
        return Outcome("failed", step, error)
    try:
        restore(mta, path, previous)
    except Unreachable:
        return Outcome("applying", step, error)
    except EngineError as second:
        worst = NotVerified(
            mta.endpoint.subject,
            f"{step} failed ({error.observed}) and so did going back ({second.observed})",
            "the old configuration on disk and running",
            f"put {path}{BACKUP_SUFFIX} back by hand and run `pmta reload`",
        )
        return Outcome("failed", Step.RESTORE, worst)
    return Outcome("rolled_back", step, error)


def restore(mta: PowerMta, path: str, previous: bytes | None) -> None:
    """Puts the old file back (none: removes ours) and reloads, so that disk and memory agree again."""
    if previous is None:
        mta.remove(path)
    else:
        mta.replace(path, previous)
    mta.remove(path + NEW_SUFFIX)
    mta.reload()


def verify(mta: PowerMta, intent: Intent) -> None:
    """The file on disk by digest; of the virtual MTAs source IP, host, cap, the rate to a big provider and to one that may not
    have all of it, by what PowerMTA shows of them. Raises NotVerified.

    No command dumps the running configuration; what `show` leaves out stays unproven."""
    standing = mta.read(intent.path)
    if standing is None or digest(standing) != intent.digest:
        raise NotVerified(
            mta.endpoint.subject,
            f"{intent.path} on disk is not what was deployed",
            f"digest {intent.digest[:12]}",
            "somebody else writes this file: find out who, then deploy again",
        )
    macros = read_macros(intent.text)
    for block in _spread(intent.shown):
        queues = [(BIG, queue_rate(block, BIG, macros)), bounded_queue(block, macros)]
        _verify_vmta(mta, block, dict(filter(None, queues)))


def _spread(blocks: tuple[VmtaBlock, ...]) -> tuple[VmtaBlock, ...]:
    stride = -(-len(blocks) // LOOKED_AT) or 1
    return blocks[::stride]


def _verify_vmta(mta: PowerMta, block: VmtaBlock, rates: Mapping[str, str | None]) -> None:
    shown = mta.vmta_settings(block.name)
    words = set(_words(shown))
    missing = [word for word in (block.address, block.hostname) if word and word not in words]
    missing += _differs(shown, "max-smtp-msg-rate", block.cap)
    _require_shown(mta, f"vmta-settings {block.name}", missing)
    for domain, rate in rates.items():
        queue = f"{domain}/{block.name}"
        _require_shown(mta, f"settings {queue}", _differs(mta.settings(queue), "max-msg-rate", rate))


def _differs(shown: Mapping[str, Any], name: str, wanted: str | None) -> list[str]:
    """What is not shown at all proves nothing and is let pass: releases differ in what they show."""
    seen = next((str(value) for key, value in shown.items() if key.lower() == name), None)
    if seen is None or wanted is None or seen == wanted or per_second(seen) == per_second(wanted) is not None:
        return []
    return [f"{name} {wanted} (it shows {seen})"]


def _require_shown(mta: PowerMta, command: str, missing: list[str]) -> None:
    if missing:
        raise NotVerified(
            mta.endpoint.subject,
            f"`pmta show {command}` does not show {', '.join(missing)}",
            "the settings that were deployed",
            "see whether the operator's own configuration says something else about it",
        )


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _words(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _words(inner)
    else:
        yield from str(value).replace(",", " ").split()
