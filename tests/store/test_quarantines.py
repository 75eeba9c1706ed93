"""How an IP came into quarantine, and what counts as a minor listing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from email_engine.decision import Origin
from email_engine.fleet.model import IpState
from email_engine.store import schema
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.stops import quarantines
from tests.fleet_rows import add_host, add_ip, add_tenant

STOPPED = datetime(2026, 11, 10, 12, tzinfo=UTC)
OFF = STOPPED + timedelta(days=2)


@pytest.fixture
def pool(store: Store) -> list[int]:
    """Three IPs of one pool: warming, active, active."""
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn)
        return [add_ip(conn, 1), add_ip(conn, 2, state="active"), add_ip(conn, 3, state="active")]


def listing(
    store: Store, ip_id: int, closed: datetime | None = OFF, zone: str = "zen", **columns: Any
) -> None:
    row = {"severity": "medium", "class": "reputation", "opened_at": STOPPED} | columns
    with store.session("*") as conn:
        conn.execute(
            insert(schema.blacklist_events).values(
                tenant="aurora", ip_id=ip_id, list=zone, zone=zone, codes=["127.0.0.2"],
                last_seen_at=row["opened_at"], closed_at=closed, **row,
            )
        )  # fmt: skip


def stop(store: Store, ip_id: int, event: str = "listed") -> None:
    with store.session("*") as conn:
        ips.transition(conn, ip_id, event, IpState.QUARANTINE, "Because.", Origin("rbl_sweep", STOPPED), None)


def standing(store: Store) -> dict[int, quarantines.Quarantine]:
    with store.session("aurora") as conn:
        return quarantines.standing(conn, "aurora")


def test_it_tells_the_state_in_which_each_was_stopped(store: Store, pool: list[int]) -> None:
    stop(store, pool[0], "tripwire")
    stop(store, pool[1])
    assert {ip_id: (q.stopped_in, q.event, q.since) for ip_id, q in standing(store).items()} == {
        pool[0]: ("warming", "tripwire", STOPPED),
        pool[1]: ("active", "listed", STOPPED),
    }


def test_a_listing_while_it_is_in_quarantine_hides_not_how_it_came_there(
    store: Store, pool: list[int]
) -> None:
    stop(store, pool[1], "second_stop")
    stop(store, pool[1], "listed")
    assert (standing(store)[pool[1]].stopped_in, standing(store)[pool[1]].event) == ("active", "second_stop")


@pytest.mark.parametrize(
    ("listings", "event", "minor"),
    [
        pytest.param([{}], "listed", True, id="one of medium weight that ended"),
        pytest.param([{"closed": None}], "listed", False, id="one that still stands"),
        pytest.param([{"severity": "high"}], "listed", False, id="one of high weight"),
        pytest.param([{}, {"zone": "bl"}], "listed", False, id="two lists"),
        pytest.param([{}, {"of": 2, "zone": "bl"}], "listed", False, id="another IP of its pool too"),
        pytest.param(
            [{}, {"opened_at": STOPPED - timedelta(days=29), "closed": STOPPED - timedelta(days=20)}],
            "listed", False, id="the second within 30 days",
        ),
        pytest.param(
            [{}, {"opened_at": STOPPED - timedelta(days=60), "closed": STOPPED - timedelta(days=50)}],
            "listed", True, id="another long ago",
        ),
        pytest.param([{}, {"class": "policy", "zone": "pbl"}], "listed", True, id="a policy code beside it"),
        pytest.param([], "listed", False, id="no listing on record"),
        pytest.param([{}], "tripwire", False, id="stopped by its traffic"),
    ],
)  # fmt: skip
def test_a_minor_listing_is_one_light_lonely_and_over(
    store: Store, pool: list[int], listings: list[dict[str, Any]], event: str, minor: bool
) -> None:
    stop(store, pool[0], event)
    for one in listings:
        of = one.pop("of", 0)
        listing(store, pool[of], **one)
    assert standing(store)[pool[0]].minor is minor
