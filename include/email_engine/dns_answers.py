"""DNS questions and the three kinds of answer: found, not found, unknown.

Unknown is never "not found": a timeout or SERVFAIL says nothing about the record. Keys that sit inside query names
(Spamhaus DQS, Abusix) are cut out of everything that is shown; use `redact` for text that holds a name."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

_KEYED = re.compile(
    r"[a-z0-9-]{6,63}(?=\.(?:(?:zen|sbl|xbl|pbl|dbl|zrd|authbl)\.dq\.spamhaus\.net|[a-z0-9-]+\.mail\.abusix\.zone))",
    re.IGNORECASE,
)


def redact(text: str, *keys: str) -> str:
    """`text` without query keys: those of known keyed zones by their place, and every one of `keys` anywhere."""
    for key in keys:
        if key:
            text = re.sub(re.escape(key), "<key>", text, flags=re.IGNORECASE)
    return _KEYED.sub("<key>", text)


class Absence(StrEnum):
    """NXDOMAIN: the name does not exist; NODATA: it exists, without a record of this type."""

    NXDOMAIN = "nxdomain"
    NODATA = "nodata"


class Trouble(StrEnum):
    """Why there is no answer."""

    TIMEOUT = "timeout"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"
    BAD_NAME = "bad name"
    LAME = "the resolver does not recurse"


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """One name and record type; `name` is lower case, fully qualified, without the closing dot."""

    name: str
    rdtype: str = "A"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name.rstrip(".").lower())

    def __repr__(self) -> str:
        return f"Question({redact(self.name)} {self.rdtype})"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Found:
    """All records of the answer as text: A and AAAA the address, PTR and CNAME the name without closing dot,
    TXT its strings joined, MX `preference exchange`. `ttl` in seconds."""

    records: tuple[str, ...]
    ttl: int = 0


@dataclass(frozen=True, slots=True)
class NotFound:
    absence: Absence = Absence.NXDOMAIN


@dataclass(frozen=True, slots=True)
class Unknown:
    """`reason` is a `Trouble` or other short text without names."""

    reason: str


Answer = Found | NotFound | Unknown
Answers = Mapping[Question, Answer]
ResolveMany = Callable[[Iterable[Question]], dict[Question, Answer]]
"""The port that `email_engine.adapters.dns_resolver.Resolver.resolve_many` fills."""
