"""A refused file holds its host until it comes mended or somebody accepts the loss, by the form of `accounting_ingest`."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sqlalchemy import select

from email_engine.adapters.powermta import RemoteFile
from email_engine.store import schema as s
from email_engine.store.accounting import refusals
from email_engine.store.engine import Store
from email_engine_airflow.hooks.powermta import PowerMtaHook
from email_engine_airflow.operators.accounting_ingest import IngestHost, ListMtaHosts
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_ip, add_tenant

HEADER = "type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta\r\n"
MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
BAD = "acct-2026-11-01-0003.csv"


class Host:
    """One host's folder: content and modification time by name."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, int]] = {}

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def put(self, name: str, data: bytes, hour: float) -> None:
        self.files[name] = (data, int(MIDNIGHT.timestamp() + hour * 3600))

    def entries(self, _: str) -> tuple[RemoteFile, ...]:
        return tuple(RemoteFile(n, len(d), m) for n, (d, m) in self.files.items())

    def fetch(self, path: str, target: Any) -> RemoteFile:
        name = path.rpartition("/")[2]
        data, modified = self.files[name]
        target.write_bytes(data)
        return RemoteFile(name, len(data), modified)


@pytest.fixture
def host(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_host(conn, "mta-2")
        add_ip(conn, 1)
    fake = Host()
    monkeypatch.setattr(PowerMtaHook, "get_conn", lambda _: fake)
    fake.put("acct-2026-11-01-0002.csv", good(0, 5), 9)
    fake.put(BAD, bad(5), 10)
    ingest(11)
    return fake


def good(start: int, n: int) -> bytes:
    rows = (
        f"d,2026-11-01 09:15:00+0000,u{k}@gmail.com,,198.51.100.1,aurora-1\r\n"
        for k in range(start, start + n)
    )
    return (HEADER + "".join(rows)).encode()


def bad(start: int) -> bytes:
    return good(start, 5) + b"a row, cut\r\n" * 5


def context(hour: float, user: str | None = None, run_id: str = "run", **params: Any) -> dict[str, Any]:
    at = datetime.fromtimestamp(MIDNIGHT.timestamp() + hour * 3600, UTC)
    run = SimpleNamespace(
        dag_id="accounting_ingest", run_id=run_id, run_after=at, logical_date=None, triggering_user_name=user
    )
    return {"dag_run": run, "params": {"dry_run": False} | params}


def ingest(hour: float, host: str = "mta-1") -> dict[str, Any]:
    return IngestHost(task_id="ingest", mta_host=host).execute(context(hour))


def accept(
    what: Any, reason: str | None = "seen by hand", run_id: str = "manual__1", **params: Any
) -> list[str]:
    params |= {"accept_refused": what, "reason": reason}
    return ListMtaHosts(task_id="hosts").execute(context(30, "ann", run_id, **params))


def checked(store: Store) -> datetime | None:
    with store.session(tenant="*") as conn:
        c = s.mta_hosts.c
        return conn.execute(select(c.accounting_checked_at).where(c.name == "mta-1")).scalar_one()


def held(store: Store) -> dict[str, datetime]:
    with store.session(tenant="*") as conn:
        return refusals.holds(conn)


def file(store: Store, name: str = BAD) -> Any:
    f = s.accounting_files
    with store.session(tenant="*") as conn:
        return conn.execute(select(f).where(f.c.name == name).order_by(f.c.id).limit(1)).one()


def alerts(store: Store) -> list[str]:
    a = s.alerts.c
    with store.session(tenant="*") as conn:
        query = select(a.text).where(a.event == "accounting_file", a.cleared_at.is_(None)).order_by(a.id)
        return list(conn.execute(query).scalars())


FROM = datetime(2026, 11, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize("after", [12, 30, 700])
def test_a_later_run_without_the_file_does_not_forget_it(host: Host, store: Store, after: int) -> None:
    """Also when PowerMTA has deleted it, and weeks of good files came since."""
    del host.files[BAD]
    host.put("acct-later.csv", good(100, 3), after - 0.5)
    assert ingest(after)["taken"] == 1
    assert ingest(after)["refused"] == 0
    assert checked(store) is None
    assert held(store) == {"mta-1": FROM}


def test_the_alert_says_what_holds_and_both_ways_out(host: Host, store: Store) -> None:
    (told,) = alerts(store)
    assert f"accounting file {BAD} refused, nothing of it is counted: 5 of 10 rows unreadable" in told
    assert "their warm-up holds" in told
    assert "put it back under the same name" in told
    assert told.endswith(f"trigger accounting_ingest with accept_refused mta-1:{BAD} and a reason")


def test_a_mended_file_of_the_same_name_is_taken_and_ends_the_hold(host: Host, store: Store) -> None:
    host.put(BAD, bad(50), 10.5)
    assert ingest(12)["refused"] == 1
    assert held(store) == {"mta-1": FROM}
    host.put(BAD, good(5, 10), 11)
    done = ingest(13)
    assert (done["taken"], done["records"]) == (1, 10)
    assert (held(store), alerts(store)) == ({}, [])
    assert checked(store) == datetime(2026, 11, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "data"),
    [(BAD, HEADER.encode()), (BAD, good(0, 5)), ("acct-other.csv", good(5, 10))],
    ids=["a header alone", "a copy of another file", "another name"],
)
def test_what_does_not_bring_its_records_mends_nothing(
    host: Host, store: Store, name: str, data: bytes
) -> None:
    host.files.pop(BAD)
    host.put(name, data, 11)
    ingest(12)
    assert held(store) == {"mta-1": FROM}
    assert checked(store) is None


def test_somebody_accepts_it_and_who_and_why_stay_known(host: Host, store: Store) -> None:
    del host.files[BAD]
    assert accept(f"mta-1:{BAD}") == ["mta-1", "mta-2"]
    row = file(store)
    assert (row.accepted_by, row.accepted_because, row.accepted_run_id) == (
        "ann",
        "seen by hand",
        "manual__1",
    )
    assert row.accepted_at == datetime(2026, 11, 2, 6, tzinfo=UTC)
    assert (held(store), alerts(store)) == ({}, [])
    ingest(31)
    assert checked(store) == datetime(2026, 11, 2, 7, tzinfo=UTC)


def test_all_of_a_host_by_a_star_by_digest_and_by_lines(host: Host, store: Store) -> None:
    for n in range(4):
        host.put(f"bad-{n}.csv", bad(200 + 10 * n), 12 + n)
    ingest(17)
    accept(f"  mta-1:bad-0.csv \n\n{file(store, 'bad-1.csv').digest[:12]}\n")
    assert len(alerts(store)) == 3
    accept("mta-1:*", run_id="manual__2")
    assert (held(store), alerts(store)) == ({}, [])
    assert file(store, "bad-0.csv").accepted_run_id == "manual__1"


@pytest.mark.parametrize(
    ("what", "reason", "said"),
    [
        (f"mta-2:{BAD}", "x", f"no refused file mta-2:{BAD}; expected mta-1:{BAD}"),
        (f"mta-1:{BAD}\nmta-1:nope.csv", "x", "no refused file mta-1:nope.csv"),
        (BAD, "x", "no refused file"),
        ("mta-2:*", "x", "no refused file mta-2:*"),
        (f"mta-1:{BAD}", None, "a reason of 0 characters"),
        (f"mta-1:{BAD}", "  ", "a reason of 0 characters"),
        (f"mta-1:{BAD}", "x" * 501, "a reason of 501 characters; expected 1 to 500"),
        ("y" * 100_000, "x", "copy the name from the alert; nothing was accepted"),
    ],
)
def test_a_mistake_accepts_nothing_and_says_what_stands(
    host: Host, store: Store, what: str, reason: str | None, said: str
) -> None:
    with pytest.raises(AirflowFailException) as caught:
        accept(what, reason)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 1000
    with pytest.raises(AirflowFailException):
        accept(what, reason, dry_run=True)
    assert file(store).accepted_at is None
    assert held(store) == {"mta-1": FROM}


def test_a_dry_run_tells_and_accepts_nothing(
    host: Host, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    accept(f"mta-1:{BAD}", dry_run=True)
    assert f"mta-1:{BAD}: would be accepted for lost by ann: seen by hand" in caplog.text
    assert file(store).accepted_at is None


@pytest.mark.parametrize("what", [f"mta-1:{BAD}", "mta-1:*"])
def test_a_cleared_run_accepts_nothing_that_was_refused_since(host: Host, store: Store, what: str) -> None:
    accept(what)
    host.put(BAD, bad(70), 20)
    ingest(21)
    accept(what)
    assert "mta-1" in held(store), "the same name was refused again, and nobody has seen that one"
    assert len(alerts(store)) == 1
    accept(what, run_id="manual__9")
    assert held(store) == {}
    accept(what, run_id="manual__10")
    assert file(store).accepted_run_id == "manual__1", "who accepted it first stays known"


def test_another_host_is_not_held(host: Host, store: Store) -> None:
    host.files = {"acct.csv": (good(300, 1), int(MIDNIGHT.timestamp()))}
    ingest(12, "mta-2")
    with store.session(tenant="*") as conn:
        c = s.mta_hosts.c
        assert conn.execute(select(c.accounting_checked_at).where(c.name == "mta-2")).scalar_one() is not None
