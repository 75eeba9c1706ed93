"""What else may lie in an accounting folder: odd names, files that may not be read, files that are still written to. Over real
SSH and SFTP."""

import csv
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
from sqlalchemy import func, insert, select

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_health import newest_file
from email_engine.errors import EngineError
from email_engine.store import schema as s
from email_engine.store.accounting import delivery
from email_engine.store.engine import Store
from email_engine_airflow.hooks.powermta import PowerMtaHook
from email_engine_airflow.operators.accounting_ingest import IngestHost
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.integration.ssh_host import SshHost

FOLDER = "/var/log/pmta/done"
HEADER = b"type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta\r\n"
LONG_AGO = 1_700_000_000
ODD = {
    "no UTF-8": b"acct-\xff\xfe.csv",
    "line break": b"acct-\n2.csv",
    "line break at the end": b"acct-3.csv\n",
    "control characters": b"acct-\x1b[31m\x07.csv",
    "text that runs backwards": "acct-\u202evsc.csv".encode(),
    "leading dash": b"-rf.csv",
    "255 bytes": b"a" * 251 + b".csv",
    "two dots": b"..acct..csv",
}


@pytest.fixture
def ssh(
    tmp_path: Path, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SshHost]:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        for number in (1, 10):
            add_ip(conn, number)
    (tmp_path / FOLDER.lstrip("/")).mkdir(parents=True)
    with SshHost(tmp_path) as server:
        extra = {"host_key": server.host_key_text, "private_key": server.private_key_text}
        fields = {"conn_type": "powermta", "host": "127.0.0.1", "port": server.port, "login": "pmta"}
        monkeypatch.setenv("AIRFLOW_CONN_POWERMTA_MTA-1", json.dumps(fields | {"extra": extra}))
        yield server


def put(ssh: SshHost, name: bytes | str, data: bytes, modified: float = LONG_AGO) -> bytes:
    path = os.fsencode(ssh.root / FOLDER.lstrip("/")) + b"/" + os.fsencode(name)
    with open(path, "wb") as file:
        file.write(data)
    os.utime(path, (modified, modified))
    return path


def rows(start: int, n: int) -> bytes:
    """IPs .1 and .10, so that a row cut in its last field names another IP."""
    lines = (
        f"d,2026-11-01 10:{k % 60:02}:00+0000,u{k}@gmail.com,,198.51.100.{(1, 10)[k % 2]},aurora-{(1, 10)[k % 2]}\r\n"
        for k in range(start, start + n)
    )
    return "".join(lines).encode()


def context(**params: Any) -> dict[str, Any]:
    run = SimpleNamespace(
        dag_id="accounting_ingest",
        run_id="r",
        run_after=datetime(2026, 11, 1, 11, tzinfo=UTC),
        logical_date=None,
    )
    return {"dag_run": run, "params": {"dry_run": False} | params}


def ingest(**params: Any) -> dict[str, Any]:
    return IngestHost(task_id="ingest", mta_host="mta-1").execute(context(**params))


def attempts(store: Store) -> dict[str, int]:
    c = s.delivery_stats.c
    query = select(s.ips.c.vmta_name, func.sum(c.attempts)).join(s.ips, s.ips.c.id == c.ip_id)
    with store.session(tenant="*") as conn:
        return {name: int(n) for name, n in conn.execute(query.group_by(s.ips.c.vmta_name))}


def alerts(store: Store, *, standing: bool = True) -> list[Any]:
    a = s.alerts
    with store.session(tenant="*") as conn:
        found = conn.execute(select(a).where(a.c.event == "accounting_folder").order_by(a.c.id)).all()
    return [one for one in found if not standing or one.cleared_at is None]


def checked(store: Store) -> datetime | None:
    with store.session(tenant="*") as conn:
        return conn.execute(select(s.mta_hosts.c.accounting_checked_at)).scalar_one()


def session() -> PowerMta:
    return PowerMtaHook("powermta_mta-1").get_conn()


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_an_odd_name_is_named_and_passed_over_and_the_next_file_is_taken(
    ssh: SshHost, store: Store, caplog: pytest.LogCaptureFixture, name: bytes
) -> None:
    path = put(ssh, name, HEADER + rows(0, 1), LONG_AGO - 9)
    put(ssh, "acct-1.csv", HEADER + rows(10, 2))
    done = ingest()
    assert (done["taken"], done["odd"], done["records"]) == (1, 1, 2)
    (alert,) = alerts(store)
    assert alert.text.startswith(f"mta-1: 1 thing in {FOLDER} passed over: ")
    assert alert.text.isprintable()
    assert len(alert.text) < 600
    log = caplog.text
    assert "is passed over: " in log
    assert "fleet.yaml" not in log + alert.text
    assert checked(store) is None, "what it counts is unknown, so silence is not known to be no mail"
    with session() as mta:
        seen = newest_file(mta, FOLDER)
    assert (seen.name, len(seen.unusable)) == ("acct-1.csv", 1)

    assert ingest()["odd"] == 1
    assert len(alerts(store, standing=False)) == 1, "told once"
    os.unlink(path)
    assert ingest()["odd"] == 0
    assert (alerts(store), len(alerts(store, standing=False))) == ([], 1)
    assert checked(store) is not None


def test_all_odd_names_of_a_host_are_one_alert_that_stays_short(ssh: SshHost, store: Store) -> None:
    for number in range(40):
        put(ssh, b"x\xff%d\n.csv" % number, b"")
    for name in ODD.values():
        put(ssh, name, b"")
    assert ingest()["odd"] == 48
    (alert,) = alerts(store)
    assert "48 things" in alert.text
    assert "and 43 more" in alert.text
    assert "-rf.csv (its name begins with a dash)" in alert.text
    assert len(alert.text) < 1200


def test_directories_and_links_named_like_files_are_passed_over(ssh: SshHost, store: Store) -> None:
    folder = ssh.root / FOLDER.lstrip("/")
    (folder / "old.csv").mkdir()
    (folder / "archive").mkdir()
    put(ssh, "acct-1.csv", HEADER + rows(0, 1))
    assert ingest()["odd"] == 1
    assert checked(store) is not None, "a directory holds no rows"
    (folder / "link.csv").symlink_to(folder / "acct-1.csv")
    (folder / "dangling.csv").symlink_to("/nowhere")
    os.mkfifo(folder / "pipe.csv")
    done = ingest()
    assert (done["taken"], done["odd"]) == (0, 4)
    with session() as mta:
        assert newest_file(mta, FOLDER).name == "acct-1.csv"


def test_a_file_that_may_not_be_read_stops_no_other(
    ssh: SshHost, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(ssh, "acct-1.csv", HEADER + rows(0, 1), LONG_AGO - 9)
    put(ssh, "acct-2.csv", HEADER + rows(10, 2))
    real = asyncssh.SFTPServer.open

    def guarded(server: asyncssh.SFTPServer, path: bytes, *args: Any) -> Any:
        if path.endswith(b"acct-1.csv"):
            raise asyncssh.SFTPPermissionDenied("Permission denied")
        return real(server, path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(asyncssh.SFTPServer, "open", guarded)
        assert (ingest()["taken"], attempts(store)) == (1, {"aurora-1": 1, "aurora-10": 1})
    (alert,) = alerts(store)
    assert "acct-1.csv (cannot be read: permission denied)" in alert.text
    assert checked(store) is None
    assert ingest()["taken"] == 1
    assert alerts(store) == []
    assert checked(store) is not None


def test_a_dry_run_names_odd_names_in_its_log_alone(
    ssh: SshHost, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    put(ssh, ODD["no UTF-8"], b"")
    assert ingest(dry_run=True)["odd"] == 1
    assert "acct-\\xff\\xfe.csv is passed over: its name is no UTF-8" in caplog.text
    assert alerts(store, standing=False) == []


def look(store: Store, offset: float, ago: int = 0) -> None:
    at = datetime(2026, 11, 1, 11 - ago, tzinfo=UTC)
    with store.session(tenant="*") as conn:
        row = {"mta_host": "mta-1", "checked_at": at, "worst": "good", "reachable": True, "checks": {}}
        conn.execute(insert(s.mta_health).values(row | {"clock_offset_seconds": offset}))


@pytest.mark.parametrize("ahead", [None, 0.0, 3600.0, -86_000.0])
@pytest.mark.parametrize(("ago", "waits"), [(0, True), (6, True), (20, False), (4000, False), (-4000, False)])
def test_a_file_waits_until_nobody_wrote_to_it_for_a_while_by_the_clock_of_its_host(
    ssh: SshHost, store: Store, ahead: float | None, ago: int, waits: bool
) -> None:
    if ahead is not None:
        look(store, -500.0, ago=2)
        look(store, ahead)
    put(ssh, "acct-1.csv", HEADER + rows(0, 3), time.time() + (ahead or 0) - ago)
    done = ingest()
    assert (done["waiting"], done["taken"]) == ((1, 0) if waits else (0, 1))
    assert (checked(store) is None) is waits


class Writer(threading.Thread):
    """Copies a file into the folder bit by bit, cutting rows anywhere, until it is told to end with a whole row."""

    def __init__(self, path: bytes) -> None:
        super().__init__(daemon=True)
        self.path, self.enough = path, threading.Event()

    def run(self) -> None:
        data = rows(0, 60_000)
        with open(self.path, "ab", buffering=0) as file:
            for at in range(0, len(data), 1_979):
                file.write(data[at : at + 1_979])
                time.sleep(0.003)
                if self.enough.is_set():
                    end = data.index(b"\n", at + 1_979) + 1
                    file.write(data[at + 1_979 : end])
                    return


def truth(path: bytes) -> dict[str, int]:
    """By Python's own reader."""
    counts: dict[str, int] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            counts[row["vmta"]] = counts.get(row["vmta"], 0) + 1
    return counts


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for its age: what is changing must be seen by itself."""
    monkeypatch.setattr("email_engine.pipelines.accounting_ingest.folder.is_young", lambda *_: False)


@pytest.mark.usefixtures("hasty")
def test_a_file_that_grows_while_runs_fetch_it_is_counted_once(ssh: SshHost, store: Store) -> None:
    path = put(ssh, "acct-1.csv", HEADER)
    writer = Writer(path)
    writer.start()
    runs = []
    while writer.is_alive():
        runs.append(ingest())
        if len(runs) >= 4 and any(run["waiting"] for run in runs):
            writer.enough.set()
            writer.join()
    runs += [ingest(), ingest()]
    assert any(run["waiting"] for run in runs), "it never changed under a run: the test shows nothing"
    assert attempts(store) == truth(path)
    assert sum(truth(path).values()) > 100
    assert (runs[-1]["taken"], runs[-1]["waiting"]) == (0, 0)


@pytest.mark.usefixtures("hasty")
def test_a_file_that_grew_between_listing_and_reading_and_a_run_killed_before_its_commit_count_once(
    ssh: SshHost, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file grows behind the listing; the next run is killed between fetch and commit; the one after it grows again."""
    path = put(ssh, "acct-1.csv", HEADER + rows(0, 500)[:-9])
    assert ingest()["taken"] == 1
    real = PowerMta.entries

    def listed_then_grown(mta: PowerMta, folder: str) -> Any:
        found = real(mta, folder)
        append(path, rows(0, 500)[-9:] + rows(500, 400) + b"d,2026-11-0")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(PowerMta, "entries", listed_then_grown)
        append(path, b"")
        os.utime(path, (LONG_AGO + 5, LONG_AGO + 5))
        assert ingest()["waiting"] == 1
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "add_counts", killed)
        with pytest.raises(KeyboardInterrupt):
            ingest()
    append(path, rows(900, 300)[len(b"d,2026-11-0") :])
    assert ingest()["taken"] == 1
    assert ingest()["taken"] == 0
    assert attempts(store) == truth(path)
    assert sum(truth(path).values()) == 1200


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def append(path: bytes, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def during_read(mta_class: type[PowerMta], patch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Changes the file when it was copied and before its state is asked for."""
    import email_engine.adapters.powermta_download as module

    real = module._copy

    def copied(*args: Any) -> int:
        arrived = real(*args)
        change()
        return arrived

    patch.setattr(module, "_copy", copied)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("change", ["grows", "is cut", "is written anew with the same size"])
def test_a_file_that_changes_under_the_reading_waits_and_stops_no_other(
    ssh: SshHost, store: Store, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = put(ssh, "acct-1.csv", HEADER + rows(0, 100))
    changes: dict[str, Callable[[], object]] = {
        "grows": lambda: append(path, rows(100, 1)),
        "is cut": lambda: os.truncate(path, 60),
        "is written anew with the same size": lambda: os.utime(path, (LONG_AGO + 7, LONG_AGO + 7)),
    }
    with monkeypatch.context() as patch:
        during_read(PowerMta, patch, changes[change])
        done = ingest()
    assert (done["taken"], done["waiting"], checked(store)) == (0, 1, None)
    put(ssh, "acct-1.csv", HEADER + rows(0, 100), LONG_AGO + 60)
    assert ingest()["taken"] == 1
    assert sum(attempts(store).values()) == 100


def test_a_file_that_is_cut_while_it_is_read_is_no_broken_connection(
    ssh: SshHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import email_engine.adapters.powermta_download as module

    path = put(ssh, "acct-1.csv", HEADER + rows(0, 60_000))
    real = module._copy

    def cut_first(*args: Any) -> int:
        os.truncate(path, 40)
        return real(*args)

    monkeypatch.setattr(module, "_copy", cut_first)
    with session() as mta:
        after = mta.fetch(f"{FOLDER}/acct-1.csv", tmp_path / "copy")
    assert after is not None
    assert after.size == 40 == (tmp_path / "copy").stat().st_size


def test_a_large_file_arrives_byte_for_byte_whatever_the_windows_are(
    ssh: SshHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = os.urandom(3 * (1 << 20) + 17)
    put(ssh, "acct-1.csv", data)
    for window in (10_000, 1 << 20, len(data), 1 << 24):
        monkeypatch.setattr("email_engine.adapters.powermta_download.WINDOW", window)
        with session() as mta:
            after = mta.fetch(f"{FOLDER}/acct-1.csv", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == data
        assert after is not None
        assert after.size == len(data)


def test_no_room_for_a_copy_is_told_as_this_worker_s_and_not_the_host_s(ssh: SshHost) -> None:
    put(ssh, "acct-1.csv", HEADER)
    with (
        session() as mta,
        pytest.raises(EngineError, match="/dev/full on this worker: No space left on device"),
    ):
        mta.fetch(f"{FOLDER}/acct-1.csv", Path("/dev/full"))
