"""Sessions: whose rows, one transaction, clear errors."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import func, make_url, select, text

from email_engine.errors import AccessDenied, InputError, Unreachable
from email_engine.store import schema
from email_engine.store.engine import Store, connect
from tests.fleet_rows import add_tenant


def tenants(store: Store) -> int:
    with store.session("*") as conn:
        return conn.execute(select(func.count()).select_from(schema.tenants)).scalar_one()


def test_a_session_commits_as_a_whole(store: Store) -> None:
    with store.session("*") as conn:
        add_tenant(conn)
    assert tenants(store) == 1


def test_an_error_rolls_everything_back(store: Store) -> None:
    def half_done() -> None:
        with store.session("*") as conn:
            add_tenant(conn)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()
    assert tenants(store) == 0


def test_the_tenant_of_one_session_does_not_leak_into_the_next(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    with store.session("aurora") as conn:
        assert conn.execute(select(func.count()).select_from(schema.ips)).scalar_one() == 2
    with store.session() as conn:
        assert conn.execute(select(func.count()).select_from(schema.ips)).scalar_one() == 0


def test_times_come_back_in_utc(store: Store) -> None:
    with store.session() as conn:
        now = conn.execute(select(func.now())).scalar_one()
    assert now.utcoffset() == timedelta(0)


def test_a_bare_postgresql_url_is_read_with_psycopg_3(engine_database_url: str) -> None:
    store = connect(make_url(engine_database_url).set(drivername="postgresql"))
    with store.session() as conn:
        assert conn.execute(text("SELECT 1")).scalar_one() == 1
    store.dispose()


def test_a_database_that_is_away_is_unreachable_and_named_without_its_password() -> None:
    store = Store("postgresql+psycopg://engine:s3cret@127.0.0.1:1/email_engine")
    with pytest.raises(Unreachable) as away, store.session():
        pass
    assert "database email_engine on 127.0.0.1 as engine" in str(away.value)
    assert "s3cret" not in str(away.value) + repr(store)
    assert away.value.__suppress_context__


def test_a_wrong_password_is_access_denied(engine_database_url: str) -> None:
    store = Store(make_url(engine_database_url).set(password="wr0ng-one"))
    with pytest.raises(AccessDenied) as denied, store.session():
        pass
    assert "wr0ng-one" not in str(denied.value)


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(InputError, match="a URL for sqlite"):
        Store("sqlite://")
