"""The quota sync on a real MariaDB: one thing that goes wrong is one finding, and the rest is written."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, select, text

from email_engine.adapters import mailwizz_database
from email_engine.adapters.mailwizz_batch import MailwizzBatch
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.mailwizz_failures import ReadOnly, RowLocked, TooSlow
from email_engine.errors import EngineError, NotVerified, Refused
from email_engine.pipelines.mailwizz_quota_sync import sync, writer
from email_engine.store import schema as s
from email_engine.store.engine import Store
from tests import fleet_rows
from tests.integration import mailwizz_rows as rows
from tests.integration.test_mailwizz_batch import held, standing
from tests.mariadb_fixtures import UPDATE, Mariadb, needs_mariadb, run
from tests.quota_world import NOW, add_fleet, allow, clients, fill
from tests.quota_world import run as run_of

pytestmark = needs_mariadb
WANTED = (250, 25, "active")
STOOD = (100, 10, "active")
LOG = "mw_delivery_server_usage_log"


@pytest.fixture(scope="module")
def admin(mariadb: Mariadb) -> Iterator[Engine]:
    """MailWizz's tables, with its key of the usage log, which a deleted server leaves behind without its id."""
    with mariadb.mailwizz() as engine:
        rows.metadata.create_all(engine)
        run(
            engine, UPDATE, f"ALTER TABLE {LOG} MODIFY log_id INT AUTO_INCREMENT",
            f"ALTER TABLE {LOG} ADD KEY server_date (server_id, date_added), ADD FOREIGN KEY (server_id) "
            "REFERENCES mw_delivery_server (server_id) ON DELETE SET NULL",
        )  # fmt: skip
        yield engine


@pytest.fixture
def mailwizz(admin: Engine) -> Iterator[Engine]:
    """Five servers of 100 a day."""
    fill(admin, 5)
    yield admin
    run(admin, "SET GLOBAL read_only = 0")


@pytest.fixture
def go(store: Store, mailwizz: Engine, mariadb: Mariadb) -> Callable[..., dict[str, Any]]:
    """The sync, in which all five are to have 250 a day."""
    add_fleet(store, 5, 250)
    return lambda number=1: sync(store, clients(mariadb.by_socket()), "mw-aurora", run_of(number))


def results(store: Store) -> dict[int, list[str]]:
    with store.session(tenant="*") as conn:
        found: dict[int, list[str]] = {}
        for row in conn.execute(select(s.quota_syncs).order_by(s.quota_syncs.c.id)):
            found.setdefault(row.server_id, []).append(row.result)
        return found


def each(server_ids: Iterable[int], result: str) -> dict[int, list[str]]:
    return {server_id: [result] for server_id in server_ids}


def told(store: Store) -> dict[str, str]:
    with store.session(tenant="*") as conn:
        standing = select(s.alerts).where(s.alerts.c.cleared_at.is_(None))
        return {row.event: row.text for row in conn.execute(standing)}


def sent_today(store: Store) -> dict[int, int]:
    with store.session(tenant="*") as conn:
        return {
            row.inputs["server_id"]: row.inputs["sent_today"]
            for row in conn.execute(select(s.decisions).where(s.decisions.c.kind == "quota"))
        }


def hand_over(mailwizz: Engine, *server_ids: int, ago: timedelta = timedelta(hours=1)) -> None:
    with mailwizz.begin() as conn:
        at = NOW.replace(tzinfo=None) - ago
        conn.execute(insert(rows.usage), [{"server_id": n, "date_added": at} for n in server_ids])


def account(store: Store, server_id: int, **counts: int) -> None:
    """What PowerMTA's accounting saw of its IP today."""
    with store.session(tenant="*") as conn:
        ip_id = conn.execute(select(s.ips.c.id).where(s.ips.c.mailwizz_server_id == server_id)).scalar_one()
        fleet_rows.add_hour(conn, ip_id, NOW.replace(hour=5, minute=0), **counts)


def test_a_deleted_server_leaves_usage_without_a_server_and_stops_nobody(
    go: Any, store: Store, mailwizz: Engine
) -> None:
    hand_over(mailwizz, 101, 101, 102)
    run(mailwizz, "DELETE FROM mw_delivery_server WHERE server_id = 102")
    with mailwizz.connect() as conn:
        assert conn.execute(text(f"SELECT COUNT(*) FROM {LOG} WHERE server_id IS NULL")).scalar_one() == 1
    done = go()
    assert (done["changed"], done["refused"]) == (4, 1)
    assert standing(mailwizz) == dict.fromkeys((101, 103, 104, 105), WANTED)
    assert sent_today(store) == {101: 2, 103: 0, 104: 0, 105: 0}
    assert "server 102 (10.0.0.2): no such delivery server" in told(store)["quota-findings"]


def test_of_usage_and_accounting_the_stricter_counts_and_a_gap_is_told(
    go: Any, store: Store, mailwizz: Engine
) -> None:
    hand_over(mailwizz, *[101] * 600, *[102] * 600, *[103] * 40, ago=timedelta(hours=3))
    hand_over(mailwizz, *[104] * 600, ago=timedelta(minutes=5))
    account(store, 101, delivered=100, bounced=20)
    account(store, 102, delivered=280, bounced=30)
    account(store, 105, delivered=70)
    go()
    assert sent_today(store) == {101: 600, 102: 600, 103: 40, 104: 600, 105: 70}
    alert = told(store)["quota-accounting"]
    assert "server 101 (10.0.0.1): handed 600 by two hours ago, accounting knows of 120" in alert
    assert not any(f"server {n}" in alert for n in (102, 103, 104, 105)), "known, few, or too young"
    account(store, 101, delivered=400)
    go(2)
    assert "quota-accounting" not in told(store)


class TestLockedRow:
    def test_it_is_named_and_the_rest_is_written(self, go: Any, store: Store, mailwizz: Engine) -> None:
        with held(mailwizz, 102):
            began = time.monotonic()
            with pytest.raises(
                NotVerified, match=r"1 servers not written: .*row 102 is locked by another session"
            ):
                go()
            assert time.monotonic() - began < 5
        assert standing(mailwizz) == dict.fromkeys((101, 103, 104, 105), WANTED) | {102: STOOD}
        assert results(store) == each((101, 103, 104, 105), "applied") | {102: ["refused"]}
        assert go(2)["changed"] == 1
        assert standing(mailwizz)[102] == WANTED

    @pytest.mark.parametrize(
        "hold",
        ["SELECT * FROM mw_delivery_server WHERE server_id = 102 FOR UPDATE",
         f"INSERT INTO {LOG} (server_id, date_added) VALUES (102, '2026-11-01')"],
        ids=["an open form", "a logged message"],
    )  # fmt: skip
    def test_one_that_is_free_a_moment_later_is_written_in_the_same_run(
        self, go: Any, store: Store, mailwizz: Engine, hold: str
    ) -> None:
        """As MailWizz's own workers hold it; the usage log's key holds the server's row too."""
        with mailwizz.connect() as other:
            other.execute(text(hold))
            timer = threading.Timer(0.5, other.rollback)
            timer.start()
            began = time.monotonic()
            assert go()["changed"] == 5
            timer.join()
        assert time.monotonic() - began > 0.3, "it was waited for"
        assert results(store) == each(range(101, 106), "applied")

    def test_a_raise_that_waited_for_it_asks_for_the_brake_again(
        self, go: Any, store: Store, mailwizz: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with held(mailwizz, 102) as other:

            def braked_meanwhile(seconds: float) -> None:
                if seconds != writer.LOCKED_AGAIN[-1]:
                    return
                other.rollback()
                with store.session(tenant="*") as conn:
                    ip_id = conn.execute(
                        select(s.ips.c.id).where(s.ips.c.mailwizz_server_id == 102)
                    ).scalar_one()
                    conn.execute(insert(s.brakes).values(
                        tenant="aurora", ip_id=ip_id, reason="listed", actor="test", engaged_at=NOW,
                    ))  # fmt: skip

            monkeypatch.setattr(
                "email_engine.pipelines.mailwizz_quota_sync.writer.time.sleep", braked_meanwhile
            )
            done = go()
        assert (done["changed"], done["held"]) == (4, 1)
        assert standing(mailwizz)[102] == STOOD
        assert results(store)[102] == ["refused"]

    def test_without_skip_locked_it_is_waited_for_alone(
        self, go: Any, store: Store, mailwizz: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(MailwizzBatch, "possible", lambda batch: False)
        monkeypatch.setattr(mailwizz_database, "_SESSION", "SET SESSION innodb_lock_wait_timeout = 1")
        with (
            held(mailwizz, 102),
            pytest.raises(NotVerified, match=r"row 102 is locked by another session \(.*1205"),
        ):
            go()
        assert standing(mailwizz) == dict.fromkeys((101, 103, 104, 105), WANTED) | {102: STOOD}
        assert results(store)[102] == ["refused"]


@pytest.mark.parametrize(
    "error",
    [
        RowLocked("the database", "Deadlock found", "none", "again"),
        Refused("the database", "syntax", "sql", "look"),
    ],
    ids=["deadlock", "another refusal"],
)
def test_a_batch_that_is_refused_as_a_whole_goes_row_by_row(
    go: Any, mailwizz: Engine, monkeypatch: pytest.MonkeyPatch, error: EngineError
) -> None:
    def refuses(batch: MailwizzBatch, wanted: Any) -> Any:
        raise error

    monkeypatch.setattr(MailwizzBatch, "write", refuses)
    assert go()["changed"] == 5
    assert set(standing(mailwizz).values()) == {WANTED}


def test_a_server_that_goes_while_it_is_written_is_named(
    go: Any, store: Store, mailwizz: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = MailwizzBatch.write

    def deleted_meanwhile(batch: MailwizzBatch, wanted: Any) -> Any:
        run(mailwizz, "DELETE FROM mw_delivery_server WHERE server_id = 104")
        return write(batch, wanted)

    monkeypatch.setattr(MailwizzBatch, "write", deleted_meanwhile)
    with pytest.raises(NotVerified, match=r"server 104 of .*no such row"):
        go()
    assert standing(mailwizz) == dict.fromkeys((101, 102, 103, 105), WANTED)
    assert results(store)[104] == ["refused"]


class TestUsageLog:
    @pytest.fixture(autouse=True)
    def kept(self, admin: Engine) -> Iterator[None]:
        fill(admin, 5)
        run(admin, f"RENAME TABLE {LOG} TO kept")
        yield
        run(admin, f"DROP VIEW {LOG}", f"RENAME TABLE kept TO {LOG}")

    def test_one_that_cannot_be_read_is_told_and_stops_nothing(
        self, store: Store, admin: Engine, mariadb: Mariadb
    ) -> None:
        run(
            admin,
            f"CREATE VIEW {LOG} AS SELECT server_id, date_added FROM kept WHERE (SELECT seq FROM seq_1_to_2) = 1",
        )
        self.syncs(store, admin, mariadb)
        assert "The usage log of mw-aurora cannot be read" in told(store)["quota-usage"]
        run(admin, f"CREATE OR REPLACE VIEW {LOG} AS SELECT * FROM kept")
        sync(store, clients(mariadb.by_socket()), "mw-aurora", run_of(2))
        assert "quota-usage" not in told(store)

    def test_one_that_takes_too_long_is_ended_by_the_database(
        self, store: Store, admin: Engine, mariadb: Mariadb, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mailwizz_database, "_SESSION", "SET SESSION max_statement_time = 0.3")
        run(
            admin,
            f"CREATE VIEW {LOG} AS SELECT 101 AS server_id, '2026-11-01 08:00:00' AS date_added FROM seq_1_to_20 WHERE SLEEP(1) = 0",
        )
        with MailwizzDb(mailwizz_database.MailwizzDatabase("x", mariadb.by_socket())) as db:
            with pytest.raises(TooSlow, match="SHOW FULL PROCESSLIST"):
                db.usage_today(NOW, [101])
            assert len(db.servers()) == 5, "the session goes on"
        self.syncs(store, admin, mariadb)
        assert "max_statement_time" in told(store)["quota-usage"]

    def syncs(self, store: Store, admin: Engine, mariadb: Mariadb) -> None:
        add_fleet(store, 5, 250)
        assert sync(store, clients(mariadb.by_socket()), "mw-aurora", run_of())["changed"] == 5
        assert set(standing(admin).values()) == {WANTED}


def test_usage_is_asked_by_server_so_that_the_index_serves(mailwizz: Engine, mariadb: Mariadb) -> None:
    run(
        mailwizz,
        f"INSERT INTO {LOG} (server_id, date_added) SELECT 101 + seq DIV 90 % 5, '2026-11-01' - INTERVAL seq % 90 DAY FROM seq_1_to_9000",
        f"ANALYZE TABLE {LOG}",
    )
    seen: list[tuple[str, Any]] = []
    with MailwizzDb(mailwizz_database.MailwizzDatabase("x", mariadb.by_socket())) as db:
        event.listen(db._engine, "before_cursor_execute", lambda *args: seen.append((args[2], args[3])))
        assert sum(db.usage_today(NOW, range(101, 104)).values()) == 60
    statement, parameters = seen[-1]
    with mailwizz.connect() as conn:
        (plan,) = conn.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings()
    assert (plan["type"], plan["key"]) == ("range", "server_date")
    assert int(plan["rows"]) < 200, "of 9,000"


def test_a_replica_ends_the_run_with_one_clear_error(go: Any, store: Store, mailwizz: Engine) -> None:
    run(mailwizz, "SET GLOBAL read_only = 1")
    with pytest.raises(ReadOnly, match=r"read-only replica. Next: name the primary"):
        go()
    assert set(standing(mailwizz).values()) == {STOOD}
    assert results(store) == each(range(101, 106), "refused")


def test_reductions_come_first_and_in_batches(
    go: Any, store: Store, mailwizz: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(store, 50, 4, 5)
    monkeypatch.setattr(writer, "BATCH", 2)
    write, order = MailwizzBatch.write, []

    def notes(batch: MailwizzBatch, wanted: Any) -> Any:
        assert all(results(store)[each.server_id][-1] == "not_verified" for each in wanted), (
            "noted before tried"
        )
        order.append(sorted(each.server_id for each in wanted))
        return write(batch, wanted)

    monkeypatch.setattr(MailwizzBatch, "write", notes)
    assert go()["changed"] == 5
    assert order == [[104, 105], [101, 102], [103]]
    assert results(store) == each(range(101, 106), "applied")


def test_a_statement_ends_in_the_database_before_nobody_waits_for_it(
    mailwizz: Engine, mariadb: Mariadb
) -> None:
    with (
        MailwizzDb(mailwizz_database.MailwizzDatabase("x", mariadb.by_socket())) as db,
        db.transaction() as conn,
    ):
        asked = text("SELECT @@max_statement_time, @@innodb_lock_wait_timeout, @@time_zone")
        limit, lock, zone = conn.execute(asked).one()
    assert (float(limit), lock, zone) == (
        mailwizz_database.SERVER_TIMEOUT,
        mailwizz_database.LOCK_TIMEOUT,
        "+00:00",
    )
    assert lock < limit < mailwizz_database.STATEMENT_TIMEOUT


def test_another_batch_costs_at_most_six_statements(
    go: Any, store: Store, mailwizz: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every kind that MailWizz's database is asked, ends of transactions too."""
    monkeypatch.setattr(writer, "BATCH", 5)
    go()
    taken = []
    with mailwizz.connect() as watching:
        asked = text("SHOW GLOBAL STATUS LIKE 'Questions'")
        for number, size in ((2, 5), (3, 1)):
            monkeypatch.setattr(writer, "BATCH", size)
            allow(store, 250 + number)
            before = int(watching.execute(asked).one()[1])
            assert go(number)["changed"] == 5
            taken.append(int(watching.execute(asked).one()[1]) - before)
    one, five = taken
    assert (five - one) / 4 <= 6


def test_the_engines_rows_go_by_batches_too(go: Any, store: Store, mailwizz: Engine) -> None:
    seen: list[str] = []
    event.listen(store._engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    go()
    words = [text.split() for text in seen if text.startswith(("INSERT", "UPDATE")) and "alerts" not in text]
    assert [(word[0], word[2 if word[0] == "INSERT" else 1]) for word in words] == [
        ("INSERT", "email_engine.decisions"), ("INSERT", "email_engine.quota_syncs"), ("UPDATE", "email_engine.quota_syncs"),
    ]  # fmt: skip
