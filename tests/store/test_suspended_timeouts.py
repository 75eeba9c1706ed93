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

HEADER = "type,timeLogged,rcpt,dsnStatus,dsnDiag,bounceCat,dlvSourceIp,vmta,timeQueued,queue,dsnMta"
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
    store: Store,
    provider: str = "yahoo",
    since: datetime = AT - timedelta(days=6),
    until: datetime | None = None,
    vmta: str = "aurora-1",
    holds: bool = True,
) -> None:
    with store.session(tenant="*") as conn:
        ip_id = conn.execute(select(s.ips.c.id).where(s.ips.c.vmta_name == vmta)).scalar_one()
        conn.execute(
            insert(s.brakes).values(
                tenant="aurora", ip_id=ip_id, provider=provider, reason="r", actor="a",
                engaged_at=since, released_at=until, powermta_holds=holds,
            )
        )  # fmt: skip


def row(
    rcpt: str = "a@yahoo.com",
    status: str = EXPIRED,
    category: str = "message-expired",
    vmta: str = "aurora-1",
    kind: str = "b",
    ip: str = "",
    queued: str = "2026-10-28 10:15:00+0000",
    queue: str = "yahoo.rollup",
    mx: str = "",
) -> str:
    said = f"{rcpt},{status},smtp;421 [TSS04] later,{category},{ip},{vmta},{queued},{queue}/{vmta},{mx}"
    return f"{kind},2026-11-01 10:15:00+0000,{said}"


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
        (row(rcpt="a@gmail.com", queue="gmail.rollup"), ("aurora-1", "gmail")),
        (
            row(rcpt="a@company.example", queue="company.example", mx="mx-eu.mail.yahoodns.net"),
            ("aurora-1", "yahoo"),
        ),
        (row(vmta="aurora-2"), ("aurora-2", "yahoo")),
        (row(status="5.1.1 (bad)", category="bad-mailbox"), ("aurora-1", "yahoo")),
    ],
    ids=["another provider", "a company that it serves", "another IP", "another bounce"],
)
def test_every_other_bounce_counts(fleet: Store, bounce: str, who: tuple[str, str]) -> None:
    suspend(fleet)
    take(fleet, bounce, row())
    assert counted(fleet) == {who: 1}
    assert number_of(fleet, "delivery_events") == 1


def test_mail_to_a_company_s_own_domain_in_the_provider_s_queue_waited_there_too(fleet: Store) -> None:
    suspend(fleet)
    take(fleet, row(rcpt="a@company.example"))
    assert counted(fleet) == {}


@pytest.mark.parametrize(
    ("since", "until", "counts"),
    [
        (-6, None, False),
        (-2.5, None, False),
        (-1.5, None, True),
        (-0.01, None, True),
        (-6, -1.5, False),
        (-6, -2.5, True),
        (-9, -5, True),
    ],
    ids=[
        "all of its time",
        "most of it",
        "less than half",
        "at the very end",
        "the queue drained since",
        "it could go for longer",
        "it came afterwards",
    ],
)
def test_what_could_go_for_most_of_its_time_timed_out_by_itself(
    fleet: Store, since: float, until: float | None, counts: bool
) -> None:
    end = None if until is None else AT + timedelta(days=until)
    suspend(fleet, since=AT + timedelta(days=since), until=end)
    take(fleet, row())
    assert counted(fleet) == ({("aurora-1", "yahoo"): 1} if counts else {})


@pytest.mark.parametrize(("since", "counts"), [(-3, False), (-2, True)])
def test_a_file_that_does_not_say_when_mail_was_queued(fleet: Store, since: float, counts: bool) -> None:
    """PowerMTA's own 4d12h is taken then, and the recipient's domain where no queue is named."""
    suspend(fleet, since=AT + timedelta(days=since))
    take(fleet, row(queued="", queue=""))
    assert counted(fleet) == ({("aurora-1", "yahoo"): 1} if counts else {})


def test_what_was_never_seen_to_stand_still_excuses_nothing(fleet: Store) -> None:
    suspend(fleet, holds=False)
    take(fleet, row())
    assert counted(fleet) == {("aurora-1", "yahoo"): 1}


def test_a_tenant_that_only_observes_now_holds_nothing(fleet: Store) -> None:
    suspend(fleet)
    with fleet.session(tenant="*") as conn:
        conn.execute(update(s.tenants).values(mode="observe"))
    take(fleet, row())
    assert counted(fleet) == {("aurora-1", "yahoo"): 1}


def test_a_stop_of_the_whole_ip_is_no_suspension(fleet: Store) -> None:
    suspend(fleet, provider="*")
    take(fleet, row())
    assert counted(fleet) == {("aurora-1", "yahoo"): 1}


def test_deferrals_and_a_file_that_is_read_with_care_are_no_different(fleet: Store) -> None:
    suspend(fleet)
    delivered = row(kind="d", status="2.0.0", category="")
    take(fleet, *([delivered] * 500), row(), row(kind="t"), "b,never,a@yahoo.com,,,,,aurora-1,,,")
    with fleet.session(tenant="*") as conn:
        found = conn.execute(select(s.delivery_days)).one()
    assert (found.delivered, found.bounced, found.deferred) == (500, 0, 1)
