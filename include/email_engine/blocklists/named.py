"""Which watched list a receiver means by the name in its reply."""

from collections.abc import Sequence

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
