"""What a block list is, and the three answers it can give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Code:
    """One row of a list's code table. `severe`: one such listing alone opens the pool's breaker."""

    sublist: str
    list_class: ListClass
    severity: Severity
    severe: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """RFC 5782 section 5 for this list: `listed` holds codes that the test point 127.0.0.2 must show (others may stand
    beside them). `has_test_point` False: the list publishes none, so its silence proves nothing."""

    has_test_point: bool = True
    listed: frozenset[IPv4Address] = frozenset()


@dataclass(frozen=True, slots=True)
class BlockList:
    """One list. `zone` names it everywhere and is what is asked, unless the secret `key` is at hand: then
    `keyed_zone` with the key in place of `{key}` is asked instead.

    `default` is the verdict for codes that the table lacks; without it an unknown code is unknown."""

    name: str
    title: str
    zone: str
    status: ListStatus = ListStatus.ACTIVE
    codes: Mapping[IPv4Address, Code] = field(default_factory=dict)
    default: Code | None = None
    probe: Probe = Probe()
    ipv6: bool = False
    key: str | None = None
    keyed_zone: str = ""
    key_required: bool = False
    message: str = ""
    delisting_url: str = ""
    delisting: str = ""

    def zone_to_ask(self, keys: Mapping[str, str]) -> str | None:
        """The zone for queries; a secret when it holds a key. None: the list cannot be asked without its key."""
        if self.key and keys.get(self.key):
            return self.keyed_zone.replace("{key}", keys[self.key])
        return None if self.key_required else self.zone


@dataclass(frozen=True, slots=True)
class Listed:
    """`codes` in order as text; `list_class` and `severity` are the gravest of the codes."""

    codes: tuple[str, ...]
    sublists: tuple[str, ...]
    list_class: ListClass
    severity: Severity
    severe: bool = False


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
