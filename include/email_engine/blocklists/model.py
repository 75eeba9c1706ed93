"""What a block list is, and the three answers it can give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Address


class ListClass(StrEnum):
    """What a return code says: only `reputation` may park an IP; `policy` and `info` are shown; `error` is the list
    talking about our question, never about the IP."""

    REPUTATION = "reputation"
    POLICY = "policy"
    INFO = "info"
    ERROR = "error"


class Severity(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


CLASS_ORDER = (ListClass.INFO, ListClass.POLICY, ListClass.REPUTATION)
SEVERITY_ORDER = (Severity.INFO, Severity.LOW, Severity.MEDIUM, Severity.HIGH)


class ListStatus(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"


class Lists(StrEnum):
    """What a list lists. Domain lists speak of content: they hold and ask a person, and never park an IP."""

    IPS = "ips"
    DOMAINS = "domains"


@dataclass(frozen=True, slots=True)
class Code:
    """One row of a list's code table. `severe`: one such listing alone opens the pool's breaker."""

    sublist: str
    list_class: ListClass
    severity: Severity
    severe: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """RFC 5782 section 5 for this list. `present`: names below the zone one of which must be listed, and with `listed` among its
    codes; `absent`: names that must not be. Both empty: the test points of the RFC. `has_test_point` False: the list publishes none,
    so its silence proves nothing."""

    has_test_point: bool = True
    listed: frozenset[IPv4Address] = frozenset()
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Questions that a list's operator allows; None: not known."""

    a_second: int | None = None
    a_day: int | None = None


@dataclass(frozen=True, slots=True)
class BlockList:
    """One list. `zone` names it everywhere and is what is asked, unless the secret `key` is at hand: then
    `keyed_zone` with the key in place of `{key}` is asked instead.

    `default` is the verdict for codes that the table lacks; without it an unknown code is unknown. `bits`: the last octet of a code is
    a sum of these (SURBL, URIBL), and `codes` is empty. `expires`: a listing falls by itself so long after the last report; None: a
    person has to ask."""

    name: str
    title: str
    zone: str
    status: ListStatus = ListStatus.ACTIVE
    lists: Lists = Lists.IPS
    codes: Mapping[IPv4Address, Code] = field(default_factory=dict)
    bits: Mapping[int, Code] = field(default_factory=dict)
    default: Code | None = None
    probe: Probe = Probe()
    ipv6: bool = False
    key: str | None = None
    keyed_zone: str = ""
    key_required: bool = False
    limits: Limits = Limits()
    expires: timedelta | None = None
    message: str = ""
    delisting_url: str = ""
    delisting: str = ""

    def zone_to_ask(self, keys: Mapping[str, str]) -> str | None:
        """The zone for queries; a secret when it holds a key. None: the list cannot be asked without its key."""
        if self.key and keys.get(self.key):
            return self.keyed_zone.replace("{key}", keys[self.key])
        return None if self.key_required else self.zone

    def meaning(self, code: IPv4Address) -> tuple[Code, ...]:
        """What one return code says; empty: this list is not known to give it. Bits that have no row are left out."""
        if self.bits:
            octet = int(code) & 0xFF
            plain = code.packed[:3] == b"\x7f\x00\x00"
            return tuple(row for bit, row in self.bits.items() if octet & bit) if plain else ()
        row = self.codes.get(code, self.default)
        return () if row is None else (row,)


@dataclass(frozen=True, slots=True)
class Listed:
    """`codes` in order as text, those that the list's table lacks too; `list_class` and `severity` are the gravest of the codes that
    are known, `classes` those of all of them."""

    codes: tuple[str, ...]
    sublists: tuple[str, ...]
    list_class: ListClass
    severity: Severity
    severe: bool = False
    classes: tuple[ListClass, ...] = ()


@dataclass(frozen=True, slots=True)
class NotListed:
    pass


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Neither quarantines nor releases. `fault`: the list itself refuses us; ask it nothing more in this sweep."""

    reason: str
    fault: bool = False


ListVerdict = Listed | NotListed | NotKnown


@dataclass(frozen=True, slots=True)
class Health:
    """What the probe of one list showed; `reason` is empty when healthy. `ipv6`: its IPv6 test points passed too, so
    that it may be asked about IPv6 addresses."""

    list_name: str
    healthy: bool
    reason: str = ""
    ipv6: bool = False
