"""`IngestHost`: SFTP in, PostgreSQL out; the adapter is real where the network matters and a fake elsewhere."""

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from sqlalchemy import func, select, update

from email_engine.adapters.powermta import RemoteFile
from email_engine.errors import EngineError, Unreachable
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine_airflow.hooks.powermta import PowerMtaHook
from email_engine_airflow.operators.accounting_ingest import IngestHost, ListMtaHosts
from email_engine_airflow.operators.publish import PublishAccounting
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.integration.ssh_host import SshHost

_serial = itertools.count()
HEADER = "type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta\r\n"
FOLDER = "/var/log/pmta/done"


@dataclass
class FakeHost:
    """As much of the adapter as the operator uses: `files` by name with content and modification time."""

    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    breaks_at: str = ""
    gone: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def entries(self, path: str) -> tuple[RemoteFile, ...]:
        assert path == FOLDER
        return tuple(RemoteFile(n, len(d), m) for n, (d, m) in self.files.items())

    def fetch(self, path: str, target: Path) -> RemoteFile | None:
        name = path.rpartition("/")[2]
        self.reads.append(name)
        if name == self.breaks_at:
            raise Unreachable("mta-1", "connection lost", "an answer", "is the host up?")
        if name in self.gone:
            return None
        data, modified = self.files[name]
        target.write_bytes(data)
        return RemoteFile(name, len(data), modified)


@pytest.fixture
def fleet(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_host(conn, "mta-2")
        add_ip(conn, 1)
    return store


@pytest.fixture
def host(fleet: Store, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    fake = FakeHost()
    monkeypatch.setattr(PowerMtaHook, "get_conn", lambda self: fake)
    return fake


def content(delivered: int, bad: int = 0) -> bytes:
    """Rows of their own for each call: two files never begin alike."""
    start = next(_serial)
    good = "".join(
        f"d,2026-11-01 10:15:00+0000,a{start}.{n}@gmail.com,,198.51.100.1,aurora-1\r\n"
        for n in range(delivered)
    )
    return (HEADER + good + "x\r\n" * bad).encode()


def ingest(
    mta_host: str = "mta-1",
    *,
    dry_run: bool = False,
    at: datetime = datetime(2026, 11, 1, 11, tzinfo=UTC),
) -> dict[str, Any]:
    return IngestHost(task_id="ingest", mta_host=mta_host).execute(context(at, dry_run=dry_run))


def context(
    at: datetime = datetime(2026, 11, 1, 11, tzinfo=UTC),
    run_id: str = "scheduled__1",
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    run = SimpleNamespace(dag_id="accounting_ingest", run_id=run_id, run_after=at, logical_date=None)
    return {"dag_run": run, "params": {"dry_run": dry_run}}


def attempts(store: Store) -> int:
    with store.session(tenant="*") as conn:
        return int(conn.execute(select(func.coalesce(func.sum(s.delivery_stats.c.attempts), 0))).scalar_one())


def count(store: Store, table: Any) -> int:
    with store.session(tenant="*") as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def test_closed_files_are_taken_oldest_first_and_only_once(fleet: Store, host: FakeHost) -> None:
    host.files = {"acct-2.csv": (content(2), 20), "acct-1.csv": (content(1), 10), "notes.txt": (b"x", 1)}
    assert ingest() == {
        "host": "mta-1",
        "taken": 2,
        "duplicate": 0,
        "refused": 0,
        "waiting": 0,
        "odd": 0,
        "records": 3,
        "rejected": 0,
    }
    assert host.reads == ["acct-1.csv", "acct-2.csv"]
    assert ingest()["taken"] == 0
    assert host.reads == ["acct-1.csv", "acct-2.csv"]
    assert attempts(fleet) == 3
    with fleet.session(tenant="*") as conn:
        rows = conn.execute(select(s.accounting_files.c.dag_id, s.accounting_files.c.run_id)).all()
    assert set(rows) == {("accounting_ingest", "scheduled__1")}


def test_a_renamed_copy_counts_nothing(fleet: Store, host: FakeHost) -> None:
    data = content(1)
    host.files = {"acct-1.csv": (data, 10)}
    ingest()
    host.files = {"acct-1-old.csv": (data, 10)}
    assert ingest()["duplicate"] == 1
    assert attempts(fleet) == 1


def test_a_bad_file_is_refused_with_an_alert_and_the_next_one_is_taken(fleet: Store, host: FakeHost) -> None:
    host.files = {
        "a.csv": (content(9, bad=1), 1),
        "b.csv": (b"\x00\x01", 2),
        "c.csv": (b"", 3),
        "d.csv": (content(4), 4),
    }
    result = ingest()
    assert (result["taken"], result["refused"]) == (1, 3)
    assert attempts(fleet) == 4
    assert count(fleet, s.alerts) == 3
    assert ingest()["refused"] == 0
    assert count(fleet, s.alerts) == 3


def test_a_host_that_breaks_off_fails_the_task_and_keeps_what_was_taken_and_the_next_run_heals(
    fleet: Store, host: FakeHost
) -> None:
    host.files = {"a.csv": (content(1), 1), "b.csv": (content(2), 2)}
    host.breaks_at = "b.csv"
    with pytest.raises(Unreachable, match="connection lost"):
        ingest()
    assert attempts(fleet) == 1
    host.breaks_at = ""
    assert ingest()["taken"] == 1
    assert attempts(fleet) == 3


def test_a_file_that_the_host_deleted_meanwhile_is_passed_over(fleet: Store, host: FakeHost) -> None:
    host.files = {"a.csv": (content(1), 1)}
    host.gone = frozenset({"a.csv"})
    assert ingest()["taken"] == 0


def checked_at(store: Store) -> datetime | None:
    with store.session(tenant="*") as conn:
        query = select(s.mta_hosts.c.accounting_checked_at).where(s.mta_hosts.c.name == "mta-1")
        return conn.execute(query).scalar_one()


def test_an_idle_host_is_known_up_to_the_last_good_look(fleet: Store, host: FakeHost) -> None:
    ingest()
    assert checked_at(fleet) is None, "an empty folder may be the wrong folder"
    host.files["a.csv"] = (content(1), 100)
    ingest(dry_run=True)
    assert checked_at(fleet) is None
    ingest()
    assert checked_at(fleet) == datetime(2026, 11, 1, 11, tzinfo=UTC)


def test_a_look_that_broke_off_or_refused_a_file_is_no_good_look(fleet: Store, host: FakeHost) -> None:
    host.files = {"a.csv": (content(1, bad=9), 100)}
    ingest()
    host.files["b.csv"] = (content(2), 200)
    host.breaks_at = "b.csv"
    with pytest.raises(EngineError):
        ingest()
    assert checked_at(fleet) is None


def test_a_dry_run_reads_and_reports_and_writes_nothing(fleet: Store, host: FakeHost) -> None:
    host.files = {"a.csv": (content(3), 1), "b.csv": (b"", 2)}
    result = ingest(dry_run=True)
    assert (result["taken"], result["refused"], result["records"]) == (1, 1, 3)
    assert [count(fleet, table) for table in (s.accounting_files, s.delivery_stats, s.alerts)] == [0, 0, 0]


REPORTS = "type,timeLogged,feedbackType,rcpt,dlvSourceIp,header_X-job,header_Message-Id,header_Date,arf_Arrival-Date"


@pytest.mark.parametrize(
    ("sent", "arrived", "day"),
    [
        pytest.param("Fri, 30 Oct 2026 23:30:00 +0000", "", 30, id="by the date of the mail"),
        pytest.param(
            "Fri, 30 Oct 2026 23:30:00 +0000", "Sat, 31 Oct 2026 02:10:00 +0200", 31, id="by its arrival"
        ),
        pytest.param("", "", 5, id="by the report, where it tells neither"),
        pytest.param("Fri, 30 Oct 2099 23:30:00 +0000", "", 5, id="by the report, where the date is a lie"),
    ],
)
def test_a_late_complaint_counts_for_the_day_the_mail_was_sent(
    fleet: Store, host: FakeHost, sent: str, arrived: str, day: int
) -> None:
    report = (
        f'f,2026-11-05 09:00:00+0000,abuse,ann@yahoo.com,198.51.100.1,camp-1,<m1@aurora>,"{sent}","{arrived}"'
    )
    host.files = {"fbl.csv": (f"{REPORTS}\r\n{report}\r\n".encode(), 10)}
    ingest(at=datetime(2026, 11, 5, 10, tzinfo=UTC))
    with fleet.session(tenant="*") as conn:
        (row,) = conn.execute(select(s.delivery_stats.c.hour, s.delivery_stats.c.complained)).all()
    assert (row.hour.day, row.complained) == (day, 1)


def publish(store: Store, run_id: str, *, dry_run: bool = False) -> dict[str, Any]:
    asset = Asset("email-engine-accounting")
    told = {asset: SimpleNamespace(extra={})}
    task = context(run_id=run_id, dry_run=dry_run) | {"outlet_events": told}
    PublishAccounting(task_id="publish", outlets=[asset]).execute(task)
    return dict(told[asset].extra)


def test_new_counts_are_published_by_the_run_that_took_them_and_by_no_other(
    fleet: Store, host: FakeHost
) -> None:
    host.files = {"a.csv": (content(1), 1), "b.csv": (b"", 2)}
    ingest()
    assert publish(fleet, "scheduled__1") == {"files": 1}
    with pytest.raises(AirflowSkipException, match="no file was taken"):
        publish(fleet, "scheduled__2")
    with pytest.raises(AirflowSkipException, match="dry run"):
        publish(fleet, "scheduled__1", dry_run=True)


@pytest.mark.parametrize("dry_run", [False, True])
def test_rows_from_the_future_refuse_their_file_with_an_alert(
    fleet: Store, host: FakeHost, dry_run: bool
) -> None:
    host.files = {"a.csv": (content(3).replace(b"2026-11-01", b"2126-11-01"), 1)}
    assert ingest(dry_run=dry_run)["refused"] == 1
    assert attempts(fleet) == 0
    assert count(fleet, s.alerts) == (not dry_run)


@pytest.mark.usefixtures("host")
def test_a_host_outside_the_fleet_is_named_with_the_known_ones(fleet: Store) -> None:
    with pytest.raises(AirflowFailException, match="MTA host mta-9: not in the fleet; expected mta-1, mta-2"):
        ingest("mta-9")


def test_the_hosts_to_map_over_come_from_the_database(fleet: Store) -> None:
    assert ListMtaHosts(task_id="hosts").execute(context()) == ["mta-1", "mta-2"]


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[SshHost]:
    with SshHost(tmp_path) as server:
        yield server


def connect(ssh: SshHost, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    extra = {"host_key": ssh.host_key_text, "private_key": ssh.private_key_text} | changes.pop("extra", {})
    fields = {"conn_type": "powermta", "host": "127.0.0.1", "port": ssh.port, "login": "pmta", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_POWERMTA_MTA_1", json.dumps(fields | changes))


def test_files_come_over_real_sftp(fleet: Store, ssh: SshHost, monkeypatch: pytest.MonkeyPatch) -> None:
    with fleet.session(tenant="*") as conn:
        conn.execute(
            update(s.mta_hosts).where(s.mta_hosts.c.name == "mta-1").values(connection="powermta_mta_1")
        )
    connect(ssh, monkeypatch)
    done = ssh.root / FOLDER.lstrip("/")
    done.mkdir(parents=True)
    (done / "acct-2026-11-01-0000.csv").write_bytes(content(5))
    os.utime(done / "acct-2026-11-01-0000.csv", (1_000_000, 1_000_000))
    assert ingest()["taken"] == 1
    assert ingest()["taken"] == 0
    assert attempts(fleet) == 5


def test_a_host_that_is_away_fails_with_its_name_and_the_next_step(
    fleet: Store, ssh: SshHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fleet.session(tenant="*") as conn:
        conn.execute(
            update(s.mta_hosts).where(s.mta_hosts.c.name == "mta-1").values(connection="powermta_mta_1")
        )
    connect(ssh, monkeypatch, port=1)
    with pytest.raises(EngineError) as caught:
        ingest()
    assert "127.0.0.1" in str(caught.value)
    assert "Next: " in str(caught.value)
