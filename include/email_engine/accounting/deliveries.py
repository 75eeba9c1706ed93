"""When certain recipients took a mail: rows `d` of an accounting file, for the few whose soft bounces are being counted."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import duckdb

from email_engine.accounting.columns import Columns
from email_engine.accounting.scan import BUFFER
from email_engine.accounting.values import parse_time


def deliveries_to(
    engine: duckdb.DuckDBPyConnection,
    path: Path,
    columns: Columns,
    addresses: Collection[str],
    *,
    header: bool,
    lines: bool,
) -> Iterator[tuple[str, datetime]]:
    """Address in lower case and time (aware UTC) of each delivery to one of `addresses` (lower case, without brackets).

    `header`, `lines`: as in `scan`. Raises duckdb.Error where the file is not CSV of that width."""
    at, kind, when = columns.at("rcpt"), columns.at("type"), columns.at("timelogged")
    if at is None or not addresses:
        return
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE watched AS SELECT unnest(?::VARCHAR[]) AS address", [sorted(addresses)]
    )
    places = [f"'c{n}': 'VARCHAR'" for n in range(columns.width)] + (["'line': 'BIGINT'"] if lines else [])
    ends = r", new_line = '\r\n'" if lines else ""
    never_null = ", ".join(f"'c{n}'" for n in range(columns.width))
    statement = f"""
    SELECT DISTINCT address, c{when} FROM read_csv($path, columns = {{{", ".join(places)}}}, header = {str(header).lower()},
        auto_detect = false, delim = ',', quote = '"', escape = '"', force_not_null = [{never_null}], buffer_size = {BUFFER}{ends})
    JOIN watched ON address = lower(trim(c{at}, '<> ')) WHERE c{kind} IN ('d', 'delivery')"""  # noqa: S608 - words of this module and numbers alone
    for address, logged in engine.execute(statement, {"path": str(path)}).fetchall():
        with suppress(ValueError):
            yield address, parse_time(logged)
