"""The resolver that block lists and DNS checks ask, from an Airflow connection of type `dns_resolver`."""

import secrets

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from email_engine.adapters import connections
from email_engine.adapters.dns_resolver import Resolver
from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.sweep import probe_blocklists
from email_engine.errors import EngineError
from email_engine_airflow.hooks.fields import fields_of

DEFAULT_CONNECTION = "dns_resolver_default"


class DnsResolverHook(BaseHook):
    """Gives a `Resolver`; its fields: `connections.resolver` and `connections.blocklist_keys`.

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
        return connections.resolver(fields_of(self.get_connection(self.dns_resolver_conn_id), self._testing))

    def blocklist_keys(self) -> dict[str, str]:
        """Secrets for lists that need one, by key name; masked in logs from now on."""
        found = connections.blocklist_keys(fields_of(self.get_connection(self.dns_resolver_conn_id)))
        for key in found.values():
            mask_secret(key)
        return found

    def test_connection(self) -> tuple[bool, str]:
        """Probes every block list in force through this resolver."""
        self._testing = True
        try:
            resolver = self.get_conn()
            lists, _ = load_blocklists()
            healths = probe_blocklists(
                lists, self.blocklist_keys(), resolver.resolve_many, secrets.token_hex(12)
            )
        except EngineError as error:
            return False, str(error)
        sick = "; ".join(f"{h.list_name}: {h.reason}" for h in healths if not h.healthy)
        healthy = [h.list_name for h in healths if h.healthy]
        if not healthy:
            return False, f"{resolver!r}: no block list can be believed through it. {sick}"
        text = f"{resolver!r} answers; lists to be believed: {', '.join(healthy)}"
        return True, f"{text}. Not: {sick}" if sick else text
