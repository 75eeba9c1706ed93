"""Whose domain is it? The tree walk of RFC 9989 section 4.10, and the public suffix list of the receivers before it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from publicsuffixlist import PublicSuffixList

from email_engine.dns_answers import Answer, Found, Unknown
from email_engine.dnsauth.model import Lookup

MOST_QUERIES = 8
_VERSION = re.compile(r"v[ \t]*=[ \t]*(DMARC1)[ \t]*(;|\Z)", re.IGNORECASE)


def walk(domain: str) -> tuple[str, ...]:
    """The names a receiver asks, from the domain up to its top-level domain, at most 8 (RFC 9989 section 4.10).

    >>> walk("news.example.com")
    ('news.example.com', 'example.com', 'com')
    """
    labels = domain.rstrip(".").lower().split(".")
    names = [".".join(labels)]
    rest = labels[-7:] if len(labels) > MOST_QUERIES else labels[1:]
    while rest:
        names.append(".".join(rest))
        rest = rest[1:]
    return tuple(names[:MOST_QUERIES])


def is_dmarc(text: str) -> bool:
    """The first tag is `v`, its value exactly `DMARC1`, in this case and without blanks inside."""
    found = _VERSION.match(text)
    return found is not None and found.group(1) == "DMARC1"


def parse_dmarc(text: str) -> dict[str, str]:
    """Known and unknown tags in lower case; the first of duplicates counts."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        tag, equals, value = part.partition("=")
        if equals:
            tags.setdefault(tag.strip(" \t").lower(), value.strip(" \t"))
    return tags


def dmarc_records(answer: Answer) -> list[str]:
    """Those of an answer's texts that are DMARC records; more than one of them count as none."""
    return [text for text in answer.records if is_dmarc(text)] if isinstance(answer, Found) else []


def organisation(domain: str, found: Mapping[str, str]) -> str | None:
    """The name above `domain` whose record rules it; `found`: name to record, nearest first (RFC 9989 section 4.10).

    psd=n names the organisational domain; below psd=y the next label is it, and without a record of its own the
    public suffix rules; else the record with the fewest labels counts."""
    last = None
    for name, record in found.items():
        match _psd(record):
            case "n":
                return name
            case "y":
                below = _one_below(domain, name)
                return below if below in found else name
            case _:
                last = name
    return last


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk found: `records`, name to its one record, nearest first and no further than psd=y or psd=n; `trouble`: the
    first name without an answer before that end, and the answer."""

    records: Mapping[str, str]
    trouble: tuple[str, Unknown] | None


def ask_walk(lookup: Lookup, names: tuple[str, ...]) -> Walked:
    """Asks all names at once (one round instead of eight), and reads the answers in their order up to the stop."""
    answers = [(name, lookup.ask(f"_dmarc.{name}", "TXT")) for name in names]
    records: dict[str, str] = {}
    trouble: tuple[str, Unknown] | None = None
    for name, answer in answers:
        if isinstance(answer, Unknown):
            trouble = trouble or (name, answer)
        elif len(texts := dmarc_records(answer)) == 1:
            records[name] = texts[0]
            if _psd(texts[0]) in ("y", "n"):
                break
    return Walked(records, trouble)


def organisational_domain(lookup: Lookup, domain: str) -> str | Unknown:
    """The domain that relaxed alignment compares (RFC 9989 section 4.10.2); without any record the domain itself."""
    walked = ask_walk(lookup, walk(domain))
    if walked.trouble is not None:
        return walked.trouble[1]
    last = domain
    for name, record in walked.records.items():
        match _psd(record):
            case "n":
                return name
            case "y" if name != domain:
                return _one_below(domain, name)
            case _:
                last = name
    return last


def listed_organisation(domain: str) -> str:
    """The organisational domain by the public suffix list (RFC 7489 section 3.2); of a public suffix the suffix itself."""
    return _suffixes().privatesuffix(domain) or domain


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _psd(record: str) -> str:
    return parse_dmarc(record).get("psd", "u").lower()


def _one_below(domain: str, name: str) -> str:
    return ".".join(domain.split(".")[-(name.count(".") + 2) :])
