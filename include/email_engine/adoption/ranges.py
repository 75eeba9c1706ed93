"""Single IPs to ranges, where addresses follow each other and names follow a number."""

import re
from collections.abc import Iterable, Iterator

from email_engine.adoption.draft import Blank, Run, Sender, Text
from email_engine.fleet import names
from email_engine.fleet.model import IpAddress
from email_engine.fleet.ranges import LARGEST_NUMBER, LARGEST_RANGE

SHORTEST = 3
MOST_PREFIXES = 12
_LAST_NUMBER = re.compile(r"(.*?)(0|[1-9]\d{0,5})(\D*)")


def compress(senders: Iterable[Sender]) -> Iterator[Run | Sender]:
    """By address; fewer than three alike stay single, and so do those whose public address is a blank."""
    waiting = sorted(senders, key=lambda s: (s.local_address.version, int(s.local_address)))
    at = 0
    while at < len(waiting):
        run = _run(waiting, at)
        yield run or waiting[at]
        at += len(run.senders) if run else 1


def numbered(name: str) -> tuple[str, int, str] | None:
    """A name round its last number, None without one; zeros before the number belong to what stands before it."""
    found = _LAST_NUMBER.fullmatch(name)
    if not found or found[1][-1:] in set("123456789"):
        return None
    return found[1], int(found[2]), found[3]


def _run(waiting: list[Sender], at: int) -> Run | None:
    first = waiting[at]
    parts = numbered(first.vmta) if isinstance(first.vmta, str) else None
    if parts is None or isinstance(first.address, Blank) or _steps_over(first.address):
        return None
    before, number, after = parts
    vmta = f"{before}{{n}}{after}"
    few = waiting[at : at + _follow(waiting, at, vmta, number, SHORTEST)]
    patterns = [
        (hostname, domain, turning, path)
        for hostname in _patterns(first.hostname, number)
        for domain, turning in _domains(first.domain, number)
        for path in _paths(first, number)
        if _longest(few, number, vmta, hostname, domain, turning, path)
    ]
    if not patterns:
        return None
    block = waiting[at : at + _follow(waiting, at, vmta, number, LARGEST_RANGE)]
    runs = [run for one in patterns if (run := _longest(block, number, vmta, *one))]
    return max(runs, key=lambda run: len(run.senders), default=None)


def _steps_over(address: IpAddress) -> bool:
    return address.version == 4 and address.packed[3] in (0, 255)


def _next(address: IpAddress) -> IpAddress:
    address += 1
    while _steps_over(address):
        address += 1
    return address


def _follow(waiting: list[Sender], at: int, vmta: str, number: int, most: int) -> int:
    """How many senders from `at` on, at most `most`, have the next address, the next name, and the same selector and target."""
    first = waiting[at]
    count, address = 0, first.local_address
    for sender in waiting[at : at + most]:
        alike = (sender.selector, sender.target) == (first.selector, first.target)
        n = number + count
        if (
            not alike
            or sender.address != address
            or n > LARGEST_NUMBER
            or sender.vmta != names.fill(vmta, n=n)
        ):
            break
        count, address = count + 1, _next(address)
    return count


def _patterns(text: Text, number: int) -> list[Text]:
    """The text with its number as {n}, wherever it stands."""
    if isinstance(text, Blank):
        return [text]
    places = re.finditer(rf"(?<![1-9]){number}(?!\d)", text)
    return [f"{text[: m.start()]}{{n}}{text[m.end() :]}" for m in places]


def _domains(text: Text, number: int) -> list[tuple[Text, bool]]:
    """Patterns of a domain; True: what stands before the number is a prefix that may turn."""
    found: list[tuple[Text, bool]] = [(pattern, False) for pattern in _patterns(text, number)]
    turning = re.fullmatch(rf"([a-z][a-z-]*){number}(?!\d)(.*)", text) if isinstance(text, str) else None
    if turning:
        found.append((f"{{prefix}}{{n}}{turning[2]}", True))
    return found


def _paths(first: Sender, number: int) -> list[Text]:
    path = first.key_path
    if isinstance(path, Blank):
        return [path]
    found: list[Text] = []
    for name, value in (("domain", first.domain), ("hostname", first.hostname)):
        if isinstance(value, str) and value in path:
            found.append(path.replace(value, f"{{{name}}}", 1))
    return [*found, *_patterns(path, number), path]


def _longest(
    block: list[Sender], number: int, vmta: str, hostname: Text, domain: Text, turning: bool, path: Text
) -> Run | None:
    prefixes: list[str] = []
    count = 0
    for n, sender in enumerate(block, number):
        if not _is(sender.hostname, hostname, n=n):
            break
        prefix = ""
        if turning and isinstance(sender.domain, str):
            found = re.match(rf"[a-z][a-z-]*(?={n}(?!\d))", sender.domain)
            prefix = found[0] if found and names.selector(found[0]) is None else ""
        if (turning and not prefix) or not _is(sender.domain, domain, n=n, prefix=prefix):
            break
        if not _is(sender.key_path, path, n=n, domain=sender.domain, hostname=sender.hostname):
            break
        prefixes.append(prefix)
        count += 1
    turn = _turn(prefixes) if turning else []
    if count < SHORTEST or (turning and not turn):
        return None
    return Run(tuple(block[:count]), number, vmta, hostname, domain, path, tuple(turn))


def _is(value: Text, pattern: Text, **filled: object) -> bool:
    if isinstance(value, Blank) or isinstance(pattern, Blank):
        return value == pattern
    return value == names.fill(pattern, **filled)


def _turn(prefixes: list[str]) -> list[str]:
    """The shortest list that, turned round, gives these prefixes; [] if none is short."""
    for length in range(1, min(MOST_PREFIXES, len(prefixes)) + 1):
        if all(prefix == prefixes[i % length] for i, prefix in enumerate(prefixes)):
            return prefixes[:length]
    return []
