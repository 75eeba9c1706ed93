"""What is to be seen of one MailWizz installation's tables, which version that looks like, and what an engine's login needs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Version = tuple[int, ...]
MARKERS: tuple[tuple[Version, str, str], ...] = (
    ((2, 0, 0), "customer_api_key", "key"),
    ((2, 1, 10), "delivery_server", "warmup_plan_id"),
    ((2, 2, 0), "campaign", "send_between_start"),
    ((2, 2, 9), "customer_api_key", "enable_permissions"),
    ((2, 3, 8), "delivery_server", "force_from_name"),
    ((2, 4, 0), "delivery_server", "minute_quota"),
    ((2, 4, 2), "campaign_delivery_count_history", ""),
    ((2, 5, 0), "campaign_tracking_ignore_list", ""),
)
"""Since which version a table has a column; without a column: since when there is the table."""
PLAN_TABLES = (
    "delivery_server_warmup_plan",
    "delivery_server_warmup_plan_schedule",
    "delivery_server_warmup_plan_schedule_log",
)
SERVER = "delivery_server"
NUMBERS = frozenset({"int", "integer", "bigint", "smallint", "mediumint", "tinyint"})


@dataclass(frozen=True, slots=True)
class TableSeen:
    """`visible`: columns that this login may read; `hidden`: columns that are there and may not be read, of those that
    were asked for."""

    visible: frozenset[str] = frozenset()
    hidden: tuple[str, ...] = ()

    def has(self, column: str) -> bool | None:
        """Is there such a column? None: no column of the table may be read, so nothing is known."""
        if not column or not self.visible:
            return True if self.visible else None
        return column in self.visible or column in self.hidden


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`tables` by name without the prefix; `needed`: the columns of each that the engine reads; `written`: those of the
    delivery servers that it writes. `use_for_type`: the column's type as the database calls it, None without the column.
    `unknown_quotas`: by column of an unknown quota, how many servers have another value than 0. `account`: the login as the
    database calls it."""

    prefix: str
    schema: str
    account: str
    mysql: bool
    tables: Mapping[str, TableSeen]
    needed: Mapping[str, tuple[str, ...]]
    written: tuple[str, ...]
    use_for_type: str | None = None
    unknown_quotas: Mapping[str, int] = field(default_factory=dict)

    def table(self, name: str) -> TableSeen:
        return self.tables.get(name, TableSeen())

    @property
    def use_for(self) -> str:
        """How the column says what a server is for."""
        if self.use_for_type is None:
            return "not readable" if "use_for" in self.table(SERVER).hidden else "absent"
        return "bitmask" if self.use_for_type.lower() in NUMBERS else "text"

    @property
    def plan_tables(self) -> tuple[str, ...]:
        """The tables of MailWizz's warm-up plans that are to be seen."""
        return tuple(name for name in PLAN_TABLES if self.table(name).visible)

    def unread(self) -> dict[str, tuple[str, ...]]:
        """By table, needed columns that are there and that this login may not read."""
        found = {
            name: tuple(column for column in columns if column in self.table(name).hidden)
            for name, columns in self.needed.items()
        }
        return {name: columns for name, columns in found.items() if columns}

    def unseen(self) -> tuple[str, ...]:
        """Needed tables of which this login sees nothing: they are not there, or not granted."""
        return tuple(name for name in self.needed if not self.table(name).visible)


@dataclass(frozen=True, slots=True)
class VersionGuess:
    """By what the tables have and lack; None where nothing says so."""

    at_least: Version | None
    before: Version | None

    def __str__(self) -> str:
        words = [
            *([f"{_dotted(self.at_least)} or later"] if self.at_least else []),
            *([f"before {_dotted(self.before)}"] if self.before else []),
        ]
        return ", ".join(words) or "a version that cannot be guessed"


def guess_version(catalogue: Catalogue) -> VersionGuess:
    """The newest marker that is there, and the oldest one after it that surely is not."""
    seen = [(version, catalogue.table(table).has(column)) for version, table, column in MARKERS]
    at_least = max((version for version, there in seen if there), default=None)
    absent = [version for version, there in seen if there is False and version > (at_least or ())]
    return VersionGuess(at_least, min(absent, default=None))


def grant_statements(catalogue: Catalogue, account: str, quote: "Quote") -> Iterator[str]:
    """One GRANT a table, column by column: what the engine reads, and the few columns that it writes. Columns that this
    MailWizz does not have are left out. `account`: as the statement is to name it, quoted; `quote` quotes a name."""
    for name, columns in catalogue.needed.items():
        table = catalogue.table(name)
        there = [column for column in columns if table.has(column)]
        if not there:
            continue
        rights = [f"SELECT ({_listed(there, quote)})"]
        if name == SERVER:
            written = [column for column in catalogue.written if table.has(column)]
            rights.append(f"UPDATE ({_listed(written, quote)})")
        target = f"{quote(catalogue.schema)}.{quote(catalogue.prefix + name)}"
        yield f"GRANT {', '.join(rights)} ON {target} TO {account};"


class Quote:
    """Quotes a name as the dialect does: with the character given, doubled inside."""

    def __init__(self, character: str) -> None:
        self._character = character

    def __call__(self, name: str) -> str:
        return f"{self._character}{name.replace(self._character, self._character * 2)}{self._character}"


def _listed(columns: Sequence[str], quote: Quote) -> str:
    return ", ".join(quote(column) for column in columns)


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
