"""In which zone each record belongs: where a zone begins is asked, or taken from the public suffix list."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from email_engine.dns_answers import Answer, Found, Question, ResolveMany, Unknown
from email_engine.dnsauth.model import Lookup
from email_engine.dnsauth.organisation import listed_organisation
from email_engine.records.model import DnsRecord

_REVERSE_4, _REVERSE_6 = ".in-addr.arpa", ".ip6.arpa"
_PREFIXES_6 = (64, 60, 56, 52, 48, 44, 40, 36, 32)
"""Lengths at which reverse zones of IPv6 begin in practice; 64 where nobody is asked."""


@dataclass(frozen=True, slots=True)
class Zone:
    """`trouble`: why it is a guess, where the question was not answered; else ""."""

    name: str
    trouble: str = ""


def zone_of(name: str) -> Zone:
    """Without asking: the name that somebody registered; of reverse names the /24, or the /64 of IPv6."""
    if name.endswith(_REVERSE_4):
        return Zone(_candidates(name)[1])
    return Zone(_candidates(name)[0 if name.endswith(_REVERSE_6) else -1])


def asked_zones(names: Iterable[str], resolve_many: ResolveMany) -> dict[str, Zone]:
    """Each name with the nearest name at or above it that has an SOA record; without any, as `zone_of` has it."""
    answers: dict[Question, Answer] = {}
    wanted = list(dict.fromkeys(names))
    for _ in range(3):
        lookup = Lookup(answers)
        found = {name: _cut(name, lookup) for name in wanted}
        if not lookup.missing:
            break
        answers |= resolve_many(sorted(lookup.missing, key=lambda q: (q.name, q.rdtype)))
    return found


def by_zone(records: Iterable[DnsRecord], zones: Mapping[str, Zone]) -> dict[Zone, tuple[DnsRecord, ...]]:
    """Zones in the order of their names; records in theirs. `zones`: as `asked_zones` gives it; other names are looked up offline."""
    parts: dict[str, list[DnsRecord]] = {}
    whole: dict[str, Zone] = {}
    for record in records:
        zone = zones.get(record.name) or zone_of(record.name)
        parts.setdefault(zone.name, []).append(record)
        known = whole.setdefault(zone.name, zone)
        whole[zone.name] = known if known.trouble else zone
    return {whole[name]: tuple(parts[name]) for name in sorted(parts)}


def _candidates(name: str) -> list[str]:
    """Where the zone of a name may begin, the nearest first."""
    labels = name.split(".")
    if name.endswith(_REVERSE_4):
        return [".".join(labels[n:]) for n in range(len(labels) - 2)]
    if name.endswith(_REVERSE_6):
        nibbles = len(labels) - 2
        return [".".join(labels[nibbles - length // 4 :]) for length in _PREFIXES_6 if length // 4 <= nibbles]
    top = listed_organisation(name)
    depth = len(labels) - len(top.split("."))
    return [".".join(labels[n:]) for n in range(depth + 1)]


def _cut(name: str, lookup: Lookup) -> Zone:
    candidates = _candidates(name)
    answers = [lookup.ask(candidate, "SOA") for candidate in candidates]
    trouble = ""
    for candidate, answer in zip(candidates, answers, strict=True):
        if isinstance(answer, Unknown):
            trouble = trouble or f"whether a zone begins at {candidate} was not answered ({answer.reason})"
        # Behind an alias stands another zone's SOA.
        elif isinstance(answer, Found) and not isinstance(lookup.ask(candidate, "CNAME"), Found):
            return Zone(candidate, trouble)
    return Zone(zone_of(name).name, trouble)


def network_of(zone: str) -> str:
    """`192.0.2.0/24` of `2.0.192.in-addr.arpa`; "" of a zone that is none of addresses."""
    labels = zone.split(".")[:-2][::-1]
    if zone.endswith(_REVERSE_4) and all(label.isdigit() for label in labels):
        return f"{IPv4Address('.'.join([*labels, '0', '0', '0'][:4]))}/{8 * len(labels)}"
    if zone.endswith(_REVERSE_6) and all(len(label) == 1 for label in labels):
        return f"{IPv6Address(int(''.join(labels).ljust(32, '0'), 16))}/{4 * len(labels)}"
    return ""
