"""The resolver that block lists and DNS checks ask, from an Airflow connection of type `dns_resolver`."""

import secrets
from ipaddress import ip_address, ip_network
from typing import Any

from airflow.sdk import BaseHook, Connection
from airflow.sdk.log import mask_secret
from email_engine.adapters.dns_resolver import Resolver
from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.sweep import probe_lists
from email_engine.errors import EngineError, InputError

DEFAULT_CONNECTION = "dns_resolver_default"
DNS_PORT = 53

PUBLIC_RESOLVERS = tuple(
    ip_network(network)
    for network in (
        "8.8.8.8", "8.8.4.4", "2001:4860:4860::/48",  # Google
        "1.1.1.0/29", "1.0.0.0/29", "2606:4700:4700::/48",  # Cloudflare
        "9.9.9.0/24", "149.112.112.0/24", "2620:fe::/48",  # Quad9
        "208.67.222.0/24", "208.67.220.0/24", "2620:119:35::/48", "2620:119:53::/48",  # OpenDNS
        "4.2.2.0/29", "64.6.64.0/23", "94.140.14.0/23", "76.76.2.0/24", "84.200.69.0/24",
        "169.254.169.253", "169.254.169.254", "168.63.129.16", "fd00:ec2::253",  # defaults of AWS, Google, Azure
    )
)  # fmt: skip


class DnsResolverHook(BaseHook):
    """Gives a `Resolver`. Host and port are the first name server; the extra may hold `nameservers` (more of them, a
    list or text such as "127.0.0.1:5353, 192.0.2.53"), `timeout` (seconds), `tries`, `in_flight`, and `list_api_keys`
    (key name to secret, for lists such as Spamhaus DQS).

    Args:
        dns_resolver_conn_id: Airflow connection of type `dns_resolver`."""

    conn_name_attr = "dns_resolver_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = "dns_resolver"
    hook_name = "DNS resolver"

    def __init__(self, dns_resolver_conn_id: str = DEFAULT_CONNECTION) -> None:
        super().__init__()
        self.dns_resolver_conn_id = dns_resolver_conn_id

    def get_conn(self) -> Resolver:
        """Raises InputError for a connection without a usable name server, and for a public resolver."""
        return _resolver(self.get_connection(self.dns_resolver_conn_id))

    def list_keys(self) -> dict[str, str]:
        """Secrets for lists that need one, by key name; masked in logs from now on."""
        keys = self.get_connection(self.dns_resolver_conn_id).extra_dejson.get("list_api_keys") or {}
        found = {str(name): str(key) for name, key in keys.items()} if isinstance(keys, dict) else {}
        for key in found.values():
            mask_secret(key)
        return found

    def test_connection(self) -> tuple[bool, str]:
        """Probes every block list in force through this resolver."""
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


def _resolver(connection: Connection) -> Resolver:
    extra: dict[str, Any] = connection.extra_dejson
    subject = f"connection {connection.conn_id}"
    nameservers = [(connection.host, connection.port or DNS_PORT)] if connection.host else []
    more = extra.get("nameservers") or []
    for text in more.split(",") if isinstance(more, str) else more:
        if str(text).strip():
            nameservers.append(parse_nameserver(str(text).strip(), subject))
    nameservers = list(dict.fromkeys(nameservers))
    for address, _ in nameservers:
        _refuse_public(subject, address)
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


def parse_nameserver(text: str, subject: str = "name server") -> tuple[str, int]:
    """`192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`; port 53 if none is given."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        return str(ip_address(host)), int(port or DNS_PORT)
    except ValueError:
        raise InputError(
            subject, f"{text!r}", "an IP address, with :port if it is not 53", "correct the name server"
        ) from None


def _refuse_public(subject: str, address: str) -> None:
    try:
        public = any(ip_address(address) in network for network in PUBLIC_RESOLVERS)
    except ValueError:
        return
    if public:
        raise InputError(
            subject,
            f"{address} is a public or cloud resolver",
            "your own recursive resolver: block lists answer public ones with an error code or with nothing, so that "
            "every IP looks clean",
            "run a recursive resolver (unbound without forwarding) and name its address here",
        )
