"""The one UPDATE that gives many delivery servers their settings: joined with a table of old and new values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Subquery,
    Table,
    Update,
    and_,
    case,
    literal,
    select,
    union_all,
    update,
)

from email_engine.mailer.model import GOVERNED, Setting

_COLUMNS = ("server_id", "old_daily", "old_hourly", "old_status", "new_daily", "new_hourly", "new_status")
_INTEGER = Integer()
_STATUSES = sorted(GOVERNED)
"""A status goes into the statement as its place here: a text from outside the table would bring a collation of its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """`old`: the row as it stands locked; `new`: as it is to be. Both in a status that the engine governs."""

    server_id: int
    old: Setting
    new: Setting

    def stands(self, now: Setting) -> bool:
        """MailWizz itself moves a server between active and in-use."""
        quotas = (now.daily_quota, now.hourly_quota) == (self.new.daily_quota, self.new.hourly_quota)
        return quotas and (now.status == self.new.status or (now.runs and self.new.runs))

    @property
    def values(self) -> tuple[int, ...]:
        """In the order of `_COLUMNS`."""
        return (self.server_id, *_numbers(self.old), *_numbers(self.new))


def _numbers(setting: Setting) -> tuple[int, int, int]:
    return setting.daily_quota, setting.hourly_quota, _STATUSES.index(setting.status)


def update_targets(
    conn: Connection, server: Table, targets: Iterable[Target], touched: Mapping[str, datetime]
) -> Update:
    """Compares and sets. On MySQL the values are the left side of an outer join, so that they are read first and each row is
    found by its key: another order would lock rows that are not meant, and wait for those of others."""
    values = _values(targets)
    new: dict[str, Any] = {
        "daily_quota": values.c.new_daily,
        "hourly_quota": values.c.new_hourly,
        "status": _status(values.c.new_status),
        **{name: literal(moment) for name, moment in touched.items()},
    }
    if conn.dialect.name != "mysql":
        return update(server).where(_unchanged(server, values)).values(new)
    joined = values.outerjoin(server, _unchanged(server, values))
    return update(joined).ordered_values(*((server.c[name], value) for name, value in new.items()))


def _values(targets: Iterable[Target]) -> Subquery:
    """The first row names the columns."""
    first, *others = ([literal(value, _INTEGER) for value in target.values] for target in targets)
    named = [value.label(name) for name, value in zip(_COLUMNS, first, strict=True)]
    return union_all(select(*named), *(select(*row) for row in others)).subquery("v")


def _unchanged(server: Table, values: Subquery) -> ColumnElement[bool]:
    return and_(
        server.c.server_id == values.c.server_id,
        server.c.daily_quota == values.c.old_daily,
        server.c.hourly_quota == values.c.old_hourly,
        server.c.status == _status(values.c.old_status),
    )


def _status(number: ColumnElement[int]) -> ColumnElement[str]:
    return case(dict(enumerate(_STATUSES)), value=number)
