"""One MailWizz database with the columns of a version and an engine beside it: for tests of pipelines that read it by SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from email_engine.adapters.dns_resolver import Resolver
from email_engine.adapters.mailwizz_database import MailwizzDatabase
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.errors import InputError
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from tests.integration.mailwizz_schemas import NEWEST, Installations, Mailwizz, Version

AS_OF = datetime(2026, 11, 30, 4, tzinfo=UTC)


@dataclass
class World:
    """`url`: of MailWizz's database; `resolver`: None is no DNS connection."""

    store: Store
    mailwizz: Mailwizz
    url: str
    resolver: Resolver | None = None

    def clients(self) -> Clients:
        nothing: Any = None

        def resolver() -> Resolver:
            if self.resolver is None:
                raise InputError("connection dns_resolver_default", "not there", "a resolver", "add it")
            return self.resolver

        return Clients(nothing, self.database, nothing, resolver, nothing, nothing)

    def database(self, _: str) -> MailwizzDb:
        return MailwizzDb(MailwizzDatabase("mw-aurora", make_url(self.url)))


def this_run(dag_id: str, as_of: datetime = AS_OF, run_id: str = "run-1", **params: Any) -> Run:
    return Run(dag_id, run_id, as_of, bool(params.pop("dry_run", False)), dag_id, params)


@contextmanager
def installed(postgres_url: str, version: Version = NEWEST) -> Iterator[tuple[Installations, str]]:
    """A database of its own; `Installations.of` empties it."""
    name = f"mw_world_{uuid4().hex[:8]}"
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} STRATEGY file_copy").format(sql.Identifier(name)))
    url = (
        make_url(postgres_url)
        .set(database=name, drivername="postgresql+psycopg")
        .render_as_string(hide_password=False)
    )
    installations = Installations(url)
    try:
        yield installations, url
    finally:
        installations.close()
