"""Every wording by which receivers refused or deferred mail, once; and the alarm when too many of them are new to us.

No tenant's data: texts stand in their normal form, without addresses, IPs, ids and numbers. Session of tenant `*`."""

from collections.abc import Mapping

from sqlalchemy import Connection, func
from sqlalchemy.dialects.postgresql import insert

from email_engine.accounting.policy import AccountingPolicy
from email_engine.accounting.values import ReplyText, Summary, Wording
from email_engine.store.schema import reply_texts
from email_engine.store.telling import alerts

EVENT = "reply_texts"
UNKNOWN = "unknown"
SHOWN = 3
BATCH = 1_000


def add_texts(conn: Connection, texts: Mapping[Wording, ReplyText]) -> None:
    """Adds the wordings of one file, in the order of their key. What the lexicon says now is what stands there."""
    rows = [
        {
            "provider": provider,
            "outcome": outcome,
            "text": text,
            "meaning": one.meaning,
            "count": one.count,
            "example": one.example,
            "first_seen_at": one.first,
            "last_seen_at": one.last,
        }
        for (provider, outcome, text), one in sorted(texts.items(), key=lambda item: item[0])
    ]
    mine = reply_texts.c
    statement = insert(reply_texts)
    given = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["provider", "outcome", "text"],
        set_={
            "count": mine["count"] + given["count"],
            "meaning": given.meaning,
            "first_seen_at": func.least(mine.first_seen_at, given.first_seen_at),
            "last_seen_at": func.greatest(mine.last_seen_at, given.last_seen_at),
        },
    )
    for at in range(0, len(rows), BATCH):
        conn.execute(statement, rows[at : at + BATCH])


def watch_unknown(
    conn: Connection,
    mta_host: str,
    summary: Summary,
    policy: AccountingPolicy,
    dag_id: str | None,
    run_id: str | None,
) -> None:
    """Tells people once that the lexicon lacks words; the next file that it reads well enough ends the alarm."""
    if summary.failures < policy.unknown_from:
        return
    rate = summary.unknown_failures / summary.failures
    if rate <= policy.largest_unknown_rate:
        alerts.clear(conn, event=EVENT, object=mta_host)
        return
    texts = "; ".join(
        f"{provider} {outcome} {text[:120]!r} ({one.count})"
        for (provider, outcome, text), one in summary.unknown_texts()[:SHOWN]
    )
    alerts.raise_alert(
        conn,
        event=EVENT,
        object=mta_host,
        state=UNKNOWN,
        severity="warning",
        text=f"{mta_host}: {summary.unknown_failures} of {summary.failures} bounces and deferrals have replies that no one "
        f"knows\n{texts}\nNext: add them to include/config/lexicon.yaml.",
        dag_id=dag_id,
        run_id=run_id,
    )
