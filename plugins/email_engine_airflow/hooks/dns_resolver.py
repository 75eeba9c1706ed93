"""The resolver that block lists and DNS checks ask, from an Airflow connection of type `dns_resolver`."""

import secrets
import socket
from ipaddress import ip_address
from typing import Any

from airflow.sdk import BaseHook, Connection
from airflow.sdk.log import mask_secret

from email_engine.adapters.dns_resolver import DNS_PORT, Resolver, parse_nameserver, refuse_public
from email_engine.addresses import parse_address, shown
from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.sweep import probe_lists
from email_engine.errors import EngineError, InputError, Unreachable
from email_engine_airflow.hooks.naming import called, reading

DEFAULT_CONNECTION = "dns_resolver_default"


class DnsResolverHook(BaseHook):
    """Gives a `Resolver`. Host and port are the first name server; a host name is looked up in the system's way each time, and all of its
    addresses are asked. The extra may hold `nameservers` (more of them, a
    list or text such as "127.0.0.1:5353, 192.0.2.53"), `timeout` (seconds), `tries`, `in_flight`, and `list_api_keys`
    (key name to secret, for lists such as Spamhaus DQS; a mapping, or text "spamhaus=KEY, abusix=KEY").

    Args:
        dns_resolver_conn_id: Airflow connection of type `dns_resolver`."""

    conn_name_attr = "dns_resolver_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = "dns_resolver"
    hook_name = "DNS resolver"

    def __init__(self, dns_resolver_conn_id: str = DEFAULT_CONNECTION) -> None:
        super().__init__()
        self.dns_resolver_conn_id = dns_resolver_conn_id
        self._testing = False

    def get_conn(self) -> Resolver:
        """Raises InputError for a connection without a usable name server, and for a public resolver."""
        with reading(self.dns_resolver_conn_id):
            return _resolver(self.get_connection(self.dns_resolver_conn_id), self._testing)

    def list_keys(self) -> dict[str, str]:
        """Secrets for lists that need one, by key name; masked in logs from now on."""
        keys = self.get_connection(self.dns_resolver_conn_id).extra_dejson.get("list_api_keys") or {}
        if isinstance(keys, str):
            keys = dict(part.split("=", 1) for part in keys.split(",") if "=" in part)
        found = {str(name).strip(): str(key).strip() for name, key in keys.items() if key}
        for key in found.values():
            mask_secret(key)
        return found

    def test_connection(self) -> tuple[bool, str]:
        """Probes every block list in force through this resolver."""
        self._testing = True
        try:
            resolver = self.get_conn()
            lists, _ = load_blocklists()
            healths = probe_lists(lists, self.list_keys(), resolver.resolve_many, secrets.token_hex(12))
        except EngineError as error:
            return False, str(error)
        sick = "; ".join(f"{h.list_name}: {h.reason}" for h in healths if not h.healthy)
        healthy = [h.list_name for h in healths if h.healthy]
        if not healthy:
            return False, f"{resolver!r}: no block list can be believed through it. {sick}"
        text = f"{resolver!r} answers; lists to be believed: {', '.join(healthy)}"
        return True, f"{text}. Not: {sick}" if sick else text


def _resolver(connection: Connection, testing: bool) -> Resolver:
    extra: dict[str, Any] = connection.extra_dejson
    subject = called(connection, testing)
    first = parse_address(subject, connection.host, connection.port, {"dns": DNS_PORT})
    port = first.port or DNS_PORT
    nameservers = [(address, port) for address in _addresses(subject, first.host)]
    more = extra.get("nameservers") or []
    for text in more.split(",") if isinstance(more, str) else more:
        if str(text).strip():
            nameservers.append(parse_nameserver(str(text).strip(), subject))
    nameservers = list(dict.fromkeys(nameservers))
    for address, _ in nameservers:
        refuse_public(subject, address)
    try:
        numbers = {
            "timeout": float(extra.get("timeout") or 2.0),
            "tries": int(extra.get("tries") or 3),
            "in_flight": int(extra.get("in_flight") or 64),
        }
    except (TypeError, ValueError):
        raise InputError(
            subject,
            "timeout, tries or in_flight is no number",
            "seconds and whole numbers",
            "correct the extra",
        ) from None
    return Resolver(nameservers, **numbers)  # type: ignore[arg-type]


def _addresses(subject: str, host: str) -> list[str]:
    """The host itself where it is an address or empty; else what the system knows under this name. Unreachable: nothing."""
    if not host:
        return []
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise Unreachable(
            subject, f"name server {shown(host)!r} has no address", "an IP address, or a name that this host looks up",
            "see that the name server runs and that its name is right",
        ) from None  # fmt: skip
    return [str(address[0]) for *_, address in found]
