"""8xx: accounting files: what the engine and every bounce tool read."""

from collections.abc import Iterator

from email_engine.pmta.language.specs import RECORD_TYPES
from email_engine.pmta.language.tree import Block
from email_engine.pmta.language.values import size_in_bytes
from email_engine.pmta.lint.index import Index, Line, Settings, first_word
from email_engine.pmta.lint.pm2_values import NO_WEBHOOK_SIZE
from email_engine.pmta.lint.rule import ERROR, INFO, MAIN, WARNING, Hit, Rule

_FILE = "<acct-file /var/log/pmta/acct.csv>\n  records d,b,t,f\n{}</acct-file>\n"
_IDS = "".join(f"  record-fields {kind} *,header_Message-Id\n" for kind in "dbtf")

RECORDS = Rule(
    "PM801",
    ERROR,
    "unknown type of records",
    "Types are d, b, t, tq, r, f, rb and rs, or their long names. `all` does not exist.",
    "3.3.11; facts section 3",
    "write `records d,b,t`",
    _FILE.format(_IDS).replace("d,b,t,f", "all"),
    _FILE.format(_IDS),
)
FORMAT = Rule(
    "PM802",
    ERROR,
    "format of an accounting file",
    "Accounting files are CSV; there is no directive for it.",
    "3.3.11; facts section 4",
    "delete the line",
    _FILE.format("  format csv\n" + _IDS),
    _FILE.format(_IDS),
)
NOT_RECORDED = Rule(
    "PM803",
    WARNING,
    "deliveries, bounces, deferrals or complaints are not recorded",
    "By default a file records d and b only. Attempts are d + b + t; complaints come as f. In a file that others include it is "
    "an info, because another file may record them.",
    "3.3.11; facts section 3",
    "write `records d,b,t` into one <acct-file> and `records f` into one",
    MAIN.replace("records d,b,t,f", "records d,b"),
    MAIN,
)
NO_MESSAGE_ID = Rule(
    "PM804",
    WARNING,
    "records without Message-Id",
    "The file and offset of a record change when it is moved; Message-Id, recipient and time are its only stable key.",
    "facts section 3",
    "write `record-fields d *,header_Message-Id`, also for b, t and f",
    _FILE.format(""),
    _FILE.format(_IDS),
)
WORLD_READABLE = Rule(
    "PM805",
    WARNING,
    "accounting readable by everybody",
    "The file holds the addresses of all recipients.",
    "3.3.11",
    "delete `world-readable yes`; give readers the group of the file",
    _FILE.format("  world-readable yes\n" + _IDS),
    _FILE.format("  world-readable no\n" + _IDS),
)
INTERVAL_ALONE = Rule(
    "PM806",
    WARNING,
    "move-interval without move-to",
    "It works only together with `move-to`.",
    "3.3.11; facts section 3",
    "write `move-to DIR`, on the same volume",
    _FILE.format("  move-interval 5m\n" + _IDS),
    _FILE.format("  move-to /var/log/pmta/done\n  move-interval 5m\n" + _IDS),
)
DELETE_MOVED = Rule(
    "PM807",
    WARNING,
    "delete-after with move-to",
    "`delete-after` works only without `move-to`: moved files stay until somebody else deletes them.",
    "3.3.11; facts section 3",
    "delete one of the lines, and clean up where the files are moved to",
    _FILE.format("  move-to /var/log/pmta/done\n  delete-after 8d\n" + _IDS),
    _FILE.format("  delete-after 8d\n" + _IDS),
)
NOT_IN_RECORDS = Rule(
    "PM808",
    WARNING,
    "fields of records that the file does not take",
    "`record-fields` and `map-header-to-field` choose columns of a type that `records` does not list.",
    "3.3.11",
    "add the type to `records`, or delete the line",
    _FILE.format("  record-fields tq *\n" + _IDS),
    _FILE.format(_IDS),
)
SAME_FILE = Rule(
    "PM809",
    ERROR,
    "two <acct-file> of one name",
    "Both would write the same file.",
    "3.3.11",
    "give one another name, or join the blocks",
    _FILE.format(_IDS) + _FILE.format(_IDS),
    _FILE.format(_IDS) + _FILE.format(_IDS).replace("acct.csv", "acct2.csv"),
)
PIPE_ONLY = Rule(
    "PM810",
    WARNING,
    "accounting to a pipe only",
    "A pipe whose command fails is dropped until a reload or a time limit: its records are lost.",
    "3.3.11; facts section 3",
    "keep an <acct-file> with a path beside it",
    MAIN.replace("/var/log/pmta/acct.csv", "|/usr/local/bin/bounces"),
    _FILE.format(_IDS),
)

RULES = (
    RECORDS,
    FORMAT,
    NOT_RECORDED,
    NO_MESSAGE_ID,
    WORLD_READABLE,
    INTERVAL_ALONE,
    DELETE_MOVED,
    NOT_IN_RECORDS,
    SAME_FILE,
    PIPE_ONLY,
)

_SHORT = {"fbl": "f", **dict(zip(RECORD_TYPES[1::2], RECORD_TYPES[0::2], strict=True))}
_UNREAD = "add a <feedback-loop-processor> with the addresses to which complaint reports come, and write `records f` into an <acct-file>"
_WANTED = {"d": "deliveries (d)", "b": "bounces (b)", "t": "deferrals (t)", "f": "complaints (f)"}


def check_accounting(index: Index) -> Iterator[Hit]:
    """Each file, then what all of them miss."""
    files = list(index.of("acct-file"))
    seen: dict[str, Line] = {}
    recorded: set[str] = set()
    for line, block in files:
        settings = index.settings(block)
        kinds = kinds_of(settings)
        recorded |= kinds
        yield from _file(line, block, settings, kinds)
        if block.argument in seen:
            above = index.flat.place(seen[block.argument])
            yield SAME_FILE.hit(line, f"<acct-file {block.argument}> stands also at {above}")
        seen.setdefault(block.argument, line)
    if files and all(block.argument.startswith("|") for _, block in files):
        yield PIPE_ONLY.hit(files[0][0], "all accounting goes to pipes", None if index.whole else INFO)
    if index.whole or files:
        sure = index.whole and index.complete
        line = files[0][0] if files else 1
        missing = [name for kind, name in _WANTED.items() if kind not in recorded]
        if missing:
            unread = missing == [_WANTED["f"]] and "feedback-loop-processor" not in index.blocks
            yield NOT_RECORDED.hit(
                line,
                f"no <acct-file> records {', '.join(missing)}",
                None if sure else INFO,
                remedy=_UNREAD if unread and sure else None,
            )


def short_kind(text: str) -> str:
    """`delivery` to `d`."""
    return _SHORT.get(text.strip(), text.strip())


def kinds_of(settings: Settings) -> set[str]:
    """Types of records that an <acct-file> takes."""
    value = settings.get("records") or "d,b"
    return {short_kind(kind) for kind in value.split(",")}


def _file(line: Line, block: Block, settings: Settings, kinds: set[str]) -> Iterator[Hit]:
    if settings.get("world-readable") in ("yes", "true"):
        yield WORLD_READABLE.hit(
            line + settings.offset("world-readable"), "everybody on the host may read it"
        )
    moved = "move-to" in settings.values
    if "move-interval" in settings.values and not moved:
        yield INTERVAL_ALONE.hit(line + settings.offset("move-interval"), "`move-interval` without `move-to`")
    if "delete-after" in settings.values and moved:
        yield DELETE_MOVED.hit(line + settings.offset("delete-after"), "`delete-after` beside `move-to`")
    size = settings.get("max-size")
    if size and "http-webhook-url" not in settings.values and _is_small(size):
        yield NO_WEBHOOK_SIZE.hit(line + settings.offset("max-size"), f"`max-size {size}` is below 1M")
    with_id = set()
    for directive in block.directives("record-fields", "map-header-to-field"):
        kind, rest = first_word(directive.value)
        kind = short_kind(kind)
        if kind in RECORD_TYPES and kind not in kinds:
            message = f"`{directive.name}` for {kind}, which `records` does not list"
            yield NOT_IN_RECORDS.hit(line + directive.offset, message)
        if directive.name == "record-fields" and "header_message-id" in rest.lower():
            with_id.add(kind)
    without = [kind for kind in _WANTED if kind in kinds and kind not in with_id]
    if without:
        at = line + (settings.offset("records") if "records" in settings.values else 0)
        yield NO_MESSAGE_ID.hit(at, f"records of {', '.join(without)} have no header_Message-Id")


def _is_small(size: str) -> bool:
    try:
        return 50 << 10 <= size_in_bytes(size) < 1 << 20
    except ValueError:
        return False
