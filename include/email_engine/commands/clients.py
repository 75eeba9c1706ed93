"""What commands that act talk to: the engine's database, and the clients of pipelines, without Airflow."""

import argparse
import getpass
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from email_engine.adapters import connections
from email_engine.adapters.connection_source import ConnectionSource
from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.telegram import Telegram
from email_engine.commands.output import DATABASE, database_url
from email_engine.errors import EngineError
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.outbox import deliver
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store

ENGINE_DB, RESOLVER, TELEGRAM = "email_engine_db", "dns_resolver_default", "telegram_alerts_default"


def shell_clients(source: ConnectionSource) -> Clients:
    """The same clients as in Airflow, from the same connections."""
    return Clients(
        mta=lambda name: PowerMta(connections.powermta(source.fields(name))),
        mailwizz_db=lambda name: connections.mailwizz_db(source.fields(name)),
        mailwizz_api=lambda name: connections.mailwizz_api(source.fields(name)),
        resolver=lambda: connections.resolver(source.fields(RESOLVER)),
        blocklist_keys=lambda: connections.blocklist_keys(source.fields(RESOLVER)),
        telegram=lambda: Telegram(connections.telegram(source.fields(TELEGRAM))),
    )


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[tuple[Store, Clients]]:
    """The database of `--database-url` or the environment, else of connection `email_engine_db`."""
    source = ConnectionSource()
    given = args.database_url or os.environ.get(DATABASE) or os.environ.get(f"{DATABASE}_FILE")
    if not given and ENGINE_DB in source:
        store = Store(connections.engine_url(source.fields(ENGINE_DB)))
    else:
        store = Store(database_url(args))
    try:
        yield store, shell_clients(source)
    finally:
        store.dispose()


def shell_run(dag_id: str, params: Mapping[str, Any], dry_run: bool) -> Run:
    """A run as that DAG would have it, by whoever sits at the terminal."""
    now = datetime.now(UTC)
    return Run(
        dag_id=dag_id,
        run_id=f"shell__{now.isoformat(timespec='seconds')}__{token_hex(4)}",
        as_of=now,
        dry_run=dry_run,
        actor=f"{getpass.getuser()}@{socket.gethostname()}",
        params=dict(params),
    )


def tell(store: Store, clients: Clients) -> None:
    """Alerts leave now; what cannot leave waits for Airflow or the next command."""
    try:
        done = deliver(store, clients.telegram, "", also_quiet=True)
    except EngineError as error:
        print(f"nobody could be told: {error}", file=sys.stderr)
        return
    if done.failure is not None:
        print(f"{done.waiting} alerts wait: {done.failure}", file=sys.stderr)
