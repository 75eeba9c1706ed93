"""Feedback loops tell some complaints again: one mail and recipient count once, whichever file tells them."""

import tempfile
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from email_engine.accounting.policy import shipped_accounting_policy
from email_engine.accounting.recipients import recipient_hash
from email_engine.fleet.providers import shipped_providers
from email_engine.store import schema as s
from email_engine.store.accounting.delivery import AccountingFile, Reading, Taken, take_file
from email_engine.store.engine import Store
from tests.fleet_rows import add_host, add_ip, add_tenant

HEADER = "type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta,header_Message-Id"
READING = Reading(
    shipped_providers(), shipped_accounting_policy(), partial(recipient_hash, b"sixteen bytes at least")
)


@pytest.fixture
def fleet(store: Store) -> Store:
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_ip(conn, 1)
    return store


def report(mail: str = "<m1@aurora>", rcpt: str = "ann@gmail.com", day: int = 1) -> str:
    return f"f,2026-11-{day:02} 10:15:00+0000,{rcpt},,198.51.100.1,aurora-1,{mail}"


def take(store: Store, name: str, *rows: str, reading: Reading = READING) -> Taken:
    data = "\r\n".join([HEADER, *rows, ""]).encode()
    with store.session(tenant="*") as conn, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        file = AccountingFile("mta-1", name, len(data), 1)
        return take_file(conn, file, path, reading, dag_id="accounting_ingest", run_id="r")


def complaints(store: Store) -> tuple[int, int]:
    """As rates count them, and one by one."""
    with store.session(tenant="aurora") as conn:
        counted = conn.execute(select(func.coalesce(func.sum(s.delivery_stats.c.complained), 0))).scalar_one()
        return int(counted), conn.execute(select(func.count()).select_from(s.delivery_events)).scalar_one()


def test_one_mail_counts_once_in_a_file_and_over_files(fleet: Store) -> None:
    taken = take(fleet, "a.csv", report(), report(), report(day=2))
    assert complaints(fleet) == (1, 1)
    assert "2 complaints came again, counted once" in taken.message
    assert "1 complaint came again" in take(fleet, "b.csv", report(day=3)).message
    assert complaints(fleet) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [report("<m2@aurora>"), report(rcpt="bob@gmail.com")],
    ids=["another mail to the same person", "the same id to another person"],
)
def test_another_mail_or_person_is_another_complaint(fleet: Store, other: str) -> None:
    take(fleet, "a.csv", report(), other)
    assert complaints(fleet) == (2, 2)


@pytest.mark.parametrize("mail", ["", "<>"])
def test_what_no_id_tells_apart_counts_each_time(fleet: Store, mail: str) -> None:
    take(fleet, "a.csv", report(mail), report(mail))
    assert complaints(fleet) == (2, 2)


def test_a_report_of_long_after_is_a_new_one(fleet: Store) -> None:
    take(fleet, "a.csv", report(day=1))
    late = READING.policy.origin_days + 1
    month, day = divmod(late, 30)
    take(fleet, "b.csv", report(day=1).replace("2026-11-01", f"2026-{11 + month}-{day + 1:02}"))
    assert complaints(fleet) == (2, 2)


def test_a_file_that_grew_counts_what_it_told_before_once(fleet: Store) -> None:
    take(fleet, "a.csv", report())
    take(fleet, "a.csv", report(), report("<m2@aurora>"))
    assert complaints(fleet) == (2, 2)
