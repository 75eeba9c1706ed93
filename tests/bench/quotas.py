"""`make bench`: the quota sync of 1,000 delivery servers that all change, on a real MariaDB: in batches and, in the same run, row by
row; on loopback, and through a link with 5 ms each way.

`python -m tests.bench.quotas` runs it alone. Wall seconds of the whole sync: everything is read, planned, noted, written, read
back and recorded."""

import logging
import time
from contextlib import ExitStack
from unittest.mock import patch

from sqlalchemy import URL

from email_engine.adapters.mailwizz_batch import MailwizzBatch
from email_engine.pipelines.mailwizz_quota_sync import sync
from email_engine.store.engine import Store
from email_engine.store.migrate import prepare_role, upgrade
from stack.postgres import temporary_postgres
from tests.integration import mailwizz_rows as rows
from tests.mariadb_fixtures import INSTALL, MARIADBD, UPDATE, run, running_mariadb
from tests.quota_world import add_fleet, allow, clients, fill
from tests.quota_world import run as run_of
from tests.slow_link import slow_link

SERVERS = 1_000
ROW_BY_ROW = 200
"""So many go row by row, since it takes so long; told for all."""
ONE_WAY = 0.005
GOALS = {"loopback": 5.0, "10 ms": 10.0}
_runs = iter(range(1, 1_000_000))


def measure(store: Store, url: URL, allowance: int, count: int = SERVERS, *, at_once: bool) -> float:
    """Seconds of one sync in which the first `count` servers get this allowance, for as many as all of them."""
    allow(store, allowance, *range(1, count + 1))
    began = time.perf_counter()
    with ExitStack() as stack:
        if not at_once:
            stack.enter_context(patch.object(MailwizzBatch, "possible", lambda batch: False))
        done = sync(store, clients(url), "mw-aurora", run_of(next(_runs)))
    taken = time.perf_counter() - began
    assert done["changed"] == count, done
    return taken * SERVERS / count


def main() -> None:
    if not (MARIADBD and INSTALL):
        print("\nQuota sync: not measured, no mariadbd here (Debian: mariadb-server).")
        return
    logging.disable(logging.WARNING)
    print(
        f"\nQuota sync: {SERVERS:,} delivery servers of MailWizz on MariaDB, all of them change. Seconds.\n"
    )
    print(f"{'link':10}{'batches':>10}{'row by row':>12}{'nothing to do':>15}")
    with ExitStack() as stack:
        engine = stack.enter_context(temporary_postgres())
        store = Store(engine_at(engine))
        server = stack.enter_context(running_mariadb())
        mailwizz = stack.enter_context(server.mailwizz())
        rows.metadata.create_all(mailwizz)
        run(mailwizz, UPDATE)
        fill(mailwizz, SERVERS)
        add_fleet(store, SERVERS, 1)
        far = stack.enter_context(slow_link(server.port, ONE_WAY))
        links = {"loopback": server.url(), "10 ms": server.url().set(port=far)}
        allowances = iter(range(200, 10_000, 100))
        met = {}
        for link, url in links.items():
            taken = min(measure(store, url, next(allowances), at_once=True) for _ in range(2))
            slow = measure(store, url, next(allowances), ROW_BY_ROW, at_once=False)
            began = time.perf_counter()
            assert sync(store, clients(url), "mw-aurora", run_of(next(_runs)))["changes"] == 0
            idle = time.perf_counter() - began
            met[link] = taken < GOALS[link]
            print(f"{link:10}{taken:>10.2f}{slow:>12.2f}{idle:>15.2f}")
        store.dispose()
    for link, goal in GOALS.items():
        print(f"Goal: under {goal:g} s at {link}: {'met' if met[link] else 'MISSED'}.")
    logging.disable(logging.NOTSET)


def engine_at(postgres: str) -> str:
    """A new database of the engine's there; its address."""
    url = prepare_role(postgres, "engine_bench", "email_engine", "not-a-secret")
    upgrade(url)
    return url


if __name__ == "__main__":
    main()
