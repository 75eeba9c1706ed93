"""Files of IPs and of domains, one a line, as people export them from anything."""

import codecs
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import TypeVar

from email_engine.blocklists.names import as_asked
from email_engine.errors import InputError
from email_engine.fleet.model import IpAddress
from email_engine.plural import excerpt

One = TypeVar("One")

SHOWN = 10
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NEVER_SENDS = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_TOP_LABEL = re.compile(r"(?=.*[a-z])(?!-)[a-z0-9-]{2,63}(?<!-)")


def read_addresses(path: Path) -> list[IpAddress]:
    """IPv4 and IPv6 addresses that mail can be sent from, each once, in file order.

    Raises InputError for a file that cannot be read or holds none, and with every line that is no such address."""
    return _read(path, _address, "IP address", "one public IPv4 or IPv6 address a line")


def read_domains(path: Path) -> list[str]:
    """Domains and host names in lower case and A-labels, each once; errors as `read_addresses` has them."""
    return _read(path, _domain, "domain", "one domain or host name a line")


def _read(path: Path, parse: Callable[[str], One], what: str, allowed: str) -> list[One]:
    found: dict[One, None] = {}
    mistakes = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        text = line.partition("#")[0].strip()
        try:
            found |= {parse(text): None} if text else {}
        except ValueError as why:
            mistakes.append(f"line {number}: {excerpt(text)}{f' {why}' if str(why) else ''}")
    if mistakes:
        more = [f"and {len(mistakes) - SHOWN} more"] if len(mistakes) > SHOWN else []
        raise InputError(str(path), "; ".join(mistakes[:SHOWN] + more), allowed, "correct the file")
    if not found:
        raise InputError(str(path), f"no {what} in it", allowed, "name what is to be asked about")
    return list(found)


def _text(path: Path) -> str:
    try:
        octets = path.read_bytes()
        encoding = next((name for mark, name in _MARKS if octets.startswith(mark)), "utf-8")
        text = octets.decode(encoding)
    except OSError as error:
        seen = f"cannot be read: {type(error).__name__}"
    except UnicodeDecodeError:
        seen = "neither UTF-8 nor UTF-16 with a byte order mark"
    else:
        if "\0" not in text:
            return text
        seen = "zero bytes: UTF-16 without a byte order mark, or no text at all"
    raise InputError(str(path), seen, "a text file, UTF-8", "check the path, or save the file as UTF-8")


def _address(text: str) -> IpAddress:
    """Raises ValueError; its text says why an address is refused."""
    try:
        address = as_asked(ip_address(text))
    except ValueError:
        raise ValueError("") from None
    network = next((n for n in _NEVER_SENDS if address.version == n.version and address in n), None)
    if network is not None:
        kind = {IPv4Address: "IPv4", IPv6Address: "IPv6"}[type(address)]
        raise ValueError(f"is in {network}, from which no {kind} mail reaches a receiver")
    return address


def _domain(text: str) -> str:
    name = text.rstrip(".").lower()
    try:
        ip_address(name)
    except ValueError:
        pass
    else:
        raise ValueError("is an IP, not a domain")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("") from None
    *labels, top = name.split(".")
    if (
        len(name) > 253
        or not labels
        or not _TOP_LABEL.fullmatch(top)
        or not all(map(_LABEL.fullmatch, labels))
    ):
        raise ValueError("")
    return name
