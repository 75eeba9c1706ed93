"""Reads the block lists that are watched (include/config/blocklists.yaml); every mistake is told at once, with its line."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import NamedTuple

from email_engine import paths
from email_engine.blocklists.model import (
    BlockList,
    Code,
    Limits,
    ListClass,
    Lists,
    ListStatus,
    Probe,
    Severity,
)
from email_engine.fleet import names
from email_engine.fleet.config_file import parse_config, read_text
from email_engine.fleet.document import Section
from email_engine.plural import excerpt

VARIABLE = "EMAIL_ENGINE_BLOCKLISTS"
CONFIRM_AFTER = 60
"""Seconds before a new listing is asked for a second time, where the file does not say."""
LONGEST_WAIT = 600
EVERY_HOURS = 4
"""Hours from one sweep to the next, where the file does not say."""
DAY_PARTS = (1, 2, 3, 4, 6, 8, 12, 24)
MOST_HOURS = 24 * 90
MOST_QUESTIONS = 10**9
_ZONE = names.like(
    re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}"),
    "a DNS zone in lower case, such as zen.spamhaus.org",
)
_KEYED_ZONE = names.like(
    re.compile(r"\{key\}\.[^{}\s]+"), "the zone with {key}. in front, such as '{key}.zen.dq.spamhaus.net'"
)
_NAME = names.like(re.compile(r"[a-z0-9][a-z0-9-]{0,39}"), "1-40 of a-z 0-9 -, such as spamhaus-zen")
_LONGEST_TEXT = 1000
_LABELS = names.like(
    re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"),
    "a name below the zone in lower case, such as test or 2.0.0.127",
)
_SOME_CODES = "return codes, or a default for every code, or bits"
_BITS = {str(1 << n): 1 << n for n in range(8)}
_CODE = ("sublist", "class", "severity", "severe")
_LIST = (
    "name", "title", "zone", "lists", "status", "codes", "bits", "default", "probe", "ipv6", "key", "keyed_zone", "key_required",
    "limits", "expires_hours", "message", "delisting",
)  # fmt: skip


def blocklists_path() -> Path:
    """The file in force: `EMAIL_ENGINE_BLOCKLISTS`, or the one that the project ships."""
    return Path(os.environ.get(VARIABLE) or paths.CONFIG / "blocklists.yaml")


def policy_digest(text: str) -> str:
    """Twelve hex digits that name this version of the file in decision rows."""
    return sha256(text.encode()).hexdigest()[:12]


def parse_blocklists(text: str, source: str = "blocklists.yaml") -> tuple[BlockList, ...]:
    """YAML text to lists, in file order, retired ones included. Raises FileInvalid that lists every mistake."""
    return _parsed(text, source).lists


def load_blocklists(path: Path | None = None) -> tuple[tuple[BlockList, ...], str]:
    """The lists of `path` (default: the file in force) and the digest of their text; raises InputError where it cannot be
    read, FileInvalid with every mistake in it."""
    path = path or blocklists_path()
    text = _read(path)
    return parse_blocklists(text, path.name), policy_digest(text)


def load_confirm_after(path: Path | None = None) -> timedelta:
    """How long to wait before a new listing is asked for again: `confirm_after`, whole seconds, of the file in force.

    Raises as `load_blocklists` does."""
    path = path or blocklists_path()
    return _parsed(_read(path), path.name).confirm_after


def load_every_hours(path: Path | None = None) -> int:
    """Hours from one sweep to the next, a part of a day: `every_hours` of the file in force. Raises as `load_blocklists` does."""
    path = path or blocklists_path()
    return _parsed(_read(path), path.name).every_hours


def _read(path: Path) -> str:
    return read_text(path, "YAML file of block lists", VARIABLE)


class _File(NamedTuple):
    lists: tuple[BlockList, ...]
    confirm_after: timedelta
    every_hours: int


@lru_cache(maxsize=8)
def _parsed(text: str, source: str) -> _File:
    """A pipeline reads the file for each tenant, and it is the same text each time."""
    return parse_config(text, source, _file)


def _file(top: Section) -> _File:
    top.only("confirm_after", "every_hours", "lists", "retired_zones")
    wait = timedelta(seconds=top.number("confirm_after", 0, LONGEST_WAIT, CONFIRM_AFTER))
    hours = top.number("every_hours", 1, 24, EVERY_HOURS)
    if hours not in DAY_PARTS:
        top.add("every_hours", str(hours), f"a part of a day: {', '.join(map(str, DAY_PARTS))}")
    retired = top.part("retired_zones", needed=False)
    for zone in retired.given():
        if wrong := _ZONE(zone):
            retired.add(zone, excerpt(zone), wrong)
    dead = {zone: retired.text(zone, _sentence) for zone in retired.given()}
    found: list[BlockList] = []
    for section in top.sections("lists"):
        blocklist = _list(section, dead)
        section.once("name", blocklist.name, [known.name for known in found])
        section.once("zone", blocklist.zone, [known.zone for known in found])
        found.append(blocklist)
    return _File(tuple(found), wait, hours)


def _list(section: Section, dead: Mapping[str, str]) -> BlockList:
    section.only(*_LIST)
    name = section.text("name", _NAME)
    delisting = section.part("delisting", "url", "text", needed=False)
    blocklist = BlockList(
        name=name,
        title=section.text("title", _sentence, name),
        zone=section.text("zone", _ZONE),
        status=section.choice("status", ListStatus, ListStatus.ACTIVE) or ListStatus.ACTIVE,
        lists=section.choice("lists", Lists, Lists.IPS) or Lists.IPS,
        codes=_codes(section),
        bits=_bits(section),
        default=_code(section.part("default", *_CODE)) if section.has("default") else None,
        probe=_probe(section),
        ipv6=section.truth("ipv6", False),
        key=section.text("key", names.words, "") or None,
        keyed_zone=section.text("keyed_zone", _KEYED_ZONE, ""),
        key_required=section.truth("key_required", False),
        limits=_limits(section.part("limits", "a_second", "a_day", needed=False)),
        expires=_expires(section),
        message=section.text("message", _sentence, ""),
        delisting_url=delisting.text("url", _sentence, ""),
        delisting=delisting.text("text", _sentence, ""),
    )
    _check_whole(section, blocklist, dead)
    return blocklist


def _check_whole(section: Section, blocklist: BlockList, dead: Mapping[str, str]) -> None:
    if blocklist.status is ListStatus.RETIRED:
        section.needs("message", "what people are told of a retired list")
        return
    if section.has("bits"):
        for other in ("codes", "default"):
            if section.has(other):
                section.add(other, "beside bits", "bits alone, or codes and a default")
    elif not section.has("default"):
        section.needs("codes", _SOME_CODES)
    if blocklist.lists is Lists.DOMAINS and blocklist.ipv6:
        section.add("ipv6", "true", "false: a list of domains is asked about names")
    if section.has("key"):
        section.needs("keyed_zone", _KEYED_ZONE("") or "")
    elif section.has("keyed_zone") or blocklist.key_required:
        section.needs("key", "the name of the secret for keyed_zone and key_required")
    for zone, message in dead.items():
        if blocklist.zone == zone or blocklist.zone.endswith("." + zone):
            section.add(
                "zone", f"{blocklist.zone} is dead: {message}", "a zone that is asked no more only as retired"
            )


def _codes(section: Section) -> dict[IPv4Address, Code]:
    found: dict[IPv4Address, Code] = {}
    codes = section.section("codes")
    if codes is None:
        return found
    if not codes.given():
        section.add("codes", "an empty mapping", _SOME_CODES)
    for text in codes.given():
        if wrong := _return_code(text):
            codes.add(text, excerpt(text), wrong)
        row = _code(codes.part(text, *_CODE))
        found[IPv4Address("127.0.0.2" if wrong else text)] = row
    return found


def _bits(section: Section) -> dict[int, Code]:
    bits = section.section("bits")
    if bits is None:
        return {}
    found: dict[int, Code] = {}
    for text in bits.given():
        if text not in _BITS:
            bits.add(text, excerpt(text), f"one of {', '.join(_BITS)}")
        found[_BITS.get(text, 0)] = _code(bits.part(text, *_CODE))
    return found


def _limits(section: Section) -> Limits:
    a_second, a_day = (
        section.number(key, 1, MOST_QUESTIONS) or None if section.has(key) else None
        for key in ("a_second", "a_day")
    )
    return Limits(a_second, a_day)


def _expires(section: Section) -> timedelta | None:
    hours = section.number("expires_hours", 1, MOST_HOURS, 0) if section.has("expires_hours") else 0
    return timedelta(hours=hours) if hours else None


def _code(section: Section) -> Code:
    return Code(
        section.text("sublist", _sentence, ""),
        section.choice("class", ListClass) or ListClass.ERROR,
        section.choice("severity", Severity, Severity.INFO) or Severity.INFO,
        section.truth("severe", False),
    )


def _probe(section: Section) -> Probe:
    if section.raw("probe") == "none":
        return Probe(has_test_point=False)
    if section.raw("probe"):
        section.add(
            "probe", excerpt(section.raw("probe")), "none, or a mapping with listed, present and absent"
        )
        return Probe()
    own = section.part("probe", "listed", "present", "absent", needed=False)
    listed = own.texts("listed", _return_code)
    return Probe(
        True, frozenset(map(IPv4Address, listed)), own.texts("present", _LABELS), own.texts("absent", _LABELS)
    )


def _return_code(text: str) -> str | None:
    try:
        address = IPv4Address(text)
        good = address.is_loopback and address != IPv4Address("127.0.0.1")
    except AddressValueError:
        good = False
    return None if good else "a return code, 127.0.0.2 to 127.255.255.255"


def _sentence(text: str) -> str | None:
    """Free text for people."""
    good = 0 < len(text) <= _LONGEST_TEXT and text.replace("\n", " ").isprintable()
    return None if good else f"1-{_LONGEST_TEXT} printable characters"
