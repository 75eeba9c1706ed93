"""What only a person knows about a fleet that sends already: names, purpose, consent, risk class, addresses behind NAT."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.model import IpAddress, RiskClass
from email_engine.fleet.ranges import LARGEST_RANGE, count_from, parse_address, parse_bind_address
from email_engine.plural import excerpt

EVERY = ""
"""Stands for all streams."""
ByStream = Mapping[str, str]
_SPAN = re.compile(r"(.*?)(\d+)-(\d+)")
_PAIR = "STREAM=VALUE; STREAM=VALUE, or one value for all streams"


@dataclass(frozen=True, slots=True)
class Answers:
    """By stream (`tenant/stream` or `stream`; EVERY for all). `stream`: the name of a stream whose IPs are in no pool. `public`: public
    address by host ("" for any) and the address that the host binds."""

    purpose: ByStream = field(default_factory=dict)
    consent: ByStream = field(default_factory=dict)
    risk_class: ByStream = field(default_factory=dict)
    schedule: ByStream = field(default_factory=dict)
    stream: str = ""
    public: Mapping[tuple[str, IpAddress], IpAddress] = field(default_factory=dict)

    def of(self, key: str, tenant: str, stream: str) -> str | None:
        """What was said for a stream, None if nothing was."""
        said: ByStream = getattr(self, key)
        return next((said[name] for name in (f"{tenant}/{stream}", stream, EVERY) if name in said), None)

    def public_of(self, host: str, bound: IpAddress) -> IpAddress | None:
        """The public address for one that a host binds."""
        return self.public.get((host, bound)) or self.public.get(("", bound))

    def strangers(
        self, streams: Collection[str], bound: Collection[tuple[str, IpAddress]]
    ) -> Iterator[tuple[str, str]]:
        """Answers that nothing asked, and what they name. `streams`: those of the draft, as `tenant/stream` and `stream`; `bound`: by host,
        the addresses that are behind NAT."""
        for key in ("purpose", "consent", "risk_class", "schedule"):
            said: ByStream = getattr(self, key)
            yield from ((key, f"stream {name}") for name in said if name != EVERY and name not in streams)
        everywhere = {address for _, address in bound}
        for host, address in self.public:
            if address not in everywhere if not host else (host, address) not in bound:
                yield "public", f"{host}/{address}" if host else str(address)


def read_answers(given: Mapping[str, str | None], schedules: frozenset[str]) -> Answers:
    """`given`: texts by the names of the form. Raises InputError that lists every mistake."""
    mistakes: list[str] = []

    def risk(text: str) -> str | None:
        return None if text in {*RiskClass} else "protected or standard"

    def schedule(text: str) -> str | None:
        return None if text in schedules else f"one of {', '.join(sorted(schedules))}"

    by_stream = {
        key: _by_stream(key, given.get(key), check, mistakes)
        for key, check in (("purpose", names.words), ("consent", names.words), ("risk_class", risk), ("schedule", schedule))
    }  # fmt: skip
    stream = (given.get("stream") or "").strip()
    if stream and (allowed := names.name(stream)):
        mistakes.append(f"stream {excerpt(stream)}; allowed: {allowed}")
    public = _public(given.get("public"), mistakes)
    if mistakes:
        raise InputError(
            "fleet adopt",
            "; ".join(mistakes),
            "answers as the form describes them",
            "correct them; nothing was written",
        )
    return Answers(**by_stream, stream=stream, public=public)


def _by_stream(
    key: str, text: str | None, check: Callable[[str], str | None], mistakes: list[str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    parts = [part.strip() for part in (text or "").split(";") if part.strip()]
    for part in parts:
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            name, value = EVERY, name
        if name in found or (not equals and len(parts) > 1):
            mistakes.append(f"{key} {excerpt(part)}; allowed: {_PAIR}")
        elif allowed := check(value):
            mistakes.append(f"{key} {excerpt(value)}; allowed: {allowed}")
        else:
            found[name] = value
    return found


def _public(text: str | None, mistakes: list[str]) -> dict[tuple[str, IpAddress], IpAddress]:
    """`10.0.0.5=198.51.100.5, mta-2/10.0.0.5-9=203.0.113.5`: what a host binds, and what receivers see; lines or commas part them."""
    found: dict[tuple[str, IpAddress], IpAddress] = {}
    for part in re.split(r"[,;\n]", text or ""):
        line = part.partition("#")[0].strip()
        if not line:
            continue
        left, _, right = (word.strip() for word in line.partition("="))
        host, slash, bound = left.rpartition("/")
        try:
            some = _span(bound if slash else left)
            public = count_from(right, len(some)) if len(some) > 1 else (parse_address(right),)
        except ValueError as error:
            mistakes.append(
                f"public {excerpt(line)}: {error}; allowed: 10.0.0.5=198.51.100.5, or 10.0.0.5-9=198.51.100.5"
            )
            continue
        found |= {(host.strip(), one): other for one, other in zip(some, public, strict=True)}
    return found


def _span(text: str) -> tuple[IpAddress, ...]:
    span = _SPAN.fullmatch(text)
    if span is None:
        return (parse_bind_address(text),)
    first, last = int(span[2]), int(span[3])
    if not first <= last < first + LARGEST_RANGE:
        raise ValueError(f"{excerpt(text)} runs backwards or too far")
    return count_from(f"{span[1]}{first}", last - first + 1, parse_bind_address)
