"""A link of 10 ms round trip to MailWizz's database: what it costs is counted in round trips, which grow by batches."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import URL

from email_engine.pipelines.mailwizz_quota_sync import sync
from email_engine.store.engine import Store
from tests.integration import mailwizz_rows as rows
from tests.integration.test_mailwizz_batch import standing
from tests.mariadb_fixtures import UPDATE, Mariadb, needs_mariadb, run
from tests.quota_world import add_fleet, clients, fill
from tests.quota_world import run as run_of
from tests.slow_link import slow_link

pytestmark = needs_mariadb
SERVERS = 400
ROUND_TRIP = 0.01


@pytest.fixture
def far(mariadb: Mariadb) -> Iterator[URL]:
    with slow_link(mariadb.port, ROUND_TRIP / 2) as port:
        yield mariadb.url().set(port=port)


def test_hundreds_of_servers_take_less_than_half_of_row_by_row(
    store: Store, mariadb: Mariadb, far: URL
) -> None:
    add_fleet(store, SERVERS, 250)
    with mariadb.mailwizz() as admin:
        rows.metadata.create_all(admin)
        run(admin, UPDATE)
        fill(admin, SERVERS)
        began = time.monotonic()
        assert sync(store, clients(far), "mw-aurora", run_of())["changed"] == SERVERS
        taken = time.monotonic() - began
        assert set(standing(admin).values()) == {(250, 25, "active")}
    assert taken < SERVERS * ROUND_TRIP * 2.5, "row by row it is five round trips each"
