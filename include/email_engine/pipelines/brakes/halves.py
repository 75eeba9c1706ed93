"""The halves of a brake, and PowerMTA's own: turned as wanted and read back. MailWizz's: `mailwizz_half`."""

import contextlib
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, NamedTuple

from email_engine.adapters.powermta import Hold, PowerMta
from email_engine.adapters.powermta_holds import HeldSource, read_holds
from email_engine.errors import EngineError, NotVerified, Refused, Unreachable
from email_engine.pmta.config.inventory import Inventory, read_inventory
from email_engine.store.stops.brakes import Brake

log = logging.getLogger(__name__)
BOUND = 75.0
"""Seconds that one look at a host may take before it writes down what it has: below the two minutes of `brake_watch`."""


class Half(NamedTuple):
    """One side of one brake: does it stand as wanted, what reading back showed, was it found taken off?

    `gone`: of an IP that left the fleet: nothing is there any more that could send. `error`: why it is not done. `asked`: did the
    system itself answer? `switched_off`: ids of the delivery servers that this look disabled."""

    done: bool
    told: str
    taken_off: bool = False
    gone: bool = False
    error: EngineError | None = None
    asked: bool = True
    switched_off: tuple[int, ...] = ()


@dataclass
class Files:
    """What the engine's file on a host defines, read once a session."""

    inventories: dict[str, Inventory] = field(default_factory=dict)

    def lack(self, mta: PowerMta, brake: Brake) -> bool:
        """Neither the file on disk nor the running configuration has the virtual MTA with the brake's address.

        What the file may hide is not gone; where PowerMTA does not answer, it raises. A release without `show vmta-settings` is judged
        by the file."""

        if brake.config_file not in self.inventories:
            text = (mta.read(brake.config_file) or b"").decode("utf-8", "replace")
            self.inventories[brake.config_file] = read_inventory(text)
        if self.inventories[brake.config_file].may_send(brake.vmta, brake.local_address):
            return False
        mta.disabled_sources()
        try:
            shown = mta.vmta_settings(brake.vmta)
        except Refused:
            return True
        return brake.local_address not in _addresses(str(shown))


CALLED_OFF = Half(False, "it was braked again while it was let go")
ENDED = Half(False, "its brake ended, or its release was asked, meanwhile", asked=False)
Halves = dict[int, Half]
"""By brake id."""


def _said(where: str, error: EngineError) -> str:
    """`where` is said once: most errors begin with it themselves."""
    told = str(error)
    return told if told.startswith(where) else f"{where}: {told}"


def all_of(standing: Iterable[Brake], where: str, error: EngineError) -> Halves:
    return {brake.brake_id: Half(False, _said(where, error), error=error) for brake in standing}


def each(
    standing: Iterable[Brake], where: str, turn: Callable[[Brake], Half], late: Callable[[], bool]
) -> Halves:
    """One brake failing leaves the others their turn; a system that went away is not waited for again, nor one that is so slow
    that it got `late`: the next look goes on."""

    done: Halves = {}
    away: Half | None = None
    for brake in standing:
        if away is None and late():
            away = _too_slow(where)
        try:
            done[brake.brake_id] = turn(brake) if away is None else away
        except EngineError as error:
            done[brake.brake_id] = failed = Half(False, _said(where, error), error=error)
            if isinstance(error, Unreachable):
                away = failed
        except Exception as error:
            log.exception("brake of %s", brake.vmta)
            odd = surprise(f"brake of {brake.vmta}", error)
            done[brake.brake_id] = Half(False, f"{where}: {odd}", error=odd)
    return done


def _too_slow(where: str) -> Half:
    error = NotVerified(
        where, f"so slow that not all was reached within {BOUND:.0f} s", "all brakes of a host enforced in one look",
        "the next look goes on; see what makes it slow, or stop PowerMTA there, or block port 25",
    )  # fmt: skip
    return Half(False, str(error), error=error)


def surprise(subject: str, error: Exception) -> EngineError:
    """An error of the engine's own: its text may carry anything, so only its kind is told."""

    return NotVerified(
        subject, type(error).__name__, "no error of the engine's own", "open the log of `brake`"
    )


def look(mta: PowerMta, standing: Iterable[Brake]) -> dict[str, Hold]:
    """What holds already; empty where the host cannot show all at once, then each is held and read by itself."""

    wanted = [
        HeldSource(b.vmta, str(b.local_address))
        for b in standing
        if b.release_asked_at is None and b.successor is None
    ]
    try:
        return {hold.vmta: hold for hold in read_holds(mta, wanted)}
    except Unreachable:
        raise
    except EngineError:
        return {}


def push(
    mta: PowerMta, known: Mapping[str, Hold], standing: Iterable[Brake], late: Callable[[], bool]
) -> Mapping[str, Hold]:
    """All that must stand still is told to, before any of it is read back: with many brakes each second counts. Gives what
    holds then; what was refused is tried again by itself. Raises Unreachable when the host goes away."""

    loose = [
        b for b in standing
        if b.release_asked_at is None and not b.removed and b.vmta in known and not known[b.vmta].holds
    ]  # fmt: skip
    for brake in loose:
        if late():
            break
        try:
            mta.pause(brake.vmta)
            mta.disable_source(str(brake.local_address), brake.vmta)
        except Unreachable:
            raise
        except EngineError:
            continue
    return {**known, **look(mta, loose)} if loose else known


def enforce_powermta(
    mta: PowerMta,
    before: Mapping[str, Hold],
    known: Mapping[str, Hold],
    files: Files,
    still_asked: Callable[[Brake], bool],
    kept: Mapping[str, Collection[str]],
    brake: Brake,
) -> Half:
    """`before`: what held at first, `known`: after everything was told to stand still; `still_asked`: is its release wanted at this
    moment? `kept`: domains and roll-ups by virtual MTA whose queues stay paused, for their provider is suspended."""
    address, seen, first = str(brake.local_address), known.get(brake.vmta), before.get(brake.vmta)
    keep = kept.get(brake.vmta, ())
    if brake.removed and brake.release_asked_at is None:
        return _enforce_removed(mta, known, files, keep, brake)
    if brake.moving_to is not None and brake.release_asked_at is None and files.lack(mta, brake):
        mta.enable_source(address, brake.vmta)
        return Half(True, f"PowerMTA: {brake.mta_host} no longer sends from {address}", gone=True)
    if brake.release_asked_at is not None:
        if not still_asked(brake):
            return CALLED_OFF
        now = mta.let_go(address, brake.vmta, keep)
        if not still_asked(brake):
            # a stop came while it was let go: it stands still again before anything else is done
            mta.hold(address, brake.vmta)
            return CALLED_OFF
        return Half(now.free, f"PowerMTA: {now.summary}")
    taken_off = brake.powermta_holds and first is not None and not first.source_disabled
    if seen is not None and seen.holds:
        return Half(True, f"PowerMTA: {seen.summary}", taken_off)
    now = mta.hold(address, brake.vmta)
    return Half(now.holds, f"PowerMTA: {now.summary}", taken_off)


def _enforce_removed(
    mta: PowerMta, known: Mapping[str, Hold], files: Files, keep: Collection[str], brake: Brake
) -> Half:
    """The IP left the fleet: held until the host runs its virtual MTA with this address no more. Where another IP has the
    virtual MTA now, only the old address is kept from sending; not where that is what the other one binds too."""
    address = str(brake.local_address)
    taken_over = brake.successor_binds == brake.local_address
    if taken_over and not brake.successor_sends:
        seen = known.get(brake.vmta)
        now = seen if seen is not None and seen.holds else mta.hold(address, brake.vmta)
        told = f"{brake.vmta} is {brake.successor}'s now, which must stand still too"
        return Half(now.holds, f"PowerMTA: {told}: {now.summary}", gone=now.holds)
    if taken_over or files.lack(mta, brake):
        mta.enable_source(address, brake.vmta)
        if brake.successor_sends:
            mta.let_go(address, brake.vmta, keep)
        told = f"sends for {brake.successor} now" if taken_over else f"no longer sends from {address}"
        return Half(True, f"PowerMTA: {brake.vmta} {told}", gone=True)
    if brake.successor is None:
        seen = known.get(brake.vmta)
        now = seen if seen is not None and seen.holds else mta.hold(address, brake.vmta)
        return Half(now.holds, f"PowerMTA: {now.summary}")
    mta.disable_source(address, brake.vmta)
    off = any(s.address == address and s.queue == f"*/{brake.vmta}" for s in mta.disabled_sources())
    told = f"source {address} {'disabled' if off else 'not disabled'} for {brake.vmta}, which {brake.successor} takes over"
    return Half(off, f"PowerMTA: {told}")


def _addresses(text: str) -> set[Any]:
    found = set()
    for word in re.split(r"[^0-9A-Fa-f.:]+", text):
        with contextlib.suppress(ValueError):
            found.add(ip_address(word))
    return found
