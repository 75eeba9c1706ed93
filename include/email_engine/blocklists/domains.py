"""The names of an IP that lists of domains are asked about, and which of their listings hold it."""

from collections.abc import Iterable
from functools import cache

from publicsuffixlist import PublicSuffixList

from email_engine.fleet.model import IpRecord


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@cache
def registrable(name: str) -> str:
    """The part of a name that somebody registered: some lists know no other. The name itself where there is none."""
    return _suffixes().privatesuffix(name) or name


def names_of(ip: IpRecord) -> tuple[str, ...]:
    """Its sending domain and its hostname, and what of them was registered; each once, in lower case."""
    exact = [ip.domain.lower(), ip.hostname.lower()]
    return tuple(dict.fromkeys(name for name in (*exact, *map(registrable, exact)) if name))


def all_names(ips: Iterable[IpRecord]) -> list[str]:
    return sorted({name for ip in ips for name in names_of(ip)})
