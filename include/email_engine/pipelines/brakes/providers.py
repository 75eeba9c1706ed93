"""PowerMTA's half of a brake of one mailbox provider: its queues at one virtual MTA stand still, the others go on."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from email_engine.adapters.powermta import DisabledSource, PowerMta, Queue
from email_engine.errors import Refused
from email_engine.fleet.providers import shipped_providers
from email_engine.pipelines.brakes.halves import CALLED_OFF, Half
from email_engine.plural import amount
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.config.provider_queues import ProviderQueues, provider_queues
from email_engine.store.stops.brakes import Brake

log = logging.getLogger(__name__)

USUAL_AGE = "4d12h, PowerMTA's own"
"""`bounce-after` where the configuration of a domain does not say it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a host shows: its queues and the sources that are disabled."""

    queues: Collection[Queue]
    disabled: Collection[DisabledSource]

    def stands_still(self, vmta: str) -> bool:
        """Is the whole virtual MTA held, by a brake of its IP or because it is parked?"""
        return any(one.queue == f"*/{vmta}" for one in self.disabled)


def list_host(mta: PowerMta) -> Listing:
    """Two commands for all brakes of the host."""
    return Listing(mta.queues("*/*"), mta.disabled_sources())


def queues_of(provider: str) -> ProviderQueues:
    return provider_queues(provider, shipped_providers(), deploy_policy())


def kept_queues(standing: Iterable[Brake]) -> dict[str, frozenset[str]]:
    """By virtual MTA: domains and roll-ups whose queues stay paused when the IP itself is let go."""
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for brake in standing:
        if not brake.whole and not brake.lets_go:
            found[brake.vmta] |= queues_of(brake.provider).domains
    return dict(found)


@dataclass(frozen=True, slots=True)
class _State:
    """`running`: domains of queues that are not shown paused; `paused`: of the others; `open`: those to be held ahead for which the
    source is not disabled."""

    told: str
    running: tuple[str, ...]
    paused: tuple[str, ...]
    open: tuple[str, ...]


def _state(listing: Listing, brake: Brake) -> _State:
    part, address = queues_of(brake.provider), str(brake.local_address)
    mine = [q for q in listing.queues if q.vmta == brake.vmta and q.domain in part.domains]
    off = {one.queue.lower() for one in listing.disabled if one.address == address}
    opened = tuple(domain for domain in part.ahead if f"{domain}/{brake.vmta}".lower() not in off)
    paused = tuple(q.domain for q in mine if q.paused is True)
    told = (
        f"PowerMTA: {brake.provider} of {brake.vmta}: {len(paused)} of {amount(len(mine), 'queue')} paused"
        f" ({amount(sum(q.recipients for q in mine), 'recipient')}), source {address} "
        f"{'enabled' if opened else 'disabled'} there"
    )
    return _State(told, tuple(q.domain for q in mine if q.paused is not True), paused, opened)


def enforce_provider(
    mta: PowerMta,
    listing: Listing,
    standing: Collection[Brake],
    still_asked: Callable[[Brake], bool],
    brake: Brake,
) -> Half:
    """Pauses the provider's queues and disables the source for those that appear later, or lets both go, and reads it back.

    `standing`: all brakes of the host; `still_asked`: is its release wanted at this moment?"""
    if not brake.lets_go:
        return _hold(mta, listing, brake)
    asked = brake.release_asked_at is not None
    if asked and not still_asked(brake):
        return CALLED_OFF
    done = let_go(mta, listing, standing, brake)
    if asked and not still_asked(brake):
        _hold(mta, list_host(mta), brake)
        return CALLED_OFF
    return done


def _hold(mta: PowerMta, listing: Listing, brake: Brake) -> Half:
    before = _state(listing, brake)
    now, refused = before, False
    if before.running or before.open:
        refused = not _held_ahead(mta, brake, before.open)
        for domain in before.running:
            _pause(mta, brake.vmta, domain)
        now = _state(list_host(mta), brake)
    taken_off = brake.powermta_holds and bool(before.running and before.open) and not refused
    told = now.told if brake.powermta_holds else f"{now.told}; {_age(mta, brake)}"
    return Half(not now.running and (refused or not now.open), told, taken_off)


def _pause(mta: PowerMta, vmta: str, domain: str) -> None:
    """A queue that is empty meanwhile may be gone; what still runs is read back."""
    try:
        mta.pause(vmta, domain)
    except Refused as error:
        log.info("not paused: %s", error.observed)


def _held_ahead(mta: PowerMta, brake: Brake, domains: Iterable[str]) -> bool:
    """Disables the source for queues that may not be there yet. False where PowerMTA refuses that: then each is paused when a later
    look meets it, and until then the configuration's limit bounds it."""
    done = True
    for domain in domains:
        try:
            mta.disable_source(str(brake.local_address), brake.vmta, domain)
        except Refused as error:
            log.info("not held ahead: %s", error.observed)
            done = False
    return done


def let_go(mta: PowerMta, listing: Listing, standing: Collection[Brake], brake: Brake) -> Half:
    """The source is enabled again for the provider's queues; they stay paused where the whole virtual MTA stands still, which
    whoever lets that go resumes, or where another brake of the provider holds them."""
    before, address = _state(listing, brake), str(brake.local_address)
    kept = listing.stands_still(brake.vmta) or any(
        b.vmta == brake.vmta and b.provider == brake.provider and b.ip_id != brake.ip_id and not b.lets_go
        for b in standing
    )
    ahead = queues_of(brake.provider).ahead
    for domain in ahead:
        if domain not in before.open:
            mta.enable_source(address, brake.vmta, domain)
    for domain in () if kept else before.paused:
        mta.resume(brake.vmta, domain)
    now = _state(list_host(mta), brake)
    free = len(now.open) == len(ahead) and (kept or not now.paused)
    return Half(free, now.told, gone=brake.removed and brake.release_asked_at is None)


def _age(mta: PowerMta, brake: Brake) -> str:
    """What bounds the age of the mail that waits there, for people."""
    queue = f"{queues_of(brake.provider).ahead[0]}/{brake.vmta}"
    try:
        shown: Mapping[str, object] = mta.settings(queue)
    except Refused:
        shown = {}
    age = shown.get("bounce-after") or USUAL_AGE
    return f"what waits longer than its bounce-after ({age}) bounces, and counts neither against the IP nor its recipients"
