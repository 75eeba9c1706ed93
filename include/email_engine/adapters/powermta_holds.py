"""Many virtual MTAs held or let go in one go: what stands right already costs no command."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial

from email_engine.adapters.powermta import DisabledSource, Hold, PowerMta, Queue
from email_engine.errors import EngineError, Unreachable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeldSource:
    """A virtual MTA and the address that it sends from. `keep`: recipient domains and roll-ups whose queues stay paused when it is let go."""

    vmta: str
    address: str
    keep: frozenset[str] = frozenset()


def read_holds(mta: PowerMta, sources: Collection[HeldSource]) -> tuple[Hold, ...]:
    """What holds each of them now, in the order given; two commands for all of them."""
    if not sources:
        return ()
    return holds_of(mta.queues("*/*"), mta.disabled_sources(), sources)


def holds_of(
    seen: Iterable[Queue], switched_off: Iterable[DisabledSource], sources: Collection[HeldSource]
) -> tuple[Hold, ...]:
    """What these listings of a host say about each source, in the order given."""
    queues = _by_vmta(seen, {source.vmta for source in sources})
    disabled = {(s.address, s.queue) for s in switched_off}
    return tuple(_hold_of(source, queues.get(source.vmta, ()), disabled) for source in sources)


def _hold_of(source: HeldSource, queues: Iterable[Queue], disabled: Collection[tuple[str, str]]) -> Hold:
    """What a suspended provider keeps paused says nothing about the rest."""
    mine = [queue for queue in queues if queue.domain not in source.keep]
    return Hold(
        vmta=source.vmta,
        address=source.address,
        queues=len(mine),
        recipients=sum(q.recipients for q in mine),
        unpaused=tuple(q.name for q in mine if q.paused is not True),
        source_disabled=(source.address, f"*/{source.vmta}") in disabled,
    )


def _by_vmta(queues: Iterable[Queue], wanted: Collection[str]) -> dict[str, list[Queue]]:
    found: dict[str, list[Queue]] = {}
    for queue in queues:
        if queue.vmta in wanted:
            found.setdefault(queue.vmta, []).append(queue)
    return found


def hold_all(mta: PowerMta, sources: Collection[HeldSource]) -> tuple[Hold, ...]:
    """Holds every one of them that does not hold yet, and reads all back; what PowerMTA refuses keeps no other waiting."""
    loose = [seen for seen in read_holds(mta, sources) if not seen.holds]
    for seen in loose:
        for tell in (partial(mta.pause, seen.vmta), partial(mta.disable_source, seen.address, seen.vmta)):
            try:
                tell()
            except Unreachable:
                raise
            except EngineError as error:
                log.warning("%s is not held: %s", seen.vmta, error)
    return read_holds(mta, sources)


def release_ours(mta: PowerMta, sources: Collection[HeldSource]) -> tuple[Hold, ...]:
    """Lets go those whose source is disabled as `hold` does it; a queue that a person paused by hand stays paused."""
    keep = {(source.vmta, source.address): source.keep for source in sources}
    ours = [seen for seen in read_holds(mta, sources) if seen.source_disabled]
    return tuple(mta.let_go(seen.address, seen.vmta, keep[seen.vmta, seen.address]) for seen in ours)
