"""One PostgreSQL server a session (tests/postgres_fixtures.py); in it a table prefix for each MailWizz."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.clock import Clock
from lab.mailwizz import MailWizz
from tests.lab.mailwizz.mailwizz_lab import START, AcceptingHost, Lab, world

_prefixes = itertools.count(1)


@pytest.fixture
def make_lab(postgres_url: str) -> Iterator[Callable[..., Lab]]:
    made: list[MailWizz] = []

    def make(**options: Any) -> Lab:
        clock = Clock(options.pop("start", START))
        hosts = {"mta-1": AcceptingHost(), "mta-2": AcceptingHost()}
        options.setdefault("prefix", f"mw{next(_prefixes)}_")
        mailwizz = MailWizz(world(postgres_url, **options), clock, hosts)
        made.append(mailwizz)
        return Lab(mailwizz, clock, hosts)

    yield make
    for mailwizz in made:
        mailwizz.database.close()


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab()
