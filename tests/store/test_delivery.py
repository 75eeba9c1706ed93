"""Accounting files are counted exactly once, whole or not at all, in a real PostgreSQL."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from email_engine.fleet.providers import provider_of
from email_engine.mta.accounting import summarize
from email_engine.store import schema as s
from email_engine.store.delivery import AccountingFile, Taken, seen_files, take_file
from email_engine.store.engine import Store
from tests.fleet_rows import add_host, add_ip, add_tenant

HEADER = "type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta"
HOUR = datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.fixture
def fleet(store: Store) -> Store:
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_host(conn, "mta-2")
        for number in (1, 2):
            add_ip(conn, number)
    return store


def row(
    kind: str = "d",
    rcpt: str = "a@gmail.com",
    category: str = "",
    ip: str = "198.51.100.1",
    vmta: str = "aurora-1",
) -> str:
    return f"{kind},2026-11-01 10:15:00+0000,{rcpt},{category},{ip},{vmta}"


def content(*rows: str) -> bytes:
    return "\r\n".join([HEADER, *rows, ""]).encode()


def take(
    store: Store, data: bytes, name: str = "acct-1.csv", host: str = "mta-1", modified: int = 1
) -> Taken:
    with store.session(tenant="*") as conn:
        file = AccountingFile(host, name, len(data), modified)
        return take_file(
            conn,
            file,
            data,
            summarize(data, name, provider_of),
            dag_id="accounting_ingest",
            run_id="r",
        )


def stats(store: Store) -> Sequence[tuple[object, ...]]:
    c = s.delivery_stats.c
    columns = (
        s.ips.c.vmta_name,
        c.provider,
        c.attempts,
        c.delivered,
        c.bounced,
        c.deferred,
        c.complained,
        c.bounce_categories,
    )
    with store.session(tenant="aurora") as conn:
        query = (
            select(*columns)
            .join(s.ips, s.ips.c.id == c.ip_id)
            .order_by(s.ips.c.vmta_name, c.provider, c.hour)
        )
        return [tuple(r) for r in conn.execute(query)]


def alerts(store: Store) -> list[str]:
    with store.session(tenant="*") as conn:
        return list(conn.execute(select(s.alerts.c.text)).scalars())


def test_two_files_add_up_by_ip_provider_and_hour(fleet: Store) -> None:
    first = take(
        fleet, content(row(), row("b", category="bad-mailbox"), row("t"), row("f"), row(rcpt="x@yahoo.com"))
    )
    take(
        fleet,
        content(row(), row("b", category="bad-mailbox"), row("b", category="quota-issues")),
        "acct-2.csv",
    )
    assert first == Taken("taken", 5, 0)
    assert stats(fleet) == [
        ("aurora-1", "gmail", 6, 2, 3, 1, 1, {"bad-mailbox": 2, "quota-issues": 1}),
        ("aurora-1", "yahoo", 1, 1, 0, 0, 0, {}),
    ]
    with fleet.session(tenant="aurora") as conn:
        assert set(conn.execute(select(s.delivery_stats.c.hour)).scalars()) == {HOUR}


@pytest.mark.parametrize(
    ("name", "modified"), [("acct-1.csv", 1), ("acct-1.csv", 2), ("copy-of-acct-1.csv", 1)]
)
def test_the_same_content_again_is_a_duplicate_whatever_it_is_called(
    fleet: Store, name: str, modified: int
) -> None:
    take(fleet, content(row()))
    again = take(fleet, content(row()), name, modified=modified)
    assert again.status == "duplicate"
    assert again.message == "same content as acct-1.csv, taken before"
    assert stats(fleet)[0][2] == 1
    with fleet.session(tenant="*") as conn:
        assert (name, len(content(row())), modified) in seen_files(conn, "mta-1")
    assert take(fleet, content(row()), name, modified=modified).status == "duplicate"


def test_the_same_content_on_another_host_is_another_file(fleet: Store) -> None:
    assert [take(fleet, content(row()), host=host).status for host in ("mta-1", "mta-2")] == [
        "taken",
        "taken",
    ]
    assert stats(fleet)[0][2] == 2


def test_two_takers_at_once_count_once(fleet: Store) -> None:
    results: list[str] = []
    ready = threading.Barrier(2)

    def work() -> None:
        ready.wait()
        results.append(take(fleet, content(row())).status)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == ["duplicate", "taken"]
    assert stats(fleet)[0][2] == 1


def test_a_crash_before_the_commit_leaves_no_trace(fleet: Store) -> None:
    data = content(row())

    def killed_after_taking() -> None:
        with fleet.session(tenant="*") as conn:
            file, summary = (
                AccountingFile("mta-1", "acct-1.csv", len(data), 1),
                summarize(data, "a", provider_of),
            )
            assert take_file(conn, file, data, summary, dag_id=None, run_id=None).status == "taken"
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        killed_after_taking()
    assert stats(fleet) == []
    assert take(fleet, data).status == "taken"


def test_up_to_one_percent_of_unreadable_rows_is_taken_and_counted_as_rejected(fleet: Store) -> None:
    taken = take(fleet, content(*[row()] * 99, "x"))
    assert (taken.status, taken.records, taken.rejected) == ("taken", 99, 1)
    assert taken.message == "1 unreadable rows, first in line 101: 1 fields, the header has 6"
    assert alerts(fleet) == []


def test_more_than_one_percent_refuses_the_whole_file_with_one_alert(fleet: Store) -> None:
    data = content(*[row()] * 98, "x", "y")
    refused = take(fleet, data)
    assert (refused.status, refused.rejected) == ("refused", 2)
    assert stats(fleet) == []
    (text,) = alerts(fleet)
    assert "mta-1: accounting file acct-1.csv refused" in text
    assert "line 100: 1 fields" in text
    assert take(fleet, data).status == "duplicate"
    assert len(alerts(fleet)) == 1


def test_rows_of_sources_outside_the_fleet_are_rejected_and_named_and_refuse_nothing(fleet: Store) -> None:
    taken = take(fleet, content(row(), *[row(ip="192.0.2.9", vmta="other")] * 3))
    assert (taken.status, taken.records, taken.rejected) == ("taken", 4, 3)
    assert taken.message == "3 rows of 1 sources outside the fleet: 192.0.2.9 (3)"
    assert stats(fleet)[0][2] == 1


def test_an_ip_behind_nat_is_found_by_its_virtual_mta(fleet: Store) -> None:
    take(fleet, content(row(ip="10.0.0.7", vmta="Aurora-2"), row("b", ip="", vmta="aurora-2")))
    assert stats(fleet) == [("aurora-2", "gmail", 2, 1, 1, 0, 0, {"unknown": 1})]


def test_a_file_that_grew_after_it_was_taken_is_refused_since_it_would_count_twice(fleet: Store) -> None:
    take(fleet, content(row()))
    grown = take(fleet, content(row(), row()))
    assert grown.status == "refused"
    assert "it is still written" in grown.message
    assert stats(fleet)[0][2] == 1
    assert len(alerts(fleet)) == 1


def test_a_name_that_is_used_again_for_other_content_is_taken(fleet: Store) -> None:
    take(fleet, content(row()))
    assert take(fleet, content(row("b"), row())).status == "taken"


def test_another_tenant_sees_none_of_it(fleet: Store) -> None:
    take(fleet, content(row()))
    with fleet.session(tenant="borealis") as conn:
        assert conn.execute(select(func.count()).select_from(s.delivery_stats)).scalar_one() == 0


def test_a_large_file_is_added_within_seconds(fleet: Store) -> None:
    with fleet.session(tenant="*") as conn:
        for number in range(3, 51):
            add_ip(conn, number)
    rows = [
        f"d,{(HOUR + timedelta(hours=n % 24)):%Y-%m-%d %H:%M:%S}+0000,u@{domain},,198.51.100.{n % 50 + 1},"
        for n in range(1200) for domain in ("gmail.com", "yahoo.com", "outlook.com", "gmx.de", "x.example")
    ]  # fmt: skip
    assert take(fleet, content(*rows)).records == 6000
    with fleet.session(tenant="*") as conn:
        assert conn.execute(select(func.sum(s.delivery_stats.c.attempts))).scalar_one() == 6000
