"""Counts of accounting files, joined to the IPs of the fleet and added by hour (delivery_stats) and by day (delivery_days)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from ipaddress import ip_address
from typing import TypeVar

from sqlalchemy import Connection, Table, TextClause, bindparam, column, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from email_engine.accounting.summarize import Counts, SendingSource
from email_engine.accounting.values import TALLIES, plain_address
from email_engine.store.schema import delivery_days, delivery_stats, ips

Rows = dict[tuple[int, str, str, datetime], Counts]
"""Counts by IP id, tenant, provider and hour."""
Time = TypeVar("Time", bound=date)


@dataclass(frozen=True, slots=True)
class KnownIps:
    """(ip id, tenant) by public address, by virtual MTA name and by what the host binds, of every IP that ever was in the fleet."""

    by_address: Mapping[str, tuple[int, str]]
    by_vmta: Mapping[str, tuple[int, str]]
    by_bind: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def find(self, source: SendingSource) -> tuple[int, str] | None:
        """By public address; else (behind NAT, or where a bounce names no IP) by virtual MTA, a name that no other IP has; else
        by the host's own address, which passes to another IP when the NAT is set anew."""
        address = plain_address(source.address)
        return (
            self.by_address.get(address)
            or self.by_vmta.get(source.vmta.strip().lower())
            or self.by_bind.get(address)
        )


def known_ips(conn: Connection, mta_host: str) -> KnownIps:
    """Removed IPs are known too: their last mail still reports. A name that was reused belongs to the present IP; so does an
    address that `mta_host` binds, even if it was once the public one of an IP that left. Other hosts may bind the same one behind
    NATs of their own."""
    rows = conn.execute(
        select(
            ips.c.id,
            ips.c.tenant,
            ips.c.address,
            ips.c.bind_address,
            ips.c.vmta_name,
            ips.c.mta_host,
            ips.c.removed,
        ).order_by(ips.c.removed.desc(), ips.c.id)
    ).all()
    bound = {r.bind_address for r in rows if r.mta_host == mta_host and not r.removed}
    return KnownIps(
        {
            str(ip_address(str(r.address))): (r.id, r.tenant)
            for r in rows
            if not r.removed or r.address not in bound
        },
        {r.vmta_name: (r.id, r.tenant) for r in rows},
        {
            str(ip_address(str(r.bind_address))): (r.id, r.tenant)
            for r in rows
            if r.bind_address is not None and r.mta_host == mta_host
        },
    )


def _merged(table: Table, name: str) -> TextClause:
    """The sum of both sides of a column of words to counts."""
    return text(_SUM.replace("TABLE", table.name).replace("COLUMN", name))


_SUM = """
(SELECT coalesce(jsonb_object_agg(key, n), '{}'::jsonb) FROM (SELECT key, sum(value::int) AS n FROM (
    SELECT * FROM jsonb_each_text(TABLE.COLUMN) UNION ALL SELECT * FROM jsonb_each_text(excluded.COLUMN)
) AS both_sides GROUP BY key) AS summed)
"""


def add_counts(conn: Connection, rows: Mapping[tuple[int, str, str, datetime], Counts]) -> None:
    """By hour and, as their sums, by UTC day."""
    days: dict[tuple[int, str, str, date], Counts] = {}
    for (ip_id, tenant, provider, hour), counts in rows.items():
        days.setdefault((ip_id, tenant, provider, hour.astimezone(UTC).date()), Counts()).add(counts)
    if rows:
        _add(conn, delivery_stats, "hour", rows)
        _add(conn, delivery_days, "day", days)


def _add(
    conn: Connection, table: Table, time: str, rows: Mapping[tuple[int, str, str, Time], Counts]
) -> None:
    """One statement for a whole file, which has thousands of rows on a busy host; in the order of the key, so that two
    hosts' files can never wait for each other in a circle. `time`: the column of the hour or day."""
    counted = ("attempts", "delivered", "bounced", "deferred", "complained")
    names = ("ip_id", "tenant", "provider", time, *counted, *TALLIES)
    given = [
        {
            "ip_id": ip_id,
            "tenant": tenant,
            "provider": provider,
            time: at.isoformat(),
            **{name: getattr(counts, name) for name in (*counted, *TALLIES)},
        }
        for (ip_id, tenant, provider, at), counts in sorted(rows.items(), key=lambda item: item[0])
    ]
    source = func.jsonb_to_recordset(bindparam("rows", type_=JSONB)).table_valued(
        *(column(name, table.c[name].type) for name in names), name="given"
    )
    statement = insert(table).from_select(names, select(source.render_derived(with_types=True)))
    sums = {name: table.c[name] + statement.excluded[name] for name in counted}
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["ip_id", "provider", time],
            set_={**sums, **{name: _merged(table, name) for name in TALLIES}},
        ),
        {"rows": given},
    )
