"""The brake in the database: one an IP, kept until both sides run again, a person's only released by a person."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from email_engine.decision import Origin
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.stops import brake_ends, brakes
from email_engine.store.stops.brakes import BY_HAND, Brake

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=7)


def engage(store: Store, dag_id: str = "warmup_advance", actor: str = "warmup_advance") -> int:
    with store.session("*") as conn:
        ip = load_ips(conn, day=NOON.date(), tenant="aurora")[0]
        return brakes.engage(conn, ip, f"{dag_id} says so", Origin(actor, NOON, dag_id, "run"), None)


def ask(store: Store, ip_id: int, *, by_hand: bool = False) -> bool:
    with store.session("*") as conn:
        return brakes.ask_release(conn, ip_id, LATER, by_hand=by_hand)


def standing(store: Store, host: str | None = None) -> tuple[Brake, ...]:
    with store.session("*") as conn:
        return brakes.engaged(conn, mta_host=host)


def test_an_engaged_brake_says_what_to_hold_where(store: Store, two_tenants: SimpleNamespace) -> None:
    brake_id = engage(store)
    (brake,) = standing(store, "mta-1")
    assert (brake.brake_id, str(brake.address), brake.vmta, brake.mta_host) == (
        brake_id,
        "198.51.100.1",
        "aurora-1",
        "mta-1",
    )
    assert (brake.mailwizz, brake.mailwizz_server_id) == ("mw-aurora", 101)
    assert (brake.powermta_holds, brake.mailwizz_holds, brake.release_asked_at) == (False, False, None)
    assert standing(store, "mta-2") == ()


def test_engaging_again_keeps_the_first_brake_and_gives_it_the_newest_cause(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    assert engage(store) == engage(store, "rbl_sweep")
    (brake,) = standing(store)
    assert brake.reason == "rbl_sweep says so"


def test_each_side_is_confirmed_for_itself(store: Store, two_tenants: SimpleNamespace) -> None:
    brake_id = engage(store)
    with store.session("*") as conn:
        brakes.confirm(conn, brake_id, True, None, "queue paused", NOON)
        brakes.confirm(conn, brake_id, None, True, "server disabled", LATER)
    (brake,) = standing(store)
    assert (brake.powermta_holds, brake.mailwizz_holds, brake.checked_at) == (True, True, LATER)


def test_a_release_is_asked_once_and_ends_when_both_sides_run(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    brake_id = engage(store)
    assert ask(store, two_tenants.aurora[0])
    assert ask(store, two_tenants.aurora[0])
    assert standing(store)[0].release_asked_at == LATER
    with store.session("*") as conn:
        brake_ends.released(conn, brake_id, LATER)
    assert standing(store) == ()
    assert not ask(store, two_tenants.aurora[0])
    assert engage(store) != brake_id


def test_braking_again_calls_a_release_off_and_must_be_verified_anew(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    brake_id = engage(store)
    with store.session("*") as conn:
        brakes.confirm(conn, brake_id, True, True, "holds", NOON)
    ask(store, two_tenants.aurora[0])
    assert engage(store, "rbl_sweep") == brake_id
    (brake,) = standing(store)
    assert (brake.release_asked_at, brake.powermta_holds, brake.reason) == (None, False, "rbl_sweep says so")


@pytest.mark.parametrize("first", ["warmup_advance", BY_HAND])
def test_a_persons_brake_is_released_only_by_a_person(
    store: Store, two_tenants: SimpleNamespace, first: str
) -> None:
    engage(store, first)
    engage(store, BY_HAND, actor="ops")
    engage(store, "rbl_sweep")
    assert standing(store)[0].dag_id == BY_HAND
    assert not ask(store, two_tenants.aurora[0])
    assert standing(store)[0].release_asked_at is None
    assert ask(store, two_tenants.aurora[0], by_hand=True)


def test_a_tenant_sees_its_own_brakes_only(store: Store, two_tenants: SimpleNamespace) -> None:
    engage(store)
    with store.session("borealis") as conn:
        assert brakes.engaged(conn) == ()
        assert not brakes.ask_release(conn, two_tenants.aurora[0], LATER)
