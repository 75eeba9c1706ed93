"""Whom a tenant's mail may not reach: the engine's rows, with the addresses and statuses that MailWizz has now."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from email_engine.accounting.lexicon import shipped_lexicon
from email_engine.adapters.mailwizz_blacklist import BlacklistRow, blacklist
from email_engine.adapters.mailwizz_people import MailwizzPeople, Pace
from email_engine.errors import InputError
from email_engine.pipelines.clients import Clients
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.fleet.inventory import load_fleet
from email_engine.store.suppression.listed import Listed, findings, listed
from email_engine.suppression.policy import shipped_suppression_policy
from email_engine.suppression.reasons import speaks_of_sender


@dataclass(frozen=True, slots=True)
class Suppressed:
    """`address`: '' where MailWizz masks it or has it no more; `status`: of the subscriber now, '' where it is gone."""

    row: Listed
    address: str = field(repr=False)
    status: str


def export(store: Store, clients: Clients, tenant: str) -> Iterator[Suppressed]:
    """One by one, each subscriber once, by instance. Raises InputError for an unknown tenant, and what MailWizz's API raises."""
    with store.session(tenant=ALL_TENANTS) as conn:
        fleet = load_fleet(conn)
    known = [one.name for one in fleet.tenants]
    if tenant not in known:
        raise InputError(
            f"tenant {tenant}", "not in the fleet", ", ".join(known) or "none", "name one of them"
        )
    apis = {one.name: one.api_connection for one in fleet.mailwizz_instances}
    with store.session(tenant=tenant) as conn:
        rows = listed(conn)
    for name, of_instance in groupby(rows, lambda row: row.mailwizz):
        if name not in apis:
            continue
        with clients.mailwizz_api(apis[name]) as api:
            people = MailwizzPeople(api, Pace(shipped_suppression_policy().requests_per_second))
            for row in of_instance:
                entry = people.entry(row.list_uid, row.subscriber_uid)
                yield Suppressed(row, entry.email if entry else "", entry.status if entry else "")


def blocked(store: Store, clients: Clients, instance: str) -> Iterator[BlacklistRow]:
    """Whom one MailWizz instance blacklisted because of a block: people who took mail until a receiver refused the sender."""
    with store.session(tenant=ALL_TENANTS) as conn:
        known = {one.name: one.db_connection for one in load_fleet(conn).mailwizz_instances}
    if instance not in known:
        listed_names = ", ".join(sorted(known)) or "none"
        raise InputError(f"MailWizz {instance}", "not in the fleet", listed_names, "name one of them")
    lexicon = shipped_lexicon()
    with clients.mailwizz_db(known[instance]) as database:
        yield from (row for row in blacklist(database.database) if speaks_of_sender(row.reason, lexicon))


@dataclass(frozen=True, slots=True)
class Finding:
    """A recipient that still takes mail, without its address: `subscriber_uid` finds it in MailWizz's backend."""

    reason: str
    list_uid: str
    subscriber_uid: str
    why: str
    since: datetime


def open_findings(store: Store, instance: str) -> tuple[Finding, ...]:
    """Of one MailWizz instance, the oldest first."""
    with store.session(tenant=ALL_TENANTS) as conn:
        return tuple(
            Finding(row.reason, row.list_uid or "", row.subscriber_uid or "", row.trouble, row.counted_at)
            for row in findings(conn, instance)
        )
