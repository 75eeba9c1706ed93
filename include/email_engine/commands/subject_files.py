"""Files of IPs and of domains, one a line, as people export them from anything."""

import codecs
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TypeVar

from email_engine.blocklists.names import as_asked
from email_engine.dnsauth.by_hand import parse_domain
from email_engine.errors import InputError
from email_engine.fleet.model import IpAddress
from email_engine.fleet.ranges import parse_address
from email_engine.plural import excerpt

One = TypeVar("One")

SHOWN = 10
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_BENCHMARK = ip_network("198.18.0.0/15")
"""For measurements (RFC 2544): nobody owns them, and a measured sweep asks about thousands."""


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
            mistakes.append(f"line {number}: {why}")
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
        raise ValueError(excerpt(text)) from None
    return address if address in _BENCHMARK else parse_address(str(address))


def _domain(text: str) -> str:
    try:
        return parse_domain("", text)
    except InputError as refused:
        raise ValueError(refused.observed) from None
