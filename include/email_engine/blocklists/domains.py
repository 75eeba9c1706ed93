"""The names of an IP that lists of domains are asked about, and which of their listings hold it."""

from collections.abc import Iterable

from email_engine.dnsauth.organisation import listed_organisation
from email_engine.fleet.model import IpRecord


def names_of(ip: IpRecord) -> tuple[str, ...]:
    """Its sending domain and its hostname, and what of them was registered (some lists know no other); each once, in lower case."""
    exact = [ip.domain.lower(), ip.hostname.lower()]
    return tuple(dict.fromkeys(name for name in (*exact, *map(listed_organisation, exact)) if name))


def all_names(ips: Iterable[IpRecord]) -> list[str]:
    return sorted({name for ip in ips for name in names_of(ip)})
