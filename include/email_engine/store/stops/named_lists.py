"""Block lists that receivers named: what was asked of them since, table `blocklist_answers`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from email_engine.blocklists.model import BlockList
from email_engine.blocklists.named import watched
from email_engine.reputation.named import ListAnswer, NamedList
from email_engine.store.accounting.day_counts import named_lists
from email_engine.store.schema import blocklist_answers, ips


def named_by_ip(
    conn: Connection, tenant: str, day: date, days: int, lists: Sequence[BlockList]
) -> dict[int, tuple[NamedList, ...]]:
    """What receivers named in the last `days` UTC days up to `day`, by IP, each with what the list said on that day or later.
    `tenant`: `*` for all."""
    rows = blocklist_answers.c
    query = select(rows.ip_id, rows.list, rows.answer, rows.asked_at)
    if tenant != "*":
        query = query.where(rows.tenant == tenant)
    answers = {(row.ip_id, row.list): (ListAnswer(row.answer), row.asked_at) for row in conn.execute(query)}
    return {
        ip_id: tuple(_answered(one, answers, ip_id, lists) for one in named)
        for ip_id, named in named_lists(conn, tenant, day, days).items()
    }


def _answered(
    named: NamedList,
    answers: Mapping[tuple[int, str], tuple[ListAnswer, datetime]],
    ip_id: int,
    lists: Sequence[BlockList],
) -> NamedList:
    entry = watched(named.name, lists)
    if entry is None:
        return replace(named, asked="nobody watches this list, so it cannot be asked")
    answer, asked_at = answers.get((ip_id, entry.name), (ListAnswer.UNKNOWN, None))
    if asked_at is None or asked_at.date() < named.day:
        return named
    said = "lists it" if answer is ListAnswer.LISTED else "does not list it"
    return replace(
        named, answer=answer, asked=f"{entry.name}, asked at {asked_at:%Y-%m-%d %H:%M} UTC, {said}"
    )


def to_ask(conn: Connection, day: date, days: int, lists: Sequence[BlockList]) -> dict[str, frozenset[int]]:
    """Watched lists by name that receivers named and that did not answer since, with the IPs (ids) to ask about."""
    found: dict[str, set[int]] = {}
    for ip_id, named in named_by_ip(conn, "*", day, days, lists).items():
        for one in named:
            entry = watched(one.name, lists)
            if entry is not None and one.answer is ListAnswer.UNKNOWN:
                found.setdefault(entry.name, set()).add(ip_id)
    return {name: frozenset(ids) for name, ids in sorted(found.items())}


def write_answers(
    conn: Connection, answers: Iterable[tuple[int, str, ListAnswer]], asked_at: datetime
) -> None:
    """Keeps the newest answer for each IP (id) and list (name); what is unknown is not written."""
    tenants = {row.id: row.tenant for row in conn.execute(select(ips.c.id, ips.c.tenant))}
    rows = [
        {"tenant": tenants[ip_id], "ip_id": ip_id, "list": name, "answer": str(answer), "asked_at": asked_at}
        for ip_id, name, answer in answers
        if answer is not ListAnswer.UNKNOWN
    ]
    if rows:
        statement = insert(blocklist_answers)
        new = {name: statement.excluded[name] for name in ("answer", "asked_at")}
        conn.execute(statement.on_conflict_do_update(index_elements=["ip_id", "list"], set_=new), rows)
