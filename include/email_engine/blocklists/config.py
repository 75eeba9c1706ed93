"""Reads the block lists that are watched (include/config/blocklists.yaml); every mistake is reported at once."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any, TypeVar

import yaml

from email_engine import paths
from email_engine.blocklists.model import BlockList, Code, ListClass, ListStatus, Probe, Severity
from email_engine.errors import InputError

_ZONE = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_FIELDS = {
    "name", "title", "zone", "status", "codes", "default", "probe", "ipv6", "key", "keyed_zone", "key_required",
    "message", "delisting",
}  # fmt: skip
E_ = TypeVar("E_", bound=StrEnum)
CONFIRM_AFTER = timedelta(seconds=60)
"""How long a new listing is waited for before it is asked for a second time, where the file does not say."""
LONGEST_WAIT = timedelta(seconds=600)


def blocklists_path() -> Path:
    """The file in force: `EMAIL_ENGINE_BLOCKLISTS`, or the one that the project ships."""
    return Path(os.environ.get("EMAIL_ENGINE_BLOCKLISTS") or paths.CONFIG / "blocklists.yaml")


def policy_digest(text: str) -> str:
    """Twelve hex digits that name this version of the file in decision rows."""
    return sha256(text.encode()).hexdigest()[:12]


def parse_blocklists(text: str, source: str = "blocklists.yaml") -> tuple[BlockList, ...]:
    """YAML text to lists, in file order, retired ones included.

    Raises:
        InputError: naming every mistake with the list it is in.
    """
    document, mistakes = _document(text, source), list[str]()
    _confirm_after(document, mistakes)
    dead = _retired_zones(document.get("retired_zones") or {}, mistakes)
    lists = [_List(f"lists[{n}]", entry, mistakes, dead).parse() for n, entry in enumerate(document["lists"])]
    names, zones = [x.name for x in lists], [x.zone for x in lists]
    mistakes += [f"name {x!r} twice" for x in sorted({x for x in names if names.count(x) > 1})]
    mistakes += [f"zone {x!r} twice" for x in sorted({x for x in zones if zones.count(x) > 1})]
    if mistakes:
        raise _wrong(source, mistakes)
    return tuple(lists)


def load_blocklists(path: Path | None = None) -> tuple[tuple[BlockList, ...], str]:
    """The lists of `path` (default: the file in force) and the digest of their text."""
    path = path or blocklists_path()
    text = _read(path)
    return parse_blocklists(text, str(path)), policy_digest(text)


def load_confirm_after(path: Path | None = None) -> timedelta:
    """How long to wait before a new listing is asked for again: `confirm_after`, whole seconds, of the file in force.

    Raises InputError as `load_blocklists` does."""
    path, mistakes = path or blocklists_path(), list[str]()
    wait = _confirm_after(_document(_read(path), str(path)), mistakes)
    if mistakes:
        raise _wrong(str(path), mistakes)
    return wait


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise InputError(
            str(path),
            f"cannot be read: {type(failure).__name__}",
            "a YAML file of block lists",
            "correct EMAIL_ENGINE_BLOCKLISTS or the file",
        ) from failure


def _document(text: str, source: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as failure:
        where = getattr(failure, "problem_mark", None)
        place = f"line {where.line + 1}" if where else "unreadable"
        raise _wrong(source, [f"{place}: not YAML"]) from failure
    if not isinstance(document, dict) or not isinstance(document.get("lists"), list):
        raise _wrong(source, ["no `lists:` at the top"])
    return document


def _confirm_after(document: Mapping[str, Any], mistakes: list[str]) -> timedelta:
    given = document.get("confirm_after", int(CONFIRM_AFTER.total_seconds()))
    longest = int(LONGEST_WAIT.total_seconds())
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= longest:
        mistakes.append(
            f"confirm_after {str(given)[:40]!r} is no whole number of seconds from 0 to {longest}"
        )
        return CONFIRM_AFTER
    return timedelta(seconds=given)


def _wrong(source: str, mistakes: list[str]) -> InputError:
    return InputError(
        source,
        "; ".join(mistakes),
        "a list of zones as in include/config/blocklists.yaml",
        "correct the file; nothing was asked",
    )


def _retired_zones(entries: Any, mistakes: list[str]) -> dict[str, str]:
    if not isinstance(entries, dict):
        mistakes.append("retired_zones: a mapping of zone to message wanted")
        return {}
    return {str(zone): str(message) for zone, message in entries.items()}


class _List:
    """One entry under `lists`; collects mistakes and always yields a value, so that all are found in one pass."""

    def __init__(self, place: str, entry: Any, mistakes: list[str], dead: Mapping[str, str]) -> None:
        self.entry: dict[str, Any] = entry if isinstance(entry, dict) else {}
        self.place = f"{place} {self.entry['name']}" if "name" in self.entry else place
        self.mistakes = mistakes
        self.dead = dead
        if not isinstance(entry, dict):
            self.wrong("a mapping wanted")

    def wrong(self, what: str) -> None:
        self.mistakes.append(f"{self.place}: {what}")

    def parse(self) -> BlockList:
        for field in sorted(set(self.entry) - _FIELDS):
            self.wrong(f"unknown field {field!r}")
        status = self.choice(ListStatus, self.entry.get("status", "active"), "status")
        delisting = self.mapping("delisting")
        blocklist = BlockList(
            name=self.matching("name", _NAME),
            title=str(self.entry.get("title") or self.entry.get("name", "")),
            zone=self.matching("zone", _ZONE),
            status=status,
            codes=self.codes(),
            default=self.code("default", self.entry["default"]) if "default" in self.entry else None,
            probe=self.probe(),
            ipv6=self.flag("ipv6"),
            key=self.entry.get("key"),
            keyed_zone=str(self.entry.get("keyed_zone", "")),
            key_required=self.flag("key_required"),
            message=str(self.entry.get("message", "")),
            delisting_url=str(delisting.get("url", "")),
            delisting=str(delisting.get("text", "")),
        )
        self.whole(blocklist)
        return blocklist

    def whole(self, x: BlockList) -> None:
        if x.status is ListStatus.RETIRED:
            if not x.message:
                self.wrong("a retired list needs a message")
            return
        if not x.codes and x.default is None:
            self.wrong("neither codes nor default")
        if x.key is not None and (x.keyed_zone.count("{key}") != 1 or not x.keyed_zone.startswith("{key}.")):
            self.wrong("keyed_zone must begin with {key}.")
        if x.key is None and (x.keyed_zone or x.key_required):
            self.wrong("keyed_zone or key_required without key")
        for zone, message in self.dead.items():
            if x.zone == zone or x.zone.endswith("." + zone):
                self.wrong(f"zone {x.zone} is dead: {message}")

    def matching(self, field: str, pattern: re.Pattern[str]) -> str:
        value = self.entry.get(field)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.wrong(f"{field} {value!r}")
            return ""
        return value

    def flag(self, field: str) -> bool:
        value = self.entry.get(field, False)
        if not isinstance(value, bool):
            self.wrong(f"{field} {value!r} is not true or false")
        return value is True

    def mapping(self, field: str) -> dict[str, Any]:
        value = self.entry.get(field) or {}
        if not isinstance(value, dict):
            self.wrong(f"{field}: a mapping wanted")
            return {}
        return value

    def choice(self, kind: type[E_], value: Any, what: str) -> E_:
        try:
            return kind(value)
        except ValueError:
            self.wrong(f"{what} {value!r} is none of {', '.join(kind)}")
            return next(iter(kind))

    def address(self, value: Any, what: str) -> IPv4Address:
        try:
            address = IPv4Address(str(value))
        except AddressValueError:
            self.wrong(f"{what} {value!r} is no address")
            return IPv4Address("127.0.0.2")
        if not address.is_loopback or address == IPv4Address("127.0.0.1"):
            self.wrong(f"{what} {address} can be no return code")
        return address

    def codes(self) -> dict[IPv4Address, Code]:
        return {self.address(k, "code"): self.code(f"code {k}", v) for k, v in self.mapping("codes").items()}

    def code(self, what: str, value: Any) -> Code:
        if not isinstance(value, dict) or set(value) - {"sublist", "class", "severity", "severe"}:
            self.wrong(f"{what}: sublist, class, severity (and severe) wanted")
            return Code("", ListClass.ERROR, Severity.INFO)
        list_class = self.choice(ListClass, value.get("class"), f"{what} class")
        severity = self.choice(Severity, value.get("severity", "info"), f"{what} severity")
        return Code(str(value.get("sublist", "")), list_class, severity, bool(value.get("severe", False)))

    def probe(self) -> Probe:
        value = self.entry.get("probe", {})
        if value == "none":
            return Probe(has_test_point=False)
        if not isinstance(value, dict) or set(value) - {"listed"}:
            self.wrong("probe: `none`, or `listed:` with the codes of the test point")
            return Probe()
        return Probe(True, frozenset(self.address(code, "probe code") for code in value.get("listed") or ()))
