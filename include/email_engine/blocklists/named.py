"""Which watched list is meant: by the name in a receiver's reply, or by the zone of a listing that stands."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from email_engine.blocklists.decide import OpenListing
from email_engine.blocklists.model import BlockList, Lists, ListStatus


def watched(named: str, lists: Sequence[BlockList]) -> BlockList | None:
    """The list of this name or zone; for another zone of the same operator (`sbl.spamhaus.org`) the one that is watched, where that is
    one alone. UCEPROTECT's level 3 is not its level 1. None: nobody watches it, it is retired, or
    it lists domains."""
    name = named.lower().rstrip(".")
    active = [one for one in lists if one.status is ListStatus.ACTIVE and one.lists is Lists.IPS]
    exact = [one for one in active if name in (one.name, one.zone)]
    if exact:
        return exact[0]
    operators = [one for one in active if _operator(one.zone) == _operator(name)]
    return operators[0] if len(operators) == 1 else None


def _operator(zone: str) -> str:
    """The last two labels of a zone; a name of one label as it is."""
    return ".".join(zone.split(".")[-2:])


def as_watched(listings: Iterable[OpenListing], lists: Sequence[BlockList]) -> tuple[OpenListing, ...]:
    """Open listings under the names that their zones have now: a list that was renamed is the same list."""
    names = {one.zone: one.name for one in lists}
    return tuple(replace(x, list_name=names.get(x.zone, x.list_name)) for x in listings)


def unwatched(listings: Iterable[OpenListing], lists: Sequence[BlockList]) -> tuple[OpenListing, ...]:
    """Those of lists that a person took out of the file or retired: nobody asks them any more."""
    zones = {one.zone for one in lists if one.status is ListStatus.ACTIVE}
    return tuple(x for x in listings if x.zone not in zones)
