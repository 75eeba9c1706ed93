"""SPF records to publish: made from what stands there, and proved by check_host() before anybody is told."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address

from spftrace import SpfPermError, parse

from email_engine.dnsauth.model import Lookup, Subject, record_text
from email_engine.dnsauth.spf_host import SpfResult, check_host
from email_engine.fleet.model import IpAddress

FOREIGN_4 = tuple(map(ip_address, ("7.31.0.9", "73.31.0.9", "133.31.0.9", "214.31.0.9")))
FOREIGN_6 = tuple(map(ip_address, ("2400:31::9", "2a0f:31::9")))
"""Strangers: one in each quarter of the IPv4 addresses, two far apart in IPv6; none where hosters of mail are."""

LONGEST = 450
"""Octets; then the answer still fits into 512 (RFC 7208 section 3.4)."""

LONGEST_MENDED = 4000
"""Octets of records that are worth mending; whatever is longer, receivers would not take."""

HELO_RECORD = "v=spf1 a -all"
"""Of a host name: the host itself, and nobody else."""

ASK_WITH_IP = "ask again with the sending IP (--ip): the record to publish is written out then"


def is_spf(text: str) -> bool:
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def strangers(
    lookup: Lookup, domain: str, helo: str, record: str | None = None
) -> tuple[list[SpfResult], list[SpfResult]] | None:
    """check_host() for the addresses of strangers, IPv4 and IPv6; None while answers are missing."""
    first = check_host(lookup, FOREIGN_4[0], domain, helo, record)
    if first is None:
        return None  # the others would wait for the same answers
    rest = [check_host(lookup, address, domain, helo, record) for address in (*FOREIGN_4[1:], *FOREIGN_6)]
    known = [first, *(result for result in rest if result is not None)]
    four = len(FOREIGN_4)
    return (known[:four], known[four:]) if len(known) == four + len(FOREIGN_6) else None


def let_in(results: Iterable[Sequence[SpfResult]]) -> SpfResult | None:
    """The pass of a stranger, when two of one family pass: one alone may stand in somebody's network by chance."""
    for family in results:
        passed = [result for result in family if result.result == "pass"]
        if len(passed) > 1:
            return passed[0]
    return None


def plain_record(address: IpAddress) -> str:
    return f"v=spf1 {_mechanism(address)} -all"


def new_record(addresses: Iterable[IpAddress]) -> str:
    """The record of a name that has none; addresses that make up a whole network stand as the network."""
    return " ".join(["v=spf1", *_networks(addresses), "-all"])


def extended(lookup: Lookup, subject: Subject, record: str, addresses: Sequence[IpAddress]) -> str | None:
    """`record` with those of `addresses` that it does not let in, before its final all or redirect, else first.

    Proved by check_host() for all of them and for strangers. None while answers are missing; "" where no such record holds."""
    helo = subject.hostname or subject.domain
    before = [check_host(lookup, address, subject.domain, helo, record) for address in addresses]
    refused = [
        address
        for address, result in zip(addresses, before, strict=True)
        if result is not None and result.result != "pass"
    ]
    if None in before:
        return None
    if not refused:
        return record
    terms, end = _sound_terms([record])
    ours = _networks(refused)
    rest = [term for term in terms if term not in ours]
    for value in (" ".join(["v=spf1", *rest, *ours, end]), " ".join(["v=spf1", *ours, *rest, end])):
        guests = strangers(lookup, subject.domain, helo, value)
        results = [check_host(lookup, address, subject.domain, helo, value) for address in addresses]
        if guests is None or None in results:
            return None
        wrong = any(guest.result in ("pass", "permerror") for family in guests for guest in family)
        if not wrong and all(result and result.result == "pass" for result in results):
            return value
    return ""


def _networks(addresses: Iterable[IpAddress]) -> list[str]:
    """Terms of the smallest networks that hold these addresses and no other."""
    given = list(addresses)
    nets: list[IPv4Network | IPv6Network] = [
        *collapse_addresses(IPv4Network(a) for a in given if isinstance(a, IPv4Address)),
        *collapse_addresses(IPv6Network(a) for a in given if isinstance(a, IPv6Address)),
    ]
    return [f"ip{net.version}:{net.network_address if net.num_addresses == 1 else net}" for net in nets]


def spf_remedy(lookup: Lookup, subject: Subject, records: Sequence[str]) -> str:
    """The one record to publish in place of `records`: their sound terms and the IP, without what lets everybody in."""
    value = mended(lookup, subject, records)
    return record_text(subject.domain, "TXT", value) if value else ASK_WITH_IP


def mended(lookup: Lookup, subject: Subject, records: Sequence[str]) -> str:
    """ "" where no IP is known and nothing would be left that may send."""
    address = subject.address
    if sum(map(len, records)) > LONGEST_MENDED:
        return plain_record(address) if address else ""
    terms, end = _sound_terms(records)
    helo = subject.hostname or subject.domain
    for _ in range(len(terms) + 2):
        for value in _candidates(terms, end, address):
            guests = strangers(lookup, subject.domain, helo, value)
            ours = check_host(lookup, address, subject.domain, helo, value) if address else None
            if guests is None or (address and ours is None):
                return ""  # more answers are on their way
            stranger = next(
                (result for family in guests for result in family if result.result == "pass"), None
            )
            if stranger:
                break
            if any(result.result == "permerror" for family in guests for result in family):
                continue
            if not address or (ours and ours.result == "pass" and len(value) <= 2 * LONGEST):
                return value if address or terms or end.startswith("redirect") else ""
        else:
            break
        culprit = stranger.matched[0].term if stranger.matched else ""
        if culprit in terms:
            terms.remove(culprit)
        elif end != "-all":
            end = "-all"
        else:
            break
    return plain_record(address) if address else ""


def _candidates(terms: Sequence[str], end: str, address: IpAddress | None) -> list[str]:
    if address is None:
        return [" ".join(["v=spf1", *terms, end])]
    ours = _mechanism(address)
    rest = [term for term in terms if term != ours]
    if ours in terms:
        return [" ".join(["v=spf1", *terms, end]), " ".join(["v=spf1", ours, *rest, end])]
    return [" ".join(["v=spf1", *rest, ours, end]), " ".join(["v=spf1", ours, *rest, end])]


def _sound_terms(records: Sequence[str]) -> tuple[list[str], str]:
    """Terms that can be read, each once, and how the record ends: its own -all, ~all or redirect, else -all."""
    terms: list[str] = []
    ends: list[str] = []
    redirects: list[str] = []
    for record in records:
        for raw in record.split(" ")[1:]:
            try:
                (term,) = parse(f"v=spf1 {raw}").terms
            except (SpfPermError, ValueError):
                continue
            if term.is_mechanism and term.name == "all":
                ends += [raw] if term.qualifier in "-~" else ["-all"]
            elif not term.is_mechanism and term.name == "redirect":
                redirects.append(raw)
            elif raw not in terms and (term.is_mechanism or term.name == "exp"):
                terms.append(raw)
    return terms, (ends or redirects or ["-all"])[0]


def _mechanism(address: IpAddress) -> str:
    return f"ip{address.version}:{address}"
