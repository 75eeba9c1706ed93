"""The types of PowerMTA's values, each with one canonical spelling: `true` is `yes`, `250/hr` is `250/h`, `90m` is
`1h30m`.

Source: the 5.0 user guide on types (section 3.2), as kept in config/powermta/directives.tsv."""

import ipaddress
import re

from email_engine.pmta.language.checks import BadValue, Check, Fault, like, word


def unquoted(text: str) -> str:
    """`"a b"` to `a b`; anything else, `""` too, as it is."""
    inside = text[1:-1].strip()
    return inside if inside and text[0] == text[-1] == '"' and '"' not in inside else text


def _lower(text: str) -> str:
    return text.lower()


boolean = like("yes|no|true|false", "yes or no", lambda t: "yes" if t in ("yes", "true") else "no")
integer = like(r"\d+", "a whole number", lambda t: str(int(t)))


def number(low: int, high: int) -> Check:
    """A whole number within limits."""

    def check(text: str) -> str:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise BadValue(f"a number from {low} to {high}")
        return str(int(text))

    return check


_INTERVAL = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS = (604_800, 86_400, 3_600, 60, 1)


def seconds(text: str) -> int:
    """`1h30m` to 5400; raises BadValue."""
    found = _INTERVAL.fullmatch(text)
    if text != "0" and (not text or not found):
        raise BadValue("a time such as 90s, 10m or 4d12h (units w, d, h, m, s)", Fault.UNIT)
    return (
        sum(int(part or 0) * unit for part, unit in zip(found.groups(), _SECONDS, strict=True))
        if found
        else 0
    )


def interval(text: str) -> str:
    """A length of time, spelled with the largest units."""
    left, parts = seconds(text), []
    for unit, letter in zip(_SECONDS, "wdhms", strict=True):
        count, left = divmod(left, unit)
        parts += [f"{count}{letter}"] if count else []
    return "".join(parts) or "0s"


def interval_between(low: int, high: int) -> Check:
    """A length of time within limits, in seconds."""

    def check(text: str) -> str:
        canonical = interval(text)
        if not low <= seconds(text) <= high:
            raise BadValue(f"a time from {interval(f'{low}s')} to {interval(f'{high}s')}")
        return canonical

    return check


_UNITS = {"d": "d", "day": "d", "h": "h", "hr": "h", "m": "m", "min": "m", "s": "s", "sec": "s"}
_RATE = re.compile(r"(\d+)([BbKkMmGgTt]?)/(\d*)([A-Za-z]+)")


def _rate(units: str, volume: bool) -> Check:
    names = ", ".join(f"/{name}" for name, unit in _UNITS.items() if unit in units)

    def check(text: str) -> str:
        if text in ("unlimited", "0"):
            return text
        found = _RATE.fullmatch(text)
        if not found or (found[2] and not volume):
            raise BadValue(f"a rate such as 500/{units[0]}, 0 or unlimited")
        unit = _UNITS.get(found[4])
        if unit is None or unit not in units or (found[3] and int(found[3]) == 0):
            raise BadValue(f"a unit of {names}", Fault.UNIT)
        every = found[3] if found[3] and int(found[3]) != 1 else ""
        return f"{int(found[1])}{found[2].lower()}/{int(every) if every else ''}{unit}"

    return check


rate = _rate("dhms", volume=False)
rate_below_a_day = _rate("hms", volume=False)
volume_rate = _rate("dhms", volume=True)
day_rate = _rate("d", volume=False)

_POWERS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def size_in_bytes(text: str) -> int:
    """`2k` to 2048; raises BadValue."""
    found = re.fullmatch(r"(\d+)([bkmgt])", text.lower())
    if not found:
        raise BadValue("a size such as 500b, 64k, 250M or 1g", Fault.UNIT)
    return int(found[1]) * 1024 ** _POWERS[found[2]]


def size(text: str) -> str:
    """A size, spelled with the largest unit that loses nothing."""
    left, unit = size_in_bytes(text), "b"
    for larger in "kmgt":
        if left % 1024 or not left:
            break
        left, unit = left // 1024, larger
    return f"{left}{unit}"


def size_of_at_least(low: str) -> Check:
    """A size that is not below `low`."""

    def check(text: str) -> str:
        canonical = size(text)
        if size_in_bytes(text) < size_in_bytes(low):
            raise BadValue(f"a size of at least {low}")
        return canonical

    return check


def ip(text: str) -> str:
    """An address of either family."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise BadValue("an IP address") from None


def ipv4(text: str) -> str:
    """An address without brackets, as operators write it where the guide asks for some."""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise BadValue("an IPv4 address") from None


def cidr(text: str) -> str:
    """A network; an address alone is the network of that address, `10/8` is `10.0.0.0/8`."""
    base, slash, length = text.partition("/")
    if slash and re.fullmatch(r"\d{1,3}(\.\d{1,3}){0,2}", base):
        base += ".0" * (3 - base.count("."))
    try:
        network = ipaddress.ip_network(f"{base}{slash}{length}", strict=False)
    except ValueError:
        raise BadValue("an IP address or a network such as 192.0.2.0/24") from None
    return str(network)


_LABEL = r"[\w](?:[\w-]{0,61}[\w])?"
_host = like(rf"{_LABEL}(?:\.{_LABEL})*\.?", "a host name", _lower)
_WITH_MACRO = re.compile(r"(?:\$?\w|[.-](?=[\w$]))+")


def in_ascii(text: str) -> str:
    """`bücher.de` to `xn--bcher-kva.de`: the guide (3.1) takes international domain names as they are written. BadValue if there
    is no such name."""
    if text.isascii():
        return text
    try:
        return text.encode("idna").decode()
    except UnicodeError:
        raise BadValue("a host name") from None


def host(text: str) -> str:
    """A host name in ASCII; an address is none."""
    if re.fullmatch(r"[\d.]+(/\d+)?|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(/\d+)?", text):
        raise BadValue("a host name, not an address")
    return _host(in_ascii(text))


def domain(text: str) -> str:
    """A domain, or one with `$macro` in it (guide 3.3.1.43.1, 3.3.5.3)."""
    if "$" in text and _WITH_MACRO.fullmatch(text):
        return text
    return host(text)


port = number(0, 65_535)


def address_and_port(address: Check, optional: bool = False) -> Check:
    """`ADDRESS:PORT`; the last colon parts them."""

    def check(text: str) -> str:
        head, colon, tail = text.rpartition(":")
        if optional and (not colon or ":" in head):
            return address(text.strip("[]"))
        if not colon:
            raise BadValue("an address, a colon and a port")
        return f"{address(head.strip('[]'))}:{port(tail)}"

    return check


email = like(r"[^\s@,<>]+@[^\s@,<>]+", "a mail address")
local_part = like(r"[^\s@,<>*/]+", "a local part")
path = like(r"(?!\")[^\s,<>\"]+", "a path")
url = like(r"https?://\S+", "an http or https address")
string = like(r"\S(?:.*\S)?", "a text")
one_word = like(r"\S+", "a word without blanks")
name = like(r"[^\s,<>\"/*]+", "a name without blanks, commas, quotes, slashes and *")
header = like(r"[!-9;-~]+", "the name of a header without colon")
field_name = like(r"[A-Za-z][A-Za-z0-9_-]*", "the name of a field")
selector = like(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\{selector\}", "a DKIM selector")
vault = like(r"\{vault\}:/[^\s,:]+:[^\s,]+", "a key of the vault, {vault}:/PATH:KEY")
empty = word('""')
star = word("*")
regex = like(r"/(?:[^/\\]|\\.)*/", "a regular expression between slashes")
_PATTERN = re.compile(r"\*|(?:\*\.|\[\*\.\])?[\w$](?:[\w$.-]*\w)?")


def domain_pattern(text: str) -> str:
    """`*`, `dom`, `*.dom`, `[*.]dom`, `[ip/mask]`, with `$macro` in a name."""
    if text.startswith("[") and text.endswith("]") and not text.startswith("[*"):
        return f"[{cidr(text[1:-1])}]"
    if text == "{bounce}" or text == "{sparkpost}":
        return text
    if not _PATTERN.fullmatch(text):
        raise BadValue("one of *, domain, *.domain, [*.]domain, [network] or $macro")
    return in_ascii(text.lower()) if "$" not in text else text
