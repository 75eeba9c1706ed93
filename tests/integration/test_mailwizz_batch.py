"""Many delivery servers at once on a real MariaDB: what is written, what is skipped, and by how many statements."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, text

from email_engine.adapters.mailwizz_batch import MailwizzBatch, Wanted, skips_locked
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.mailwizz_failures import ReadOnly, RowLocked
from email_engine.errors import AccessDenied, NotVerified, Refused
from email_engine.mailer.model import QuotaChange, Setting
from email_engine.pipelines.mailwizz_quota_sync.ways import Ways
from tests.integration import mailwizz_rows as rows
from tests.integration.mailwizz_db_suite import database
from tests.mariadb_fixtures import UPDATE, Mariadb, needs_mariadb, run

pytestmark = needs_mariadb
SERVERS = range(101, 106)
OLD, NEW = Setting(500, 50, "active"), Setting(700, 70, "active")


@pytest.fixture(scope="module")
def admin(mariadb: Mariadb) -> Iterator[Engine]:
    with mariadb.mailwizz() as engine:
        rows.metadata.create_all(engine)
        run(engine, UPDATE)
        yield engine


@pytest.fixture
def mailwizz(admin: Engine) -> Iterator[Engine]:
    """Five running servers of 500 a day."""
    run(
        admin,
        "SET GLOBAL read_only = 0",
        *(f"DELETE FROM {table.name}" for table in rows.metadata.sorted_tables),
    )
    with admin.begin() as conn:
        for n in SERVERS:
            conn.execute(
                insert(rows.server).values(
                    server_id=n, type="smtp-pmta", name=f"aurora-{n}", hostname="mta-1", meta_data=rows.header(f"aurora-{n}"),
                    daily_quota=500, hourly_quota=50, status="active",
                )
            )  # fmt: skip
    yield admin
    run(admin, "SET GLOBAL read_only = 0")


@pytest.fixture
def db(mariadb: Mariadb) -> Iterator[MailwizzDb]:
    with database(mariadb.by_socket()) as opened:
        yield opened


def wanted(*ids: int, old: Setting = OLD, new: Setting = NEW) -> list[Wanted]:
    return [Wanted(n, old, new) for n in ids or SERVERS]


def standing(engine: Engine) -> dict[int, tuple[int, int, str]]:
    with engine.connect() as conn:
        found = conn.execute(
            text("SELECT server_id, daily_quota, hourly_quota, status FROM mw_delivery_server")
        )
        return {row[0]: (row[1], row[2], row[3]) for row in found}


@contextmanager
def held(engine: Engine, server_id: int) -> Iterator[Connection]:
    """Another session has the row, as an open transaction in a database tool does."""
    with engine.connect() as conn:
        conn.execute(text(f"SELECT * FROM mw_delivery_server WHERE server_id = {server_id} FOR UPDATE"))
        yield conn
        conn.rollback()


def test_all_are_written_at_once_and_read_back(db: MailwizzDb, mailwizz: Engine) -> None:
    assert MailwizzBatch(db).write(wanted()) == {}
    assert standing(mailwizz) == dict.fromkeys(SERVERS, (700, 70, "active"))
    touched = rows.row(mailwizz, 101)["last_updated"]
    assert touched is not None


def test_on_off_and_quotas_in_one_batch(db: MailwizzDb, mailwizz: Engine) -> None:
    rows.change(mailwizz, 103, status="disabled", daily_quota=1, hourly_quota=1)
    rows.change(mailwizz, 104, status="in-use")
    off, on = Setting(1, 1, "disabled"), Setting(50, 5, "active")
    plan = [Wanted(101, OLD, off), Wanted(103, off, on), Wanted(104, OLD, NEW)]
    assert MailwizzBatch(db).write(plan) == {}
    assert standing(mailwizz) == {
        101: (1, 1, "disabled"), 102: (500, 50, "active"), 103: (50, 5, "active"), 104: (700, 70, "in-use"),
        105: (500, 50, "active"),
    }  # fmt: skip


def test_a_row_that_somebody_holds_is_skipped_by_name_and_at_once(db: MailwizzDb, mailwizz: Engine) -> None:
    with held(mailwizz, 102):
        began = time.monotonic()
        unwritten = MailwizzBatch(db).write(wanted())
        assert time.monotonic() - began < 2
    assert list(unwritten) == [102]
    assert isinstance(unwritten[102].error, RowLocked)
    assert "row 102 is locked by another session" in str(unwritten[102].error)
    assert standing(mailwizz) == dict.fromkeys(SERVERS, (700, 70, "active")) | {102: (500, 50, "active")}


@pytest.mark.parametrize(
    ("change", "says"),
    [({"daily_quota": 7}, "changed meanwhile: daily 7"), ({"status": "hidden"}, "changed meanwhile.*hidden"),
     ({"warmup_plan_id": 7}, "warm-up plan is active")],
    ids=["quota", "out of service", "warm-up plan"],
)  # fmt: skip
def test_a_row_that_changed_is_left_alone_by_name(
    db: MailwizzDb, mailwizz: Engine, change: dict[str, Any], says: str
) -> None:
    rows.change(mailwizz, 103, **change)
    before = standing(mailwizz)[103]
    unwritten = MailwizzBatch(db).write(wanted())
    assert list(unwritten) == [103]
    with pytest.raises(Refused, match=f"server 103.*{says}"):
        raise unwritten[103].error
    assert standing(mailwizz) == dict.fromkeys(SERVERS, (700, 70, "active")) | {103: before}


@pytest.mark.parametrize(
    ("status", "new"), [("disabled", Setting(1, 1, "disabled")), ("active", Setting(50, 5, "active"))]
)
def test_what_somebody_else_switched_meanwhile_is_theirs(
    db: MailwizzDb, mailwizz: Engine, status: str, new: Setting
) -> None:
    old = Setting(500, 50, "active" if status == "disabled" else "disabled")
    rows.change(mailwizz, 101, status=status)
    assert "changed meanwhile" in str(MailwizzBatch(db).write([Wanted(101, old, new)])[101].error)
    assert standing(mailwizz)[101] == (500, 50, status)


def test_a_server_to_be_switched_off_is_even_if_its_quotas_changed(db: MailwizzDb, mailwizz: Engine) -> None:
    rows.change(mailwizz, 101, daily_quota=7)
    unwritten = MailwizzBatch(db).write(wanted(101, new=Setting(1, 1, "disabled")))
    assert standing(mailwizz)[101] == (7, 50, "disabled")
    assert unwritten[101].half
    assert "changed meanwhile" in str(unwritten[101].error)


STRANGERS = pytest.mark.parametrize(
    ("change", "says"),
    [({"daily_quota": 0, "hourly_quota": 0}, "changed meanwhile: daily 0"), ({"daily_quota": 9_000}, "changed meanwhile: daily 9000"),
     ({"hourly_quota": 499}, "changed meanwhile.*hourly 499"), ({"warmup_plan_id": 7}, "warm-up plan is active")],
    ids=["unlimited", "more a day", "other an hour", "warm-up plan"],
)  # fmt: skip
ON = pytest.mark.parametrize("new", [OLD, NEW], ids=["same quotas", "new quotas"])


@STRANGERS
@ON
def test_no_server_goes_on_with_a_strangers_quotas(
    db: MailwizzDb, mailwizz: Engine, change: dict[str, Any], says: str, new: Setting
) -> None:
    """Somebody set them, or began a plan, between the look and the write."""
    rows.change(mailwizz, 101, status="disabled", **change)
    before = standing(mailwizz)[101]
    unwritten = MailwizzBatch(db).write([Wanted(101, Setting(500, 50, "disabled"), new)])
    with pytest.raises(Refused, match=f"server 101.*{says}"):
        raise unwritten[101].error
    assert not unwritten[101].half
    assert standing(mailwizz)[101] == before


@STRANGERS
@ON
def test_nor_row_by_row(
    db: MailwizzDb, mailwizz: Engine, change: dict[str, Any], says: str, new: Setting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Also where somebody comes between the quotas and the switch."""
    monkeypatch.setattr(MailwizzBatch, "possible", lambda batch: False)
    rows.change(mailwizz, 101, status="disabled")
    set_status = MailwizzDb.set_status

    def somebody_was_faster(database: MailwizzDb, *args: Any) -> None:
        rows.change(mailwizz, 101, **change)
        set_status(database, *args)

    monkeypatch.setattr(MailwizzDb, "set_status", somebody_was_faster)
    off = Setting(500, 50, "disabled")
    plan = QuotaChange(1, ip_address("198.51.100.1"), "aurora", 101, off, new, "released")
    unwritten = Ways(db, lambda changes: frozenset()).write([plan]).unwritten
    with pytest.raises(Refused, match=f"server 101.*{says}"):
        raise unwritten[101].error
    assert standing(mailwizz)[101][2] == "disabled"


@pytest.mark.parametrize("change", [{"daily_quota": 0, "hourly_quota": 0}, {"warmup_plan_id": 7}])
def test_a_brake_asks_for_no_quotas(db: MailwizzDb, mailwizz: Engine, change: dict[str, Any]) -> None:
    rows.change(mailwizz, 101, **change)
    db.set_status(101, "disabled", OLD)
    assert standing(mailwizz)[101][2] == "disabled"


def test_an_unlimited_server_is_not_switched_on(db: MailwizzDb, mailwizz: Engine) -> None:
    rows.change(mailwizz, 101, status="disabled", daily_quota=0, hourly_quota=0)
    off, on = Setting(0, 0, "disabled"), Setting(0, 0, "active")
    assert "unlimited" in str(MailwizzBatch(db).write([Wanted(101, off, on)])[101].error)
    with pytest.raises(Refused, match="unlimited"):
        db.set_status(101, "active", off)
    assert standing(mailwizz)[101] == (0, 0, "disabled")


def test_a_completed_plan_does_not_hinder(db: MailwizzDb, mailwizz: Engine) -> None:
    with mailwizz.begin() as conn:
        conn.execute(insert(rows.schedule).values(schedule_id=1, plan_id=7))
        conn.execute(
            insert(rows.plan_log).values(server_id=102, schedule_id=1, plan_id=7, status="completed")
        )
    rows.change(mailwizz, 102, warmup_plan_id=7)
    rows.change(mailwizz, 103, warmup_plan_id=7)
    assert list(MailwizzBatch(db).write(wanted(102, 103))) == [103]
    assert standing(mailwizz)[102] == (700, 70, "active")


def test_a_server_that_was_deleted_is_named_and_the_rest_is_written(db: MailwizzDb, mailwizz: Engine) -> None:
    run(mailwizz, "DELETE FROM mw_delivery_server WHERE server_id = 104")
    unwritten = MailwizzBatch(db).write(wanted())
    assert {n: found.error.observed for n, found in unwritten.items()} == {104: "no such row"}
    assert set(standing(mailwizz).values()) == {(700, 70, "active")}


def test_unlimited_is_never_written(db: MailwizzDb, mailwizz: Engine) -> None:
    plan = [*wanted(101, new=Setting(0, 70, "active")), *wanted(102)]
    unwritten = MailwizzBatch(db).write(plan)
    assert list(unwritten) == [101]
    assert "unlimited" in str(unwritten[101].error)
    assert standing(mailwizz)[101] == (500, 50, "active")


def test_what_reading_back_does_not_show_is_not_verified(db: MailwizzDb, mailwizz: Engine) -> None:
    run(
        mailwizz,
        "CREATE TRIGGER meddler BEFORE UPDATE ON mw_delivery_server FOR EACH ROW "
        "SET NEW.daily_quota = IF(NEW.server_id = 105, 9, NEW.daily_quota)",
    )
    try:
        unwritten = MailwizzBatch(db).write(wanted())
    finally:
        run(mailwizz, "DROP TRIGGER meddler")
    assert list(unwritten) == [105]
    assert isinstance(unwritten[105].error, NotVerified)
    assert "reading back shows daily 9" in str(unwritten[105].error)


def test_a_table_of_another_collation_is_written_too(db: MailwizzDb, mailwizz: Engine) -> None:
    run(mailwizz, "ALTER TABLE mw_delivery_server CONVERT TO CHARACTER SET latin1 COLLATE latin1_german1_ci")
    assert MailwizzBatch(db).write(wanted(new=Setting(1, 1, "disabled"))) == {}
    assert set(standing(mailwizz).values()) == {(1, 1, "disabled")}


def test_a_batch_takes_few_statements(db: MailwizzDb, mailwizz: Engine) -> None:
    batch = MailwizzBatch(db)
    assert batch.possible()
    db.servers()
    with mailwizz.connect() as watching:
        before = _questions(watching)
        batch.write(wanted())
        taken = _questions(watching) - before - 1
    assert taken == 5, "lock, update, commit, read back, and the end of that"


def _questions(conn: Connection) -> int:
    """Everything that clients sent so far, ends of transactions too, and this question itself."""
    return int(conn.execute(text("SHOW GLOBAL STATUS LIKE 'Questions'")).one()[1])


def test_rows_are_found_by_their_key_so_that_no_other_row_is_waited_for(
    db: MailwizzDb, mailwizz: Engine
) -> None:
    """The rest of the table is in somebody's hand: an update that scanned it would wait."""
    seen: list[tuple[str, Any]] = []
    event.listen(db._engine, "before_cursor_execute", lambda *args: seen.append((args[2], args[3])))
    with held(mailwizz, 105):
        assert MailwizzBatch(db).write(wanted(101, 102)) == {}
    statement, parameters = next(entry for entry in seen if entry[0].startswith("UPDATE"))
    with mailwizz.connect() as conn:
        plan = conn.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings().all()
    (table,) = [row for row in plan if row["table"] == "mw_delivery_server"]
    assert (table["type"], table["key"]) == ("eq_ref", "PRIMARY")


def test_a_replica_is_told_as_that(db: MailwizzDb, mailwizz: Engine) -> None:
    run(mailwizz, "SET GLOBAL read_only = 1")
    with pytest.raises(ReadOnly, match=r"read-only replica.*name the primary"):
        MailwizzBatch(db).write(wanted())
    with pytest.raises(ReadOnly, match="name the primary"):
        db.set_quota(101, 700, 70, OLD)
    run(mailwizz, "SET GLOBAL read_only = 0")
    assert set(standing(mailwizz).values()) == {(500, 50, "active")}


def test_a_missing_grant_refuses_the_batch_as_a_whole(db: MailwizzDb, mailwizz: Engine) -> None:
    revoke = UPDATE.replace("GRANT", "REVOKE").replace(" TO ", " FROM ")
    run(mailwizz, revoke)
    try:
        with pytest.raises(AccessDenied, match="UPDATE on quotas"):
            MailwizzBatch(db).write(wanted())
    finally:
        run(mailwizz, UPDATE)


@pytest.mark.parametrize(
    ("name", "mariadb_server", "version", "able"),
    [("mysql", True, (10, 5, 29), False), ("mysql", True, (10, 6, 0), True), ("mysql", True, (10, 11, 18), True),
     ("mysql", False, (5, 7, 44), False), ("mysql", False, (8, 0, 0), False), ("mysql", False, (8, 0, 1), True),
     ("mysql", False, (8, 4, 2), True), ("postgresql", False, (15, 1), True), ("mysql", False, None, False)],
)  # fmt: skip
def test_who_knows_skip_locked(name: str, mariadb_server: bool, version: Any, able: bool) -> None:
    class Dialect:
        pass

    dialect = Dialect()
    dialect.name, dialect.is_mariadb, dialect.server_version_info = name, mariadb_server, version  # type: ignore[attr-defined]
    assert skips_locked(dialect) is able
