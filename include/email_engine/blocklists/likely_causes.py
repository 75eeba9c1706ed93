"""What may have led to a listing, from the list's codes and the traffic before it: suggestions for a person, never a verdict."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

MANY_UNKNOWN = 0.05
"""Share of "no such user" from which a recipient list looks old or bought."""
MANY_COMPLAINTS = 0.001
MANY_REFUSED = 0.02


@dataclass(frozen=True, slots=True)
class ProviderTraffic:
    """Messages of one IP at one mailbox provider over some days; all counts are messages but `deferred`, which are tries."""

    provider: str
    delivered: int = 0
    bounced: int = 0
    unknown_users: int = 0
    blocked: int = 0
    content_refusals: int = 0
    deferred: int = 0
    complained: int = 0


_BY_SUBLIST = {
    "XBL": "the list says the host itself is compromised (open proxy, malware): look for foreign processes and senders on it",
    "exploit": "the list says the host itself is compromised: look for foreign processes and senders on it",
    "CSS": "low reputation or mail spread over many addresses: look at new or thin streams and at names that changed",
    "SBL": "a person looked at the mail, not a trap alone: read the record of the list, it names the mail",
    "DROP": "the whole network is held for hijacked: ask its owner at once",
    "SCBL": "people reported this mail as spam: look at consent of the newest recipients",
}


def likely_causes(
    sublists: Collection[str], traffic: Sequence[ProviderTraffic], listed_around: int
) -> tuple[str, ...]:
    """In words, the most telling first; never empty.

    Args:
        sublists: of the listing's codes. listed_around: other IPs of ours in its /24 that are listed now."""
    found = [*traffic_causes(traffic), *(_BY_SUBLIST[x] for x in sorted(sublists) if x in _BY_SUBLIST)]
    if listed_around:
        found.append(f"{listed_around} more of the same /24 are listed: what they have in common comes first")
    return tuple(found) or (
        "nothing in the traffic explains it: think of spam traps, that is of recipients who were added or woken up lately",
    )


def traffic_causes(traffic: Sequence[ProviderTraffic]) -> Iterator[str]:
    """What the counts show, in words; nothing for mail that is clean by them."""
    delivered = sum(x.delivered for x in traffic)
    ended = delivered + sum(x.bounced for x in traffic)
    if not ended:
        yield "it sent nothing lately: look for mail past PowerMTA, and at who had the address before"
        return
    complained, unknown = sum(x.complained for x in traffic), sum(x.unknown_users for x in traffic)
    refused = sum(x.content_refusals for x in traffic)
    if complained and complained >= MANY_COMPLAINTS * max(delivered, 1):
        yield f"{complained} complaints about {delivered:,} delivered messages: recipients did not want this mail"
    if unknown >= MANY_UNKNOWN * ended:
        yield f"{unknown:,} of {ended:,} messages went to nobody: the recipient list is old, bought or typed in by robots"
    if refused >= MANY_REFUSED * ended:
        yield f"{refused:,} of {ended:,} messages were refused for their content: look at links and their domains"
