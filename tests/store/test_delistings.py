"""Table delistings: one row a listing, its question, its re-checks, and what a release still lacks."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from email_engine.blocklists.delisting import Answer, Recheck, Status
from email_engine.errors import InputError
from email_engine.store.engine import Store
from email_engine.store.stops import delistings, quarantines
from email_engine.store.stops.delistings import acknowledge, answer, awaited, find, follow, note_check, settle
from email_engine.store.stops.listing_dossier import listed_around, read_dossier
from tests.fleet_rows import add_delivery
from tests.listing_rows import add_listing, close_listing, leave_fleet, quarantine

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def listed(store: Store, two_tenants: SimpleNamespace) -> int:
    """aurora's first IP, stopped by a listing; its id."""
    with store.session("*") as conn:
        quarantine(conn, two_tenants.aurora[0], NOW)
        return add_listing(conn, two_tenants.aurora[0], NOW)


def test_a_listing_is_followed_once_and_by_the_newest_run(store: Store, listed: int) -> None:
    with store.session("*") as conn:
        first = follow(conn, listed, "delisting", "one")
        again = follow(conn, listed, "delisting", "two")
        assert (first.run_id, again.run_id) == ("one", "two")
        assert len(delistings.of_ips(conn, [first.ip_id])) == 1
        with pytest.raises(InputError, match="listing 999"):
            follow(conn, 999, "delisting", "one")


def test_the_first_answer_counts_and_a_second_changes_nothing(store: Store, listed: int) -> None:
    with store.session("*") as conn:
        follow(conn, listed, "delisting", "one")
        delistings.ask(conn, listed, NOW)
        assert list(delistings.asked(conn)) == [listed]
        assert answer(conn, listed, "ops", NOW, cause="old list")
        assert not answer(conn, listed, "other", NOW, cause="something else")
        assert not answer(conn, listed, "other", NOW, gives_up=True)
        delistings.ask(conn, listed, NOW)  # the run is cleared
        found = find(conn, listed)
        assert (found.cause, found.answered_by, found.gives_up, found.question) == (
            "old list", "ops", False, "answered",
        )  # fmt: skip
        assert delistings.asked(conn) == {}
        assert not settle(conn, listed, "expired")


def test_two_rechecks_at_once_count_once(store: Store, listed: int) -> None:
    with store.session("*") as conn:
        read = follow(conn, listed, "delisting", "one")
        open_ = Recheck(Status.OPEN, None, NOW + DAY)
        assert note_check(conn, read, Answer.UNKNOWN, open_, NOW)
        assert not note_check(conn, read, Answer.NOT_LISTED, Recheck(Status.CLEARED, None, None), NOW)
        found = find(conn, listed)
        assert (found.checks, found.last_answer, found.status) == (1, Answer.UNKNOWN, Status.OPEN)


def test_runs_are_started_for_what_stops_an_ip_and_nobody_follows(
    store: Store, listed: int, two_tenants: SimpleNamespace
) -> None:
    with store.session("*") as conn:
        aurora, borealis = two_tenants.aurora, two_tenants.borealis
        add_listing(conn, aurora[1], NOW, severity="low", zone="psbl.example")
        add_listing(conn, aurora[1], NOW, **{"class": "policy"}, zone="pbl.example")
        closed = add_listing(conn, aurora[1], NOW - DAY, closed=NOW - DAY / 2)
        other = add_listing(conn, borealis[0], NOW, "borealis")
        assert [n for n, _ in delistings.unfollowed(conn)] == [listed, other]
        follow(conn, listed, "delisting", "one")
        leave_fleet(conn, borealis[0])
        assert delistings.unfollowed(conn) == ()
        leave_fleet(conn, borealis[0], gone=False)
        assert delistings.unfollowed(conn) == ((other, NOW),)
        assert closed not in {n for n, _ in delistings.unfollowed(conn)}


def test_a_listing_that_ended_unfollowed_in_a_quarantine_is_followed_too(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    """As after an upgrade: without a follow-up nobody would ever name its cause."""
    with store.session("*") as conn:
        quarantine(conn, two_tenants.aurora[0], NOW)
        ended = add_listing(conn, two_tenants.aurora[0], NOW, closed=NOW + DAY)
        assert [n for n, _ in delistings.unfollowed(conn)] == [ended]
        follow(conn, ended, None, None)  # named by the form: still nobody asks the list again
        assert [n for n, _ in delistings.unfollowed(conn)] == [ended]


def test_one_that_ended_with_its_ip_is_followed_again_when_the_ip_is_back(store: Store, listed: int) -> None:
    with store.session("*") as conn:
        read = follow(conn, listed, "delisting", "one")
        note_check(conn, read, None, Recheck(Status.ENDED, "left", None), NOW + DAY)
        assert delistings.unfollowed(conn) == ((listed, NOW + DAY),), "its run has another id than the first"
        assert follow(conn, listed, "delisting", "two").status is Status.OPEN
        assert delistings.unfollowed(conn) == ()


def lacking(store: Store, ip_id: int, tenant: str = "aurora") -> str | None:
    with store.session(tenant) as conn:
        return awaited(conn, tenant, quarantines.standing(conn, tenant)).get(ip_id)


def test_what_a_release_lacks_is_a_cause_then_a_recheck_of_every_listing(
    store: Store, listed: int, two_tenants: SimpleNamespace
) -> None:
    ip_id = two_tenants.aurora[0]
    assert lacking(store, ip_id) == "no cause of its listing on zen-lab is named"
    with store.session("aurora") as conn:
        second = add_listing(conn, ip_id, NOW + DAY, zone="bl.example", list="bl")
        for each in (listed, second):
            follow(conn, each, "delisting", "one")
        answer(conn, listed, "ops", NOW, cause="old list")
    assert lacking(store, ip_id) == "no re-check found it off zen-lab since"
    with store.session("aurora") as conn:
        close_listing(conn, listed, NOW + DAY)
        note_check(conn, find(conn, listed), Answer.NOT_LISTED, Recheck(Status.CLEARED, None, None), NOW)
    assert lacking(store, ip_id) == "no cause of its listing on bl is named"
    assert lacking(store, two_tenants.borealis[0], "borealis") is None


def test_listings_from_before_the_quarantine_are_history(store: Store, two_tenants: SimpleNamespace) -> None:
    ip_id = two_tenants.aurora[0]
    with store.session("*") as conn:
        add_listing(conn, ip_id, NOW - 9 * DAY, closed=NOW - 8 * DAY)
        quarantine(conn, ip_id, NOW, event="second_stop")
    assert lacking(store, ip_id) is None


def test_another_tenants_session_neither_sees_nor_answers(store: Store, listed: int) -> None:
    with store.session("*") as conn:
        follow(conn, listed, "delisting", "one")
    with store.session("borealis") as conn:
        assert not answer(conn, listed, "stranger", NOW, cause="mine")
        assert acknowledge(conn, [listed], "stranger", None, NOW) == 0
        with pytest.raises(InputError):
            find(conn, listed)
        with pytest.raises(InputError):
            read_dossier(conn, listed, None, NOW.date())


def test_the_dossier_knows_traffic_history_and_neighbours_of_the_own_tenant(
    store: Store, listed: int, two_tenants: SimpleNamespace
) -> None:
    ip_id, neighbour = two_tenants.aurora
    with store.session("*") as conn:
        add_delivery(conn, ip_id, NOW.replace(hour=0) - DAY, delivered=90, bounced=10)
        add_delivery(conn, ip_id, NOW.replace(hour=0) - 30 * DAY, delivered=7)
        add_listing(conn, ip_id, NOW - 50 * DAY, closed=NOW - 40 * DAY, list="bl", zone="bl.example")
        add_listing(conn, neighbour, NOW)
        add_listing(conn, two_tenants.borealis[0], NOW, "borealis")
    with store.session("aurora") as conn:
        dossier = read_dossier(conn, listed, None, NOW.date())
    assert [(x.provider, x.delivered, x.bounced) for x in dossier.traffic] == [("gmail", 90, 10)]
    assert [(x.list_name, x.closed_on) for x in dossier.history] == [("bl", (NOW - 40 * DAY).date())]
    assert (dossier.neighbours, dossier.neighbours_in_all) == (("198.51.100.2",), 1)
    assert dossier.quarantine_until == NOW + 7 * DAY
    with store.session("aurora") as conn:
        assert listed_around(conn, "203.0.113.9") == (0, ()), "another tenant's IPs stand there"
