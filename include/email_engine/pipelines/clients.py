"""What a pipeline talks to beside its database, as factories: hooks give them in Airflow, a file or the environment elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from email_engine.adapters.dns_resolver import Resolver
from email_engine.adapters.mailwizz_api import MailwizzApi
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.telegram import Telegram


@dataclass(frozen=True, slots=True)
class Clients:
    """Each takes the name of a connection, as the fleet file gives it, and opens nothing yet: use what it returns in a `with`.

    `blocklist_keys`: secrets of block lists that need one, by key name. All raise InputError, with the connection as its cause, for
    one that is missing or wrong."""

    mta: Callable[[str], PowerMta]
    mailwizz_db: Callable[[str], MailwizzDb]
    mailwizz_api: Callable[[str], MailwizzApi]
    resolver: Callable[[], Resolver]
    blocklist_keys: Callable[[], Mapping[str, str]]
    telegram: Callable[[], Telegram]
