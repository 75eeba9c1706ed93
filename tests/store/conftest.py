"""Fixtures of the store's own tests: rows of two tenants."""

from types import SimpleNamespace

import pytest

from email_engine.store.engine import Store
from tests.fleet_rows import add_host, add_ip, add_tenant


@pytest.fixture
def two_tenants(store: Store) -> SimpleNamespace:
    """aurora and borealis with two IPs each; ids by tenant."""
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn, "aurora")
        add_tenant(conn, "borealis")
        return SimpleNamespace(
            aurora=[add_ip(conn, n) for n in (1, 2)],
            borealis=[add_ip(conn, n, tenant="borealis", network="203.0.113") for n in (1, 2)],
        )
