"""One scan of an accounting file by DuckDB: rows grouped by source, mailbox provider and hour.

Why DuckDB: on a file of 250 MB with quoted line breaks, on two cores, a bare scan took 0.7 s of CPU and 180 MB with
DuckDB 2.0 against 1.1 s and 345 MB with Polars 2.1 (Python's csv module: 2.5 s); and where Polars fills short rows up and cuts
long ones, DuckDB refuses them. `make bench` measures it again."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import duckdb

from email_engine.accounting.columns import Columns
from email_engine.accounting.reply_text import LONGEST, MASK, VARIABLE
from email_engine.accounting.values import KINDS, ZONE
from email_engine.fleet.providers import OTHER, Providers

THREADS = 2
MEMORY = "256MB"
BUFFER = 8 << 20
"""Bytes of a file that a thread reads at once: small enough that both end together, and that memory is used again."""
BATCH = 4_000
ATTEMPTS = ("d", "b", "t")
FAILURES = ("b", "t")
EXPIRED = "message-expired"
"""The bounce category of mail whose time ran out; status x.4.7 says the same (RFC 3463)."""
EVENTS = ("b", "rb", "f")
SIZES = ("dlvsize", "totalsecondsqueued")
CLOCK = "([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}"
USUAL = "[0-9]{4}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][+-][0-9]{2}00"
"""A time whose hour can be told from its text, once for all rows of that hour."""
BETWEEN = "\x1f"
"""Stands between texts that travel as one, which costs the engine much less than a list."""
NEGATIVE = "-"
"""The kind of a row with a negative size."""


class Group(NamedTuple):
    """Rows that say the same. `hour`: a text, date and hour alone (UTC) or a time with its zone, to the minute where that is
    not whole hours; None if it could not be read. `provider` is None unless rcpt is an address: by its domain, else by the MX
    host. `line`: of the row, if asked for and the row looks wrong. `reply` of bounces and deferrals: status code and reply, its
    variable parts masked; `example`: reply and recipient of one of the rows, as they came. `detail` of events and of wrong
    rows: rcpt, Message-Id, job, time, status, format, feedback type, time of sending. `waited` of bounces that timed out: the queue's
    domain or roll-up (the recipient's domain where the file names no queue), and the time of queueing."""

    kind: str
    hour: str | None
    provider: str | None
    category: str
    address: str
    vmta: str
    reply: str | None
    detail: str | None
    line: int | None
    example: str | None
    waited: str | None
    rows: int

    def details(self) -> list[str]:
        """The parts of `detail`; ValueError where there is none."""
        if self.detail is None:
            raise ValueError("a group without detail")
        return self.detail.split(BETWEEN)


@contextmanager
def connect() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with tables of its own to the engine of this process, which starts only once: files are many and small."""
    connection = _engine(os.getpid()).cursor()
    try:
        yield connection
    finally:
        connection.close()


@cache
def _engine(_process: int) -> duckdb.DuckDBPyConnection:
    """An engine with bounds; it spills into a folder that ends with the process, and reaches for nothing else."""
    folder = tempfile.mkdtemp(prefix="email-engine-scan-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return duckdb.connect(
        config={
            "threads": THREADS,
            "memory_limit": MEMORY,
            "temp_directory": str(Path(folder, "spill")),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )


def scan(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    columns: Columns,
    providers: Providers,
    *,
    vocabulary: str,
    latest: datetime,
    header: bool,
    lines: bool,
    events: bool,
) -> Iterator[Group]:
    """The groups of a file, in any order.

    `vocabulary`: words between blanks that a reply may hold although they are a recipient's name. `latest`: the last hour that
    may be. `lines`: the file has a line number behind its columns. `events`: bounces are told one by one; else only complaints.
    Raises duckdb.Error where the file is not CSV of that width."""
    owners = list(providers.by_domain.items())
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE owners AS SELECT unnest(?::VARCHAR[]) AS owned, unnest(?::VARCHAR[]) AS owner",
        [[domain for domain, _ in owners], [name for _, name in owners]],
    )
    statement, words = query(
        path, columns, providers, vocabulary, latest, header=header, lines=lines, events=events
    )
    cursor = connection.execute(statement, words)
    while rows := cursor.fetchmany(BATCH):
        yield from map(Group._make, rows)


def query(
    path: Path,
    columns: Columns,
    providers: Providers,
    vocabulary: str,
    latest: datetime,
    *,
    header: bool,
    lines: bool,
    events: bool,
) -> tuple[str, dict[str, str]]:
    """The statement and its parameters. Columns stand for places, never for names of the file.

    Everything is grouped once by what stands there, and only then by provider: rows are many, their values few."""
    places = [f"'c{n}': 'VARCHAR'" for n in range(columns.width)] + (["'line': 'BIGINT'"] if lines else [])

    def field(*names: str) -> str:
        at = columns.at(*names)
        return "''" if at is None else f"c{at}"

    kinds = _words(*KINDS.values(), *KINDS)
    attempts = _words(*_named(ATTEMPTS))
    failures = _words(*_named(FAILURES))
    told_words = _words(*_named(EVENTS if events else ("f",)))
    wrong = f"""NOT (kind IN {kinds} AND moment IS NOT NULL AND year(moment) >= 2000
            AND CASE WHEN zone IN ('', 'Z', '+0000') THEN date_trunc('hour', moment) <= $latest::TIMESTAMP
                ELSE regexp_full_match(zone, $zone) AND moment + INTERVAL 14 HOUR <= $latest::TIMESTAMP END
            AND (kind NOT IN {attempts} OR (host_at > 1 AND NOT ends_with(rcpt, '@') AND (address <> '' OR vmta <> ''))))"""
    # told, since a bare LF in the quotes of the first row misleads the engine
    ends = r", new_line = '\r\n'" if lines else ""
    line = "CASE WHEN wrong THEN line END" if lines else "NULL"
    detailed = f"kind IN {told_words}" + (" OR wrong" if lines else "")

    def event_field(*names: str) -> str:
        return field(*names) if events else "''"

    negative = " OR ".join(
        f"starts_with({field(name)}, '-')" for name in SIZES if columns.at(name) is not None
    )
    kind = f"CASE WHEN {negative} THEN '{NEGATIVE}' ELSE {field('type')} END" if negative else field("type")
    by_mx, words = _by_mx(providers)
    queue = f"lower(coalesce(nullif(split_part({field('queue')}, '/', 1), ''), split_part(rcpt, '@', -1)))"
    timed_out = f"""kind IN {_words(*_named(("b",)))} AND (category = '{EXPIRED}'
        OR regexp_full_match(split_part(dsn_status, ' ', 1), '[45][.]4[.]7'))"""
    waited = f"CASE WHEN {timed_out} THEN {_joined('in_queue', 'queued')} END" if events else "NULL"
    sent = f"coalesce(nullif({field('arf_arrival-date')}, ''), {field('header_date')})"
    details = _joined("rcpt", "message_id", "job", "logged", "dsn_status", "format", "feedback", "sent")
    example = _joined(f"left(diagnosis, {LONGEST})", "rcpt")
    # a careful reading asks of each row what is wrong with it, a quick one of each group only
    usual = "FALSE" if lines else f"regexp_full_match(logged, '{USUAL}')"
    never_null = ", ".join(f"'c{n}'" for n in range(columns.width))
    statement = f"""
    WITH fields AS (
        SELECT {kind} AS kind, {field("timelogged")} AS logged, {field("rcpt")} AS rcpt,
            {field("dsnmta")} AS mx, {field("bouncecat")} AS category, {field("dlvsourceip")} AS address,
            {field("vmta")} AS vmta, {field("header_message-id")} AS message_id, {field("dsndiag")} AS diagnosis,
            {event_field("header_x-job", "jobid")} AS job, {field("dsnstatus")} AS dsn_status, {field("format")} AS format,
            {field("feedbacktype")} AS feedback, {sent} AS sent, {field("timequeued")} AS queued,
            {queue} AS in_queue
            {", line" if lines else ""}
        FROM read_csv($path, columns = {{{", ".join(places)}}}, header = {str(header).lower()}, auto_detect = false,
            delim = ',', quote = '"', escape = '"', force_not_null = [{never_null}],
            buffer_size = {BUFFER}{ends})
    ), shapes AS (
        SELECT *, strpos(rcpt, '@') AS host_at, kind IN {failures} AS failed, {usual} AS usual FROM fields
    ), times AS (
        SELECT *,
            CASE WHEN usual THEN NULL
                WHEN regexp_full_match(left(logged, 19), '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T]{CLOCK}')
                    THEN try_cast(left(logged, 19) AS TIMESTAMP)
                WHEN regexp_full_match(left(logged, 19), '[0-9]{{2}}/[0-9]{{2}}/[0-9]{{4}} {CLOCK}')
                    THEN try_strptime(left(logged, 19), '%m/%d/%Y %H:%M:%S')
                WHEN regexp_full_match(logged, '[0-9]{{9,11}}') THEN make_timestamp(try_cast(logged AS BIGINT) * 1000000)
            END AS moment,
            CASE WHEN strlen(logged) >= 19 AND NOT usual THEN substr(logged, 20) ELSE '' END AS zone
        FROM shapes
    ), masked AS (
        SELECT *, CASE WHEN failed THEN left(split_part(dsn_status, ' ', 1), 40) || ' '
            || regexp_replace(lower(left(diagnosis, {LONGEST})), $variable, '{MASK}', 'g') END AS masked,
            CASE WHEN failed AND host_at > 3 THEN lower(left(rcpt, host_at - 1)) END AS local
            {f", {wrong} AS wrong" if lines else ""}
        FROM times
    ), rows AS (SELECT kind,
        CASE WHEN usual AND ends_with(logged, '+0000') THEN left(logged, 13)
            WHEN usual THEN left(logged, 13) || ':00:00' || right(logged, 5)
            ELSE strftime(CASE WHEN zone IN ('', 'Z') OR ends_with(zone, '00') THEN date_trunc('hour', moment)
                ELSE date_trunc('minute', moment) END, '%Y-%m-%d %H:%M:%S') || zone END AS hour,
        CASE WHEN host_at > 1 THEN substr(rcpt, host_at + 1) END AS remote,
        mx, category, address, vmta,
        CASE WHEN local IS NOT NULL AND strpos(masked, local) > 0 AND strpos($vocabulary, ' ' || local || ' ') = 0
            THEN regexp_replace(masked, '\\b' || regexp_escape(local) || '\\b', '{MASK}', 'g') ELSE masked END AS reply,
        CASE WHEN {detailed} THEN {details} END AS detail,
        {waited} AS waited, {line} AS line,
        any_value(CASE WHEN failed THEN {example} END) AS example,
        count(*) AS found
    FROM masked GROUP BY ALL)
    SELECT kind, hour, CASE WHEN coalesce(domain, '') <> '' THEN coalesce(owner, {by_mx}) END AS provider,
        category, address, vmta, reply, detail, line, any_value(example), waited, sum(found)::BIGINT
    FROM (SELECT *, lower(split_part(remote, '@', -1)) AS domain,
        rtrim(lower(split_part(mx, ' ', 1)), '.') AS host FROM rows)
    LEFT JOIN owners ON owned = rtrim(domain, '.') GROUP BY ALL"""  # noqa: S608 - words of this module and numbers alone
    words |= {"path": str(path), "variable": VARIABLE, "vocabulary": vocabulary}
    if lines:
        words["zone"] = ZONE
        words["latest"] = latest.astimezone(UTC).replace(tzinfo=None).isoformat()
    return statement, words


def _by_mx(providers: Providers) -> tuple[str, dict[str, str]]:
    """The provider behind `host`, as an expression and its parameters."""
    whens = ""
    words: dict[str, str] = {}
    for one in providers.all:
        for pattern in one.mx:
            number = len(words) // 2
            test = f"ends_with(host, $mx{number})" if pattern.startswith("*.") else f"host = $mx{number}"
            whens += f" WHEN {test} THEN $owner{number}"
            words |= {f"mx{number}": pattern.removeprefix("*"), f"owner{number}": one.name}
    return (f"CASE{whens} ELSE '{OTHER}' END" if words else f"'{OTHER}'"), words


def _named(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Both names of record types."""
    return (*(word for word, kind in KINDS.items() if kind in kinds), *kinds)


def _joined(*texts: str) -> str:
    """Texts as one, of which `Group` makes parts again; what stands between them is a `?` within one."""
    between = f"chr({ord(BETWEEN)})"
    return f" || {between} || ".join(f"replace({text}, {between}, '?')" for text in texts)


def _words(*words: str) -> str:
    return "(" + ", ".join(f"'{word}'" for word in words) + ")"
