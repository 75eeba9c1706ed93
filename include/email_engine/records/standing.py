"""What else stands at the names: aliases, wildcards, and other texts that a replaced set of records would lose."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from email_engine.dns_answers import Found
from email_engine.dnsauth.model import Lookup
from email_engine.records.model import DnsRecord, Purpose, RecordState, distinct

PROBE = "email-engine-wildcard-probe"
"""A name that nobody publishes: what it gets comes from a wildcard."""


def beside_what_stands(records: Iterable[DnsRecord], lookup: Lookup) -> tuple[DnsRecord, ...]:
    """The records of one part, after a look at what else answers at their names; each name, type and value once."""
    return distinct(_without_wildcards(_with_aliases(_with_the_rest(list(records), lookup), lookup), lookup))


def _with_the_rest(records: list[DnsRecord], lookup: Lookup) -> list[DnsRecord]:
    """With whatever else stands at each name and type, such as site verifications; also what a person must decide about: until then
    it stays. Only what a record replaces goes, and a null MX."""
    sets: dict[tuple[str, str], list[DnsRecord]] = {}
    for record in records:
        sets.setdefault((record.name, record.rdtype), []).append(record)
    more: list[DnsRecord] = []
    for (name, rdtype), own in sets.items():
        answer = lookup.known(name, rdtype)
        gone = {
            value for record in own if record.stands_in_files for value in (*record.replaces, record.value)
        }
        more += [
            DnsRecord(name, rdtype, value, Purpose.BESIDE, own[0].subject, RecordState.KEPT)
            for value in (answer.records if isinstance(answer, Found) else ())
            if value not in gone and not (rdtype == "MX" and not value.partition(" ")[2])
        ]
    return [*records, *more]


def _with_aliases(records: list[DnsRecord], lookup: Lookup) -> Iterator[DnsRecord]:
    """Nothing may stand beside a CNAME (RFC 1034 section 3.6.2): what serves stays with it, for the rest somebody must decide."""
    for record in records:
        target = _alias(lookup, record.name) if record.purpose is not Purpose.PTR else ""
        if not target:
            yield record
        elif record.state is RecordState.KEPT:
            yield replace(record, rdtype="CNAME", value=target, replaces=())
        elif record.state is RecordState.PUBLISH:
            note = f"{record.name} is an alias of {target}, and nothing may stand beside an alias: publish it there, or remove the alias"
            yield replace(record, state=RecordState.BY_HAND, note=note, replaces=())
        else:
            yield record


def _alias(lookup: Lookup, name: str) -> str:
    """Where the name's own CNAME leads; "" without one, and of a wildcard's, which ends for a name with a record of its own."""
    answer = lookup.ask(name, "CNAME")
    if not isinstance(answer, Found) or _from_wildcard(lookup, name, "CNAME"):
        return ""
    return answer.records[0]


def _from_wildcard(lookup: Lookup, name: str, rdtype: str) -> bool:
    """Does a name that nobody published get the same?"""
    own = lookup.ask(name, rdtype)
    other = lookup.ask(f"{PROBE}.{name.partition('.')[2]}", rdtype)
    return isinstance(own, Found) and isinstance(other, Found) and set(own.records) == set(other.records)


def _without_wildcards(records: Iterable[DnsRecord], lookup: Lookup) -> Iterator[DnsRecord]:
    """What only a wildcard gives to a name ends there with the first record at or below that name (RFC 4592 section 2.2.1)."""
    given = list(records)
    to_come = [record.name for record in given if record.state is RecordState.PUBLISH]
    for record in given:
        ends = any(name == record.name or name.endswith(f".{record.name}") for name in to_come)
        replaces = record.state is RecordState.PUBLISH and record.replaces
        kept = record.state is RecordState.KEPT and ends
        if not (replaces or kept) or not _from_wildcard(lookup, record.name, record.rdtype):
            yield record
        elif replaces:
            note = f"a wildcard gives {', '.join(replaces)} now, and keeps doing so for other names"
            yield replace(record, replaces=(), note=note)
        elif record.purpose is not Purpose.BESIDE:
            note = "only a wildcard gives it, and ends for this name with the first record of its own"
            yield replace(record, state=RecordState.PUBLISH, note=note)
