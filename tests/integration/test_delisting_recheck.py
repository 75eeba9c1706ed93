"""Re-checks against the lab's lists: an answer on the wire, a silent resolver, and pauses that grow."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from email_engine.blocklists.delisting import Answer, Delisting, Status
from email_engine.pipelines.delisting.recheck import Rechecked, recheck
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.stops import delistings
from email_engine_airflow.clients import airflow_clients
from lab.testing import RunningLab
from tests.dns_lab import connect, dns_lab
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.listing_rows import add_listing, close_listing, leave_fleet, quarantine

ZEN, ADDRESS = "zen.lab.example", "198.51.100.12"
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUN = Run("delisting", "one", NOW, False, "rbl_sweep", {})


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with dns_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def lab(
    module_lab: RunningLab, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningLab]:
    connect(monkeypatch, module_lab, engine_database_url)
    module_lab.knob("list_ip", ip=ADDRESS, zone=ZEN)
    yield module_lab
    module_lab.knob("set_list_kind", zone=ZEN, kind="zen")
    module_lab.knob("silence_dns", on=False)
    for address in module_lab.state()["dns"]["lists"][ZEN]["listed"]:
        module_lab.knob("delist_ip", ip=address, zone=ZEN)


@pytest.fixture
def listing(store: Store) -> int:
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn)
        ip_id = add_ip(conn, 12, state="active")
        quarantine(conn, ip_id, NOW)
        made = add_listing(conn, ip_id, NOW)
        delistings.follow(conn, made, "delisting", "one")
    return made


def look(store: Store, listing: int, at: datetime) -> Rechecked:
    return recheck(store, airflow_clients(), listing, RUN, at)


def row(store: Store, listing: int) -> Delisting:
    with store.session("*") as conn:
        return delistings.find(conn, listing)


def test_it_waits_an_hour_then_longer_each_time_and_asks_only_when_it_is_due(
    lab: RunningLab, store: Store, listing: int
) -> None:
    assert look(store, listing, NOW).again_at == NOW + HOUR
    assert look(store, listing, NOW + HOUR / 2).again_at == NOW + HOUR, "cleared, or restarted"
    assert row(store, listing).checks == 0
    at, pauses = NOW + HOUR, []
    for _ in range(5):
        again = look(store, listing, at).again_at
        assert again is not None
        pauses.append((again - at) / HOUR)
        at = again
    assert pauses == [2, 4, 8, 12, 12]
    assert (row(store, listing).checks, row(store, listing).last_answer) == (5, Answer.LISTED)


def test_a_clean_answer_alone_closes_nothing(lab: RunningLab, store: Store, listing: int) -> None:
    look(store, listing, NOW)
    lab.knob("delist_ip", ip=ADDRESS, zone=ZEN)
    done = look(store, listing, NOW + HOUR)
    assert (done.status, row(store, listing).last_answer) == (Status.OPEN, Answer.NOT_LISTED)
    assert row(store, listing).closed_at is None
    with store.session("*") as conn:
        close_listing(conn, listing, NOW + 2 * HOUR)
    done = look(store, listing, NOW + 3 * HOUR)
    assert (done.status, done.again_at) == (Status.CLEARED, None)
    assert look(store, listing, NOW + 4 * HOUR) == Rechecked(Status.CLEARED), (
        "cleared again: nothing is asked"
    )


@pytest.mark.parametrize("silence", ["the resolver", "the list", "a list that lists the world"])
def test_a_silent_or_lying_list_clears_nothing_and_waits_longer(
    lab: RunningLab, store: Store, listing: int, silence: str
) -> None:
    look(store, listing, NOW)
    lab.knob("delist_ip", ip=ADDRESS, zone=ZEN)
    with store.session("*") as conn:
        close_listing(conn, listing, NOW)
    if silence == "the resolver":
        lab.knob("silence_dns", on=True)
    else:
        kind = "servfail" if silence == "the list" else "wildcard"
        lab.knob("set_list_kind", zone=ZEN, kind=kind)
    first = look(store, listing, NOW + HOUR)
    assert (first.status, first.again_at) == (Status.OPEN, NOW + 3 * HOUR)
    second = look(store, listing, NOW + 3 * HOUR)
    assert (second.status, second.again_at) == (Status.OPEN, NOW + 7 * HOUR)
    assert row(store, listing).last_answer is Answer.UNKNOWN
    lab.knob("silence_dns", on=False)
    lab.knob("set_list_kind", zone=ZEN, kind="zen")
    assert look(store, listing, NOW + 7 * HOUR).status is Status.CLEARED


def test_an_ip_that_left_the_fleet_is_not_asked_about(lab: RunningLab, store: Store, listing: int) -> None:
    lab.knob("silence_dns", on=True)
    with store.session("*") as conn:
        leave_fleet(conn, row(store, listing).ip_id)
    done = look(store, listing, NOW)
    assert (done.status, done.again_at) == (Status.ENDED, None)
    assert row(store, listing).ended_because == f"{ADDRESS} left the fleet"
    assert row(store, listing).checks == 0


def test_another_run_asks_in_its_place(lab: RunningLab, store: Store, listing: int) -> None:
    with store.session("*") as conn:
        delistings.follow(conn, listing, "delisting", "two")
    assert look(store, listing, NOW).others == "two"
    assert row(store, listing).next_check_at is None


@pytest.mark.parametrize(
    ("closed", "status", "answer"),
    [(None, Status.OPEN, Answer.UNKNOWN), (NOW, Status.CLEARED, Answer.NOT_LISTED)],
    ids=["the listing stands", "the sweeps closed it"],
)
def test_a_list_that_nobody_watches_any_more_keeps_nothing_open_that_the_sweeps_closed(
    lab: RunningLab, store: Store, listing: int, closed: datetime | None, status: Status, answer: Answer
) -> None:
    with store.session("*") as conn:
        gone = add_listing(
            conn, row(store, listing).ip_id, NOW, list="gone", zone="gone.example", closed=closed
        )
        delistings.follow(conn, gone, "delisting", "one")
    look(store, gone, NOW)
    assert look(store, gone, NOW + HOUR).status is status
    assert row(store, gone).last_answer is answer
    assert row(store, gone).address == ip_address(ADDRESS)
