"""Rows of the quota sync, many at once, as they were one by one; and never another tenant's."""

from datetime import date

import pytest
from sqlalchemy import insert, select

from email_engine.decision import Decision
from email_engine.errors import Refused
from email_engine.mailer.model import Setting
from email_engine.store import quota_syncs, versions
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.judgement import decisions
from email_engine.store.quota_syncs import Begun, Finished, SyncResult
from email_engine.store.stops import brakes
from tests import fleet_rows
from tests.quota_world import NOW, add_fleet


def ids(store: Store) -> list[int]:
    with store.session(tenant="*") as conn:
        return list(conn.execute(select(s.ips.c.id).order_by(s.ips.c.id)).scalars())


def begun(ip_id: int, number: int) -> Begun:
    return Begun(
        ip_id=ip_id, tenant="aurora", mailwizz="mw-aurora", server_id=100 + number, day=date(2026, 11, 1), fleet_version=1,
        old=Setting(1, 1, "active"), new=Setting(number, 2, "active"), reason="more", dag_id=None, run_id=None,
    )  # fmt: skip


def decided(subject: str, tenant: str = "aurora") -> Decision:
    return Decision(
        tenant, "mailwizz_quota_sync", subject, "1/2026-11-01", "set-quotas", "more", NOW, "digest", "quota"
    )


def test_writes_are_noted_in_order_and_completed_each_by_its_own_result(store: Store) -> None:
    add_fleet(store, 3, 250)
    with store.session(tenant="aurora") as conn:
        noted = quota_syncs.begin_many(
            conn, [begun(ip_id, n) for n, ip_id in enumerate(reversed(ids(store)))]
        )
        rows = {row.id: row for row in conn.execute(select(s.quota_syncs))}
        assert [(rows[n].server_id, rows[n].result) for n in noted] == [
            (100 + n, "not_verified") for n in range(3)
        ]
        quota_syncs.finish_many(
            conn,
            [
                Finished(noted[2], SyncResult.REFUSED, "it's locked; 100 %"),
                Finished(noted[0], SyncResult.APPLIED, "more"),
            ],
        )
        found = {row.id: (row.result, row.message) for row in conn.execute(select(s.quota_syncs))}
    assert [found[n] for n in noted] == [
        ("applied", "more"),
        ("not_verified", "more"),
        ("refused", "it's locked; 100 %"),
    ]


def test_nothing_is_no_statement(store: Store) -> None:
    with store.session(tenant="aurora") as conn:
        assert quota_syncs.begin_many(conn, []) == []
        quota_syncs.finish_many(conn, [])
        decisions.record_many(conn, [], None, None)
        assert brakes.standing(conn, []) == frozenset()


def test_another_tenants_write_is_not_completed(store: Store) -> None:
    add_fleet(store, 1, 250)
    with store.session(tenant="aurora") as conn:
        (noted,) = quota_syncs.begin_many(conn, [begun(ids(store)[0], 1)])
    with store.session(tenant="borealis") as conn:
        quota_syncs.finish_many(conn, [Finished(noted, SyncResult.APPLIED, "not mine")])
    with store.session(tenant="*") as conn:
        assert conn.execute(select(s.quota_syncs.c.result)).scalar_one() == "not_verified"


def test_decisions_that_are_there_already_stay_and_the_rest_is_added(store: Store) -> None:
    add_fleet(store, 1, 250)
    with store.session(tenant="aurora") as conn:
        first = decisions.record(conn, decided("10.0.0.1"), None, "run-1")
        decisions.record_many(
            conn, [decided("10.0.0.1"), decided("10.0.0.2"), decided("10.0.0.2")], None, "run-2"
        )
        rows = [
            (row.id, row.subject, row.run_id)
            for row in conn.execute(select(s.decisions).order_by(s.decisions.c.id))
        ]
    assert rows[0] == (first, "10.0.0.1", "run-1")
    assert [row[1:] for row in rows[1:]] == [("10.0.0.2", "run-2")]


def test_a_key_of_another_tenant_is_refused(store: Store) -> None:
    with store.session(tenant="*") as conn:
        fleet_rows.add_tenant(conn, "aurora")
        fleet_rows.add_tenant(conn, "borealis")
        decisions.record(conn, decided("10.0.0.1", "borealis"), None, None)
    with store.session(tenant="aurora") as conn, pytest.raises(Refused, match="taken by another tenant"):
        decisions.record_many(conn, [decided("10.0.0.1"), decided("10.0.0.2")], None, None)


def test_only_brakes_of_whole_ips_that_stand_count(store: Store) -> None:
    add_fleet(store, 4, 250)
    one, two, three, four = ids(store)
    usual = {"tenant": "aurora", "reason": "listed", "actor": "test", "engaged_at": NOW}
    with store.session(tenant="*") as conn:
        versions.bump(conn, "test")
        conn.execute(
            insert(s.brakes),
            [usual | {"ip_id": one, "provider": "*", "released_at": None}, usual | {"ip_id": two, "provider": "gmail", "released_at": None},
             usual | {"ip_id": three, "provider": "*", "released_at": NOW}],
        )  # fmt: skip
        assert brakes.standing(conn, [one, two, three, four]) == {one}
