"""Which hosts' signals cannot be trusted, and why."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.hosts.trouble import host_trouble
from tests.fleet_rows import add_host, add_tenant

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def conn(store: Store) -> Iterator[Connection]:
    with store.session("*") as open_connection:
        add_tenant(open_connection)
        add_host(open_connection)
        add_host(open_connection, "mta-2")
        yield open_connection


def look(conn: Connection, ago: int, offset: float | None = 0, host: str = "mta-1", **levels: str) -> None:
    """One look, so many minutes before noon; checks that are not named are good."""
    checks = {"clock": "good", "accounting": "good"} | levels
    conn.execute(
        insert(s.mta_health).values(
            mta_host=host, checked_at=NOON - ago * MINUTE, worst="good", reachable=True,
            clock_offset_seconds=offset, checks=checks,
        )
    )  # fmt: skip


def files(
    conn: Connection, unknown_sources: int, ago: int = 5, status: str = "taken", host: str = "mta-1"
) -> None:
    at = int((NOON - ago * MINUTE).timestamp())
    digest = f"{host} {ago} {status}"
    conn.execute(
        insert(s.accounting_files).values(
            mta_host=host, name="a.csv", size=9, modified=at, digest=digest, records=100, rejected=0,
            status=status, strangers=unknown_sources,
        )
    )  # fmt: skip


def test_a_host_at_which_nobody_looked_is_in_no_trouble(conn: Connection) -> None:
    assert host_trouble(conn, NOON) == {}


def test_a_host_that_is_well_is_in_no_trouble(conn: Connection) -> None:
    look(conn, 5)
    files(conn, 0)
    assert host_trouble(conn, NOON) == {}


CLOCK = "the clock of mta-1 is 600 s ahead, so its accounting counts on wrong days"
SILENT = "mail leaves mta-1 and its PowerMTA closes no accounting file"
LOOKS: list[tuple[str, list[dict[str, Any]], dict[str, str]]] = [
    ("a clock far off", [{"ago": 5, "offset": 600.0, "clock": "critical"}], {"mta-1": CLOCK}),
    ("a clock a little off", [{"ago": 5, "offset": 90.0, "clock": "warning"}], {}),
    ("silent accounting", [{"ago": 5, "accounting": "warning"}], {"mta-1": SILENT}),
    ("both: the clock is told", [{"ago": 5, "offset": 600.0, "clock": "critical", "accounting": "warning"}], {"mta-1": CLOCK}),
    ("mended since", [{"ago": 20, "offset": 600.0, "clock": "critical"}, {"ago": 5}], {}),
    ("not seen since", [{"ago": 20, "offset": 600.0, "clock": "critical"}, {"ago": 5, "offset": None, "clock": "unknown"}], {"mta-1": CLOCK}),
    ("never seen", [{"ago": 5, "offset": None, "clock": "unknown", "accounting": "unknown"}], {}),
    ("a week ago, and not seen since", [{"ago": 8 * 1440, "offset": 600.0, "clock": "critical"}], {}),
    ("seen later than asked for", [{"ago": -5, "offset": 600.0, "clock": "critical"}], {}),
]  # fmt: skip


@pytest.mark.parametrize(("looks", "trouble"), [c[1:] for c in LOOKS], ids=[c[0] for c in LOOKS])
def test_the_last_look_that_saw_it_decides(
    conn: Connection, looks: list[dict[str, Any]], trouble: dict[str, str]
) -> None:
    for one in looks:
        look(conn, **one)
    look(conn, 5, host="mta-2")
    assert host_trouble(conn, NOON) == trouble


STRANGERS: list[tuple[str, list[dict[str, Any]], bool]] = [
    ("a few", [{"unknown_sources": 10}], False),
    ("more than a few", [{"unknown_sources": 11}], True),
    ("over several files", [{"unknown_sources": 6}, {"unknown_sources": 6, "ago": 600}], True),
    ("days ago", [{"unknown_sources": 999, "ago": 1500}], False),
    ("in a file that was not taken", [{"unknown_sources": 999, "status": "refused"}], False),
    ("after the time asked for", [{"unknown_sources": 999, "ago": -5}], False),
]


@pytest.mark.parametrize(("seen", "bad"), [c[1:] for c in STRANGERS], ids=[c[0] for c in STRANGERS])
def test_accounting_of_strangers_is_trouble_of_its_host(
    conn: Connection, seen: list[dict[str, Any]], bad: bool
) -> None:
    for one in seen:
        files(conn, **one)
    files(conn, 0, host="mta-2")
    found = host_trouble(conn, NOON)
    assert list(found) == (["mta-1"] if bad else [])
    assert all("senders that are not in the fleet" in text for text in found.values())


def test_a_tenants_session_sees_it_too(store: Store) -> None:
    with store.session("*") as conn:
        add_tenant(conn)
        add_host(conn)
        look(conn, 5, offset=600.0, clock="critical")
    with store.session("aurora") as conn:
        assert host_trouble(conn, NOON) == {"mta-1": CLOCK}
