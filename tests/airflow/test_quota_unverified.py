"""Writes to MailWizz that nobody could verify, and brakes that come while a server is being enabled."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from email_engine.adapters.mailwizz_batch import MailwizzBatch
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.decision import Origin
from email_engine.errors import EngineError, Unreachable
from email_engine.mailer.model import Setting
from email_engine.pipelines.mailwizz_quota_sync.ways import Ways
from email_engine.pipelines.mailwizz_quota_sync.writer import QuotaWriter
from email_engine.store import schema, versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.schema import quota_syncs as syncs
from email_engine.store.stops import brakes
from tests.airflow.test_quota_operator import (
    AS_OF,
    connections,
    fleet,
    lab,
    mailwizz,
    mailwizz_url,
    rows,
    settings,
    sync,
    told,
)

__all__ = ["connections", "fleet", "lab", "mailwizz", "mailwizz_url"]
OFF, ON = (1, 1, "disabled"), (50, 5, "active")
OURS = "UPDATE mw_delivery_server SET status = '{}', last_updated = now() at time zone 'utc' {} WHERE server_id = 103"


@pytest.fixture
def third(fleet: Any, store: Store) -> Iterator[Callable[[str], None]]:
    """Changes what is wanted of the third server, which the engine itself has disabled: `warming` is on, `standby` off."""
    fleet()
    sync()

    def turn(status: str) -> None:
        with store.session(tenant="*") as conn:
            ip = ips.load_ips(conn, day=AS_OF.date())[2]
            conn.execute(update(schema.ips).where(schema.ips.c.id == ip.ip_id).values(status=status))
            version = versions.bump(conn, status)
            ips.set_allowance(conn, ip.ip_id, "aurora", AS_OF.date(), 50, version, None)

    return turn


BATCH, STATUS, QUOTA = "batch", "set_status", "set_quota"
"""Where the connection is lost: in the one transaction of a batch, or at one step of the row-by-row way."""


def in_way(patch: pytest.MonkeyPatch, where: str) -> tuple[Any, str]:
    """Lets the sync go that way; class and method that write there."""
    patch.setattr(MailwizzBatch, "possible", lambda batch: where == BATCH)
    return (MailwizzBatch, "write") if where == BATCH else (MailwizzDb, where)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The next sync loses MailWizz's database at its write, before anything is changed or after."""

    def run(where: str = BATCH, *, after: bool) -> None:
        with monkeypatch.context() as patch:
            writes = in_way(patch, where)
            real = getattr(*writes)

            def loses(database: Any, *args: Any) -> None:
                if after:
                    real(database, *args)
                raise Unreachable("MailWizz database", "the connection was cut", "an answer", "try again")

            patch.setattr(*writes, loses)
            with pytest.raises(EngineError, match="the connection was cut"):
                sync("cut")

    return run


def by_person(mailwizz: Any, status: str, minutes: int = 2) -> None:
    """A person's click in MailWizz, which notes when it was."""
    mailwizz(OURS.format(status, f"+ interval '{minutes} minutes'"))


def state(mailwizz: Any) -> tuple[int, int, str]:
    return settings(mailwizz)[2]


def refused_as_a_persons(store: Store) -> bool:
    return "server 103 (198.51.100.3): disabled, and not by the engine" in told(store).get(
        "quota-findings", ""
    )


@pytest.mark.parametrize(
    ("where", "after", "stands"),
    [(BATCH, False, OFF), (BATCH, True, ON), (STATUS, False, (50, 5, "disabled")), (STATUS, True, ON)],
)
def test_a_server_whose_enabling_was_cut_off_is_enabled_by_the_next_run(
    third: Any, cut: Any, store: Store, mailwizz: Any, where: str, after: bool, stands: Any
) -> None:
    third("warming")
    cut(where, after=after)
    assert state(mailwizz) == stands
    assert sync("run-2")["refused"] == 0
    assert state(mailwizz) == ON
    assert "quota-drift" not in told(store), "nobody else had changed it"
    third("standby")
    sync("run-3")
    third("warming")
    assert sync("run-4")["refused"] == 0
    assert state(mailwizz) == ON


@pytest.mark.parametrize("where", [BATCH, STATUS, QUOTA])
@pytest.mark.parametrize("after", [False, True], ids=["not written", "written"])
def test_a_server_whose_disabling_was_cut_off_is_enabled_again(
    third: Any, cut: Any, store: Store, mailwizz: Any, where: str, after: bool
) -> None:
    third("warming")
    sync("run-2")
    third("standby")
    cut(where, after=after)
    third("warming")
    assert sync("run-3")["refused"] == 0
    assert state(mailwizz) == ON
    assert "quota-drift" not in told(store)


def test_two_writes_in_a_row_that_were_cut_off(third: Any, cut: Any, store: Store, mailwizz: Any) -> None:
    third("warming")
    cut(STATUS, after=False)
    cut(after=False)
    third("standby")
    cut(QUOTA, after=False)
    third("warming")
    cut(after=False)
    cut(after=True)
    assert sync("run-9")["refused"] == 0
    assert state(mailwizz) == ON
    assert "quota-drift" not in told(store)


def test_half_a_write_that_was_refused_is_no_drift(
    third: Any, store: Store, mailwizz: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quotas stood already when somebody held the row up."""
    third("warming")
    refuse = Unreachable.__mro__[1]("server 103", "the row changed meanwhile", "as it was read", "again")
    with monkeypatch.context() as patch:

        def refused(*_: Any) -> None:
            raise refuse

        patch.setattr(*in_way(patch, STATUS), refused)
        with pytest.raises(EngineError):
            sync("run-2")
    assert state(mailwizz) == (50, 5, "disabled")
    assert sync("run-3")["drift"] == 0
    assert state(mailwizz) == ON


def test_a_worker_that_died_in_the_middle_counts_as_cut_off(third: Any, store: Store, mailwizz: Any) -> None:
    third("warming")
    sync("run-2")
    third("standby")
    sync("run-3")
    with store.session(tenant="*") as conn:
        last = rows(store, syncs)[-1].id
        conn.execute(update(syncs).where(syncs.c.id == last).values(result="not_verified"))
    third("warming")
    assert sync("run-4")["refused"] == 0
    assert state(mailwizz) == ON


class TestPerson:
    """What a person disabled stays off, also after writes that nobody could verify."""

    @pytest.mark.parametrize("after", [False, True], ids=["not written", "written"])
    def test_after_an_enabling_that_was_seen_later(
        self, third: Any, cut: Any, store: Store, mailwizz: Any, after: bool
    ) -> None:
        third("warming")
        cut(after=after)
        sync("run-2")
        mailwizz("UPDATE mw_delivery_server SET status = 'disabled' WHERE server_id = 103")
        assert sync("run-3")["refused"] == 1
        assert state(mailwizz) == (50, 5, "disabled")
        assert refused_as_a_persons(store)

    def test_after_an_enabling_that_nobody_looked_at_yet(
        self, third: Any, cut: Any, store: Store, mailwizz: Any
    ) -> None:
        third("warming")
        cut(after=True)
        by_person(mailwizz, "disabled")
        assert sync("run-2")["refused"] == 1
        assert sync("run-3")["refused"] == 1
        assert state(mailwizz) == (50, 5, "disabled")
        assert refused_as_a_persons(store)

    def test_after_a_disabling_that_did_not_arrive(
        self, third: Any, cut: Any, store: Store, mailwizz: Any
    ) -> None:
        third("warming")
        sync("run-2")
        third("standby")
        cut(after=False)
        third("warming")
        sync("run-3")
        mailwizz("UPDATE mw_delivery_server SET status = 'disabled' WHERE server_id = 103")
        assert sync("run-4")["refused"] == 1
        assert state(mailwizz) == (50, 5, "disabled")

    def test_who_enables_and_disables_by_hand_keeps_it_off(
        self, third: Any, cut: Any, store: Store, mailwizz: Any
    ) -> None:
        third("warming")
        cut(after=False)
        by_person(mailwizz, "active")
        sync("run-2")
        by_person(mailwizz, "disabled", minutes=3)
        assert sync("run-3")["refused"] == 1
        assert state(mailwizz) == (50, 5, "disabled")


def test_a_server_that_is_gone_after_a_write_that_was_cut_off_is_a_finding(
    third: Any, cut: Any, store: Store, mailwizz: Any
) -> None:
    third("warming")
    cut(after=True)
    mailwizz("UPDATE mw_delivery_server SET server_id = 903 WHERE server_id = 103")
    try:
        assert sync("run-2")["refused"] == 1
        assert "server 103 (198.51.100.3): no such delivery server" in told(store)["quota-findings"]
    finally:
        mailwizz("UPDATE mw_delivery_server SET server_id = 103 WHERE server_id = 903")
    sync("run-3")
    assert state(mailwizz) == ON


def test_a_dry_run_settles_nothing(third: Any, cut: Any, store: Store, mailwizz: Any) -> None:
    third("warming")
    cut(after=True)
    before = rows(store, syncs)
    assert sync("dry", dry_run=True)["changes"] == 0
    assert rows(store, syncs) == before


class TestBrake:
    """A brake that is committed at any moment of a sync that would enable the server: in the end it is off."""

    @pytest.fixture
    def brake(self, store: Store) -> Callable[[], None]:
        def engage() -> None:
            with store.session(tenant="*") as conn:
                ip = ips.load_ips(conn, day=AS_OF.date())[2]
                brakes.engage(
                    conn, ip, "stopped", Origin("emergency_stop", AS_OF, "emergency_stop", "run"), None
                )

        return engage

    @pytest.mark.parametrize(
        ("moment", "enabled"),
        [("before the plan", 0), ("before the check", 0), ("between note and write", 0), ("between check and write", 1),
         ("after the write", 1)],
    )  # fmt: skip
    def test_the_server_is_off_in_the_end(
        self, third: Any, brake: Any, store: Store, mailwizz: Any, monkeypatch: Any, moment: str, enabled: int
    ) -> None:
        third("warming")
        apply, tries, write = QuotaWriter.apply, Ways.write, MailwizzBatch.write
        seen: list[str] = []

        def plans(writer: QuotaWriter, *args: Any, **kwargs: Any) -> Any:
            if moment == "before the check":
                brake()
            return apply(writer, *args, **kwargs)

        def noted(ways: Ways, changes: Any) -> Any:
            if moment == "between note and write" and changes[0].new.runs:
                brake()
            return tries(ways, changes)

        def writes(batch: MailwizzBatch, wanted: Any) -> Any:
            statuses = [each.new.status for each in wanted]
            if moment == "between check and write" and statuses == ["active"]:
                brake()
            unwritten = write(batch, wanted)
            seen.extend(statuses)
            if moment == "after the write" and statuses == ["active"]:
                brake()
            return unwritten

        with monkeypatch.context() as patch:
            patch.setattr(QuotaWriter, "apply", plans)
            patch.setattr(Ways, "write", noted)
            patch.setattr(MailwizzBatch, "write", writes)
            if moment == "before the plan":
                brake()
            sync("run-2")
        assert state(mailwizz)[2] == "disabled"
        assert seen == ["active", "disabled"][: 2 * enabled], "on for no longer than the one write"
        sync("run-3")
        assert state(mailwizz) == OFF
        with store.session(tenant="*") as conn:
            conn.execute(update(schema.brakes).values(released_at=datetime.now(UTC) + timedelta(seconds=1)))
        assert sync("run-4")["refused"] == 0
        assert state(mailwizz) == ON

    @pytest.mark.parametrize(
        ("moment", "enabled"),
        [
            ("before quotas", 0),
            ("between quotas and status", 0),
            ("between check and write", 1),
            ("after the write", 1),
        ],
    )
    def test_row_by_row_too(
        self, third: Any, brake: Any, mailwizz: Any, monkeypatch: Any, moment: str, enabled: int
    ) -> None:
        third("warming")
        set_quota, set_status = MailwizzDb.set_quota, MailwizzDb.set_status
        seen: list[str] = []

        def steps(ways: Ways, change: Any) -> Any:
            if moment == "before quotas":
                brake()
            return real_steps(ways, change)

        def quotas(database: MailwizzDb, *args: Any) -> None:
            set_quota(database, *args)
            if moment == "between quotas and status":
                brake()

        def status(database: MailwizzDb, server_id: int, wanted: str, old: Setting) -> None:
            if moment == "between check and write" and wanted == "active":
                brake()
            set_status(database, server_id, wanted, old)
            seen.append(wanted)
            if moment == "after the write" and wanted == "active":
                brake()

        real_steps = Ways._steps
        with monkeypatch.context() as patch:
            in_way(patch, STATUS)
            patch.setattr(Ways, "_steps", steps)
            patch.setattr(MailwizzDb, "set_quota", quotas)
            patch.setattr(MailwizzDb, "set_status", status)
            sync("run-2")
        assert state(mailwizz)[2] == "disabled"
        assert seen == ["active", "disabled"][: 2 * enabled]

    def test_a_running_server_gets_no_more_either(
        self, fleet: Any, store: Store, mailwizz: Any, monkeypatch: Any
    ) -> None:
        fleet()
        sync()
        apply = QuotaWriter.apply
        with store.session(tenant="*") as conn:
            ip = ips.load_ips(conn, day=AS_OF.date())[1]
            ips.set_allowance(conn, ip.ip_id, "aurora", AS_OF.date(), 500, versions.bump(conn, "more"), None)

        def braked_first(writer: QuotaWriter, *args: Any, **kwargs: Any) -> Any:
            with store.session(tenant="*") as conn:
                brakes.engage(conn, ip, "listed", Origin("rbl_sweep", AS_OF, "rbl_sweep", "run"), None)
            return apply(writer, *args, **kwargs)

        monkeypatch.setattr(QuotaWriter, "apply", braked_first)
        result = sync("run-2")
        assert (result["changed"], result["held"]) == (0, 1)
        assert settings(mailwizz)[1] == (250, 25, "active"), "left to the brake, which disables it"
