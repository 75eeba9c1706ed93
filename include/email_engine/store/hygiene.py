"""Reports about recipient lists: table `recipient_list_reports`. Sessions of the tenant, or `*` to read."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from email_engine.decision import Origin
from email_engine.hygiene.report import ListReport
from email_engine.store.schema import recipient_list_reports
from email_engine.store.tables.hygiene import COUNTED

_R = recipient_list_reports.c


def keep(conn: Connection, tenant: str, mailwizz: str, report: ListReport, origin: Origin) -> None:
    """One row a list and UTC day; a second look on the same day takes its place."""
    values: dict[str, Any] = {name: report.counts[name] for name in COUNTED} | {
        "name": report.name[:200], "silent": report.silent, "unsubscribed": report.unsubscribed,
        "why_unknown": report.why_unknown[:500], "looked_at": origin.as_of, "dag_id": origin.dag_id, "run_id": origin.run_id,
    }  # fmt: skip
    key = {
        "tenant": tenant,
        "mailwizz": mailwizz,
        "list_uid": report.list_uid,
        "day": origin.as_of.date(),
    }
    conn.execute(
        upsert(recipient_list_reports)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=["mailwizz", "list_uid", "day"], set_=values)
    )


def last_looked(conn: Connection, mailwizz: str) -> dict[str, date]:
    """By uid of the list, the UTC day of its newest report."""
    query = select(_R.list_uid, func.max(_R.day)).where(_R.mailwizz == mailwizz).group_by(_R.list_uid)
    return {row[0]: row[1] for row in conn.execute(query)}


def newest(conn: Connection, mailwizz: str | None = None) -> Sequence[Row[Any]]:
    """The newest report of each list, by instance and name."""
    query = select(recipient_list_reports).order_by(_R.mailwizz, _R.list_uid, _R.day.desc())
    if mailwizz is not None:
        query = query.where(_R.mailwizz == mailwizz)
    rows = conn.execute(query.ext(distinct_on(_R.mailwizz, _R.list_uid))).all()
    return sorted(rows, key=lambda row: (row.mailwizz, row.name, row.list_uid))
