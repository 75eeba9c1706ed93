"""One entry of a stream's `ips`: a single IP, or a range that patterns turn into many."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address

from email_engine.fleet import names
from email_engine.fleet.document import Section, plain_number
from email_engine.fleet.key_files import SELECTOR
from email_engine.fleet.mistakes import MistakePlace, one_of
from email_engine.fleet.model import IpAddress, IpState, SendingIp, Stream
from email_engine.fleet.one_each import BEHIND_NAT, one_text, refuse_what_no_ip_has
from email_engine.fleet.ranges import (
    LARGEST_NUMBER,
    LARGEST_RANGE,
    RANGE_FORMS,
    count_from,
    count_range,
    deal_in_blocks,
    parse_address,
    parse_bind_address,
    parse_numbers,
    parse_range,
)
from email_engine.plural import excerpt

INITIAL_STATES = (IpState.STANDBY, IpState.WARMING, IpState.ACTIVE)
HIGHEST_TARGET = 10_000_000
HIGHEST_SERVER_ID = 2_000_000_000
EARLIEST = date(2000, 1, 1)
"""No IP was warmed before: it would be a slip of the pen."""
_COMMON = ("schedule", "daily_target", "dkim", "phase", "hostname", "domain", "vmta", "warmed_on")
_RANGE = (
    "range",
    "first",
    "count",
    "bind_first",
    "number_from",
    "prefixes",
    "hosts",
    "mailwizz_first_server_id",
    "states",
)
_SINGLE = ("address", "bind_address", "host", "mailwizz_server_id", "state")
_NOWHERE = IPv4Address(0)


@dataclass(frozen=True, slots=True)
class Sender:
    """An IP and the place of the entry that it comes from."""

    ip: SendingIp
    place: MistakePlace


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a stream says for all its entries; an entry may say otherwise. `known` holds the schedules."""

    schedule: str
    daily_target: int
    known: frozenset[str]


def read_ramp(section: Section, known: frozenset[str], schedule: str | None, target: int | None) -> Defaults:
    """The keys `schedule` and `daily_target` of a stream or an entry."""
    return Defaults(
        section.text("schedule", lambda given: None if given in known else one_of(known, given), schedule),
        section.number("daily_target", 1, HIGHEST_TARGET, target),
        known,
    )


def size_of(entry: Section) -> int:
    """The IPs that an entry means, counted and not expanded; 0 for one that will be refused."""
    if entry.has("address"):
        return 1
    if entry.has("range"):
        text = entry.raw("range")
        return count_range(text) if len(text) <= names.LONGEST_TEXT else 0
    digits = entry.raw("count")
    count = int(digits) if plain_number(digits) and digits.isdecimal() else 0
    return count if count <= LARGEST_RANGE else 0


def read_entry(entry: Section, stream: Stream, defaults: Defaults) -> tuple[Sender, ...]:
    """The IPs of one entry; what is wrong is noted and left empty, so that all mistakes show at once."""
    return (
        _read_single(entry, stream, defaults)
        if entry.has("address")
        else _read_range(entry, stream, defaults)
    )


def _attempt(
    entry: Section, key: str, allowed: str, parse: Callable[[], tuple[IpAddress, ...]]
) -> tuple[IpAddress, ...]:
    try:
        return parse()
    except ValueError as error:
        entry.add(key, str(error), allowed)
        return ()


def _read_single(entry: Section, stream: Stream, defaults: Defaults) -> tuple[Sender, ...]:
    entry.only(*_SINGLE, *_COMMON, *refuse_what_no_ip_has(entry))
    allowed = f"{BEHIND_NAT} bind_address"
    text = one_text(entry, "address", lambda given: names.words(given) and allowed)
    found = _attempt(entry, "address", allowed, lambda: (parse_address(text),) if text else ())
    domain = one_text(entry, "domain", names.hostname)
    hostname = entry.text("hostname", names.hostname)
    selector, key_path = _dkim(entry)
    ramp = read_ramp(entry, defaults.known, defaults.schedule, defaults.daily_target)
    listed = [state.value for state in INITIAL_STATES]
    state = entry.text("state", lambda given: None if given in listed else one_of(listed, given), "standby")
    ip = SendingIp(
        address=found[0] if found else _NOWHERE,
        hostname=hostname,
        domain=domain,
        tenant=stream.tenant,
        stream=stream.name,
        vmta=entry.text("vmta", names.name),
        pool=stream.pool,
        mta_host=entry.text("host", names.name),
        mailwizz=stream.mailwizz,
        mailwizz_server_id=_server_id(entry, "mailwizz_server_id"),
        dkim_selector=selector,
        dkim_key_path=names.fill(key_path, domain=domain, hostname=hostname, n=1, selector=SELECTOR),
        schedule=ramp.schedule,
        daily_target=ramp.daily_target,
        initial_state=IpState(state or "standby"),
        initial_phase=entry.number("phase", 1, 100, 1) or 1,
        warmed_on=_warmed_on(entry),
        bind_address=next(iter(_bound(entry, "bind_address", found)), None),
    )
    return (Sender(ip, entry.place),)


def _server_id(entry: Section, key: str) -> int | None:
    """None where it is left out: the header x-virtual-mta then tells."""
    return entry.number(key, 1, HIGHEST_SERVER_ID) or None if entry.has(key) else None


def _bound(entry: Section, key: str, addresses: tuple[IpAddress, ...]) -> tuple[IpAddress, ...]:
    """What PowerMTA binds for each of the public addresses, in their order; none where it binds those themselves."""
    text = entry.text(key, names.words, "")
    allowed = "an address that the host itself has, such as 10.0.0.5"
    count = len(addresses) or 1

    def parse() -> tuple[IpAddress, ...]:
        if not text:
            return ()
        return (parse_bind_address(text),) if count == 1 else count_from(text, count, parse_bind_address)

    found = _attempt(entry, key, allowed, parse)
    for bound, address in zip(found, addresses, strict=False):
        if bound.version != address.version:
            entry.add(key, f"{bound} is IPv{bound.version}, {address} is not", f"IPv{address.version}")
            return ()
        if bound == address:
            entry.add(
                key,
                f"{bound} is the public address itself",
                "another one; without it PowerMTA binds the public one",
            )
            return ()
    return found


def _warmed_on(entry: Section) -> date | None:
    text = entry.text("warmed_on", _day, "")
    return date.fromisoformat(text) if text else None


def _day(text: str) -> str | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return "a date such as 2026-05-01"
    return None if str(day) == text and day >= EARLIEST else f"a date such as 2026-05-01, from {EARLIEST} on"


def _dkim(entry: Section) -> tuple[str, str]:
    section = entry.section("dkim")
    if section is None:
        if not entry.has("dkim"):
            entry.add("dkim", "missing", "a mapping with selector and key_path")
        return "", ""
    section.only("selector", "key_path")
    path = names.pattern(names.file_path, "n", "domain", "hostname", "selector")
    return section.text("selector", names.selector), section.text("key_path", path)


def _read_addresses(entry: Section) -> tuple[IpAddress, ...]:
    if entry.has("range"):
        for key in ("first", "count"):
            if entry.has(key):
                entry.add(key, "stands beside range", "either range, or first and count")
        text = entry.text("range", names.words)
        return _attempt(entry, "range", RANGE_FORMS, lambda: parse_range(text) if text else ())
    if not entry.has("first"):
        entry.mistakes.add(
            entry.place, "no address, range or first", f"address: 45.123.10.1, or range: {RANGE_FORMS}"
        )
        return ()
    first, count = entry.text("first", names.words), entry.number("count", 1, LARGEST_RANGE)
    return _attempt(
        entry, "first", f"{BEHIND_NAT} bind_first", lambda: count_from(first, count) if first else ()
    )


def _read_states(entry: Section, numbers: range) -> dict[int, IpState]:
    """The initial state of each number; numbers that are not named stand by."""
    section = entry.section("states")
    states: dict[int, IpState] = {}
    if section is None:
        return states
    section.only(*INITIAL_STATES)
    for state in (known for known in section.given() if known in INITIAL_STATES):
        text = section.text(state, names.words)
        if not text:
            continue
        try:
            named = parse_numbers(text)
        except ValueError as error:
            section.add(state, str(error), "numbers and ranges such as 1-40, 45")
            continue
        if outside := sorted(n for n in named if n not in numbers):
            section.add(state, f"number {outside[0]} is outside", f"{numbers.start}-{numbers.stop - 1}")
        if twice := sorted(named & states.keys()):
            section.add(
                state, f"number {twice[0]} is {states[twice[0]]} already", "one state for each number"
            )
        states.update(dict.fromkeys(named, IpState(state)))
    return states


def _read_range(entry: Section, stream: Stream, defaults: Defaults) -> tuple[Sender, ...]:
    entry.only(*_RANGE, *_COMMON, "address", "bind_address", *refuse_what_no_ip_has(entry))
    addresses = _read_addresses(entry)
    if entry.has("bind_address"):
        entry.add(
            "bind_address",
            "stands in a range",
            "bind_first: what is bound for the first IP; the others follow it",
        )
    bound = _bound(entry, "bind_first", addresses)
    start = entry.number("number_from", 0, LARGEST_NUMBER, 1)
    prefixes = entry.texts("prefixes", names.selector) or ("mail",)
    hostname = entry.text("hostname", names.pattern(names.hostname, "n"))
    domain = entry.text("domain", names.pattern(names.hostname, "n", "prefix"))
    vmta = entry.text("vmta", names.pattern(names.name, "n"))
    hosts = entry.texts("hosts", names.name)
    if not hosts and not entry.has("hosts"):
        entry.add("hosts", "missing", "a list of MTA hosts")
    server_id = _server_id(entry, "mailwizz_first_server_id")
    selector, key_path = _dkim(entry)
    ramp = read_ramp(entry, defaults.known, defaults.schedule, defaults.daily_target)
    phase = entry.number("phase", 1, 100, 1) or 1
    warmed_on = _warmed_on(entry)
    states = _read_states(entry, range(start, start + len(addresses)) if addresses else range(LARGEST_NUMBER))
    on_host = deal_in_blocks(len(addresses), hosts or ("",))
    senders = []
    for index, address in enumerate(addresses):
        n = start + index
        its_domain = names.fill(domain, n=n, prefix=prefixes[index % len(prefixes)])
        its_hostname = names.fill(hostname, n=n)
        ip = SendingIp(
            address=address,
            hostname=its_hostname,
            domain=its_domain,
            tenant=stream.tenant,
            stream=stream.name,
            vmta=names.fill(vmta, n=n),
            pool=stream.pool,
            mta_host=on_host[index],
            mailwizz=stream.mailwizz,
            mailwizz_server_id=server_id + index if server_id else None,
            dkim_selector=selector,
            dkim_key_path=names.fill(
                key_path, n=n, domain=its_domain, hostname=its_hostname, selector=SELECTOR
            ),
            schedule=ramp.schedule,
            daily_target=ramp.daily_target,
            initial_state=states.get(n, IpState.STANDBY),
            initial_phase=phase if states.get(n) is IpState.WARMING else 1,
            warmed_on=warmed_on,
            bind_address=bound[index] if bound else None,
        )
        senders.append(Sender(ip, entry.place))
    _check_filled(entry, senders)
    return tuple(senders)


def _check_filled(entry: Section, senders: list[Sender]) -> None:
    """A pattern can be good and still grow too long with a large number or a long prefix."""
    for key, check, values in (
        ("hostname", names.hostname, [s.ip.hostname for s in senders]),
        ("domain", names.hostname, [s.ip.domain for s in senders]),
        ("vmta", names.name, [s.ip.vmta for s in senders]),
    ):
        bad = next((value for value in values if value and check(value)), None)
        if bad:
            entry.add(key, f"gives {excerpt(bad)}", check(bad) or "")
