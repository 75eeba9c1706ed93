"""Mail that timed out because its provider was suspended counts neither against IP and provider nor as a bounce of its recipient."""

import tempfile
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

from email_engine.accounting.policy import shipped_accounting_policy
from email_engine.accounting.recipients import recipient_hash
from email_engine.fleet.providers import shipped_providers
from email_engine.store import schema as s
from email_engine.store.accounting.delivery import AccountingFile, Reading, Taken, take_file
from email_engine.store.engine import Store
from tests.fleet_rows import add_host, add_ip, add_tenant

HEADER = "type,timeLogged,rcpt,dsnStatus,dsnDiag,bounceCat,dlvSourceIp,vmta"
READING = Reading(
    shipped_providers(),
    shipped_accounting_policy(),
    partial(recipient_hash, b"sixteen bytes at least"),
)
AT = datetime(2026, 11, 1, 10, tzinfo=UTC)
EXPIRED = "4.4.7 (delivery time expired)"


@pytest.fixture
def fleet(store: Store) -> Store:
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        for number in (1, 2):
            add_ip(conn, number)
    return store


def suspend(
    store: Store, provider: str = "yahoo", until: datetime | None = None, vmta: str = "aurora-1"
) -> None:
    with store.session(tenant="*") as conn:
        ip_id = conn.execute(select(s.ips.c.id).where(s.ips.c.vmta_name == vmta)).scalar_one()
        conn.execute(
            insert(s.brakes).values(
                tenant="aurora", ip_id=ip_id, provider=provider, reason="r", actor="a",
                engaged_at=AT - timedelta(days=1), released_at=until,
            )
        )  # fmt: skip


def row(
    rcpt: str = "a@yahoo.com",
    status: str = EXPIRED,
    category: str = "message-expired",
    vmta: str = "aurora-1",
    kind: str = "b",
    ip: str = "",
) -> str:
    return f"{kind},2026-11-01 10:15:00+0000,{rcpt},{status},smtp;421 [TSS04] later,{category},{ip},{vmta}"


def take(store: Store, *rows: str) -> Taken:
    data = "\r\n".join([HEADER, *rows, ""]).encode()
    with tempfile.TemporaryDirectory() as folder, store.session(tenant="*") as conn:
        path = Path(folder) / "file"
        path.write_bytes(data)
        file = AccountingFile("mta-1", "acct-1.csv", len(data), 1)
        return take_file(conn, file, path, READING, dag_id="accounting_ingest", run_id="r")


def counted(store: Store) -> dict[tuple[str, str], int]:
    """Bounces by virtual MTA and provider."""
    d = s.delivery_days.c
    with store.session(tenant="*") as conn:
        query = select(s.ips.c.vmta_name, d.provider, d.bounced).join(s.ips, s.ips.c.id == d.ip_id)
        return {(vmta, provider): n for vmta, provider, n in conn.execute(query)}


def number_of(store: Store, table: str) -> int:
    with store.session(tenant="*") as conn:
        return int(conn.execute(select(func.count()).select_from(getattr(s, table))).scalar_one())


@pytest.mark.parametrize(
    ("status", "category"),
    [(EXPIRED, "message-expired"), (EXPIRED, "other"), ("5.0.0", "message-expired"), ("5.4.7 (expired)", "")],
)
def test_it_counts_nowhere_and_is_told(fleet: Store, status: str, category: str) -> None:
    suspend(fleet)
    taken = take(fleet, row(status=status, category=category), row(status=status, category=category))
    assert counted(fleet) == {}
    assert number_of(fleet, "delivery_events") == 0
    assert (taken.status, taken.records, taken.rejected) == ("taken", 2, 0)
    assert taken.message == "2 messages timed out because a provider was suspended: not counted"


@pytest.mark.parametrize(
    ("bounce", "who"),
    [
        (row(rcpt="a@gmail.com"), ("aurora-1", "gmail")),
        (row(vmta="aurora-2"), ("aurora-2", "yahoo")),
        (row(status="5.1.1 (bad)", category="bad-mailbox"), ("aurora-1", "yahoo")),
    ],
    ids=["another provider", "another IP", "another bounce"],
)
def test_every_other_bounce_counts(fleet: Store, bounce: str, who: tuple[str, str]) -> None:
    suspend(fleet)
    take(fleet, bounce, row())
    assert counted(fleet) == {who: 1}
    assert number_of(fleet, "delivery_events") == 1


@pytest.mark.parametrize(
    ("days", "counts"),
    [(-0.5, False), (-4.9, False), (-5.1, True)],
    ids=["just ended", "may wait", "long ago"],
)
def test_what_still_waited_when_the_suspension_ended_may_time_out_later(
    fleet: Store, days: float, counts: bool
) -> None:
    suspend(fleet, until=AT + timedelta(days=days))
    with fleet.session(tenant="*") as conn:
        conn.execute(update(s.brakes).values(engaged_at=AT - timedelta(days=9)))
    take(fleet, row())
    assert counted(fleet) == ({("aurora-1", "yahoo"): 1} if counts else {})


def test_a_stop_of_the_whole_ip_is_no_suspension(fleet: Store) -> None:
    suspend(fleet, provider="*")
    take(fleet, row())
    assert counted(fleet) == {("aurora-1", "yahoo"): 1}


def test_deferrals_and_a_file_that_is_read_with_care_are_no_different(fleet: Store) -> None:
    suspend(fleet)
    delivered = row(kind="d", status="2.0.0", category="")
    take(fleet, *([delivered] * 500), row(), row(kind="t"), "b,never,a@yahoo.com,,,,,aurora-1")
    with fleet.session(tenant="*") as conn:
        found = conn.execute(select(s.delivery_days)).one()
    assert (found.delivered, found.bounced, found.deferred) == (500, 0, 1)
