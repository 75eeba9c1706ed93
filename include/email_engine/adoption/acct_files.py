"""Where a host's accounting lies and what it records, by the <acct-file> blocks of its configuration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from email_engine.adoption.findings import AdoptionFinding, Topic
from email_engine.adoption.gaps import printable
from email_engine.fleet import names
from email_engine.pmta.language.assembly import Assembly
from email_engine.pmta.language.grammar import keyword
from email_engine.pmta.language.tree import Block, Directive
from email_engine.pmta.language.values import unquoted
from email_engine.pmta.lint.pm8_accounting import short_kind

WANTED = ("d", "b", "t", "f")
DELIVERIES = frozenset({"d", "b"})
COLUMN = "header_Message-Id"
_USUAL = "d,b"


@dataclass(frozen=True, slots=True)
class AcctFile:
    """`folder`: where its closed files lie, "" where nothing tells; `closed`: does it move them there? `kinds`: types of records;
    `with_id`: those of them whose records carry Message-Id."""

    path: str
    place: str
    folder: str
    closed: bool
    kinds: frozenset[str]
    with_id: frozenset[str]


def read_acct_files(assembly: Assembly) -> tuple[AcctFile, ...]:
    """In the order of the file; pipes are left out."""
    found = []
    for place, node in assembly.top():
        if isinstance(node, Block) and keyword(node.tag) == "acct-file":
            path = unquoted(node.argument)
            if path.startswith("/"):
                directives = [item for _, item in assembly.items(node, place) if isinstance(item, Directive)]
                found.append(_acct_file(path, f"{printable(place.file)}:{place.line}", directives))
    return tuple(found)


def _acct_file(path: str, place: str, directives: Sequence[Directive]) -> AcctFile:
    records, moved, with_id = _USUAL, "", set()
    for directive in directives:
        name = keyword(directive.name)
        if name == "records":
            records = directive.value
        elif name == "move-to":
            moved = unquoted(directive.value)
        elif name == "record-fields":
            kind, _, fields = directive.value.partition(" ")
            if COLUMN.lower() in fields.lower():
                with_id.add(short_kind(kind))
    kinds = frozenset(short_kind(kind) for kind in records.split(","))
    folder = moved or str(PurePosixPath(path).parent)
    good = names.data_folder(folder) is None
    return AcctFile(path, place, folder if good else "", bool(moved), kinds, frozenset(with_id) & kinds)


def accounting_folder(files: Sequence[AcctFile]) -> str | None:
    """Where deliveries are told; None where no file does."""
    return next((file.folder for file in files if file.folder and file.kinds & DELIVERIES), None)


def acct_findings(host: str, files: Sequence[AcctFile]) -> Iterator[AdoptionFinding]:
    """What its accounting lacks."""
    if not any(file.kinds & DELIVERIES for file in files):
        told = (
            "no <acct-file> of its configuration, as far as it could be read, records deliveries and bounces"
        )
        step = "add one: `records d,b,t,f`, `record-fields d *,header_Message-Id` (also for b, t, f), `move-to /var/log/pmta/done`, `move-interval 5m`"
        yield AdoptionFinding(Topic.ACCOUNTING, f"host {host}", told, step)
        return
    recorded = {kind for file in files for kind in file.kinds}
    if missing := [kind for kind in ("t", "f") if kind not in recorded]:
        what = {"t": "deferrals (t)", "f": "complaints (f)"}
        told = f"no <acct-file> records {' or '.join(what[kind] for kind in missing)}"
        step = f"add {','.join(missing)} to the `records` of an <acct-file>, and `record-fields` with {COLUMN} for them"
        yield AdoptionFinding(Topic.ACCOUNTING, f"host {host}", told, step)
    for file in files:
        where = f"host {host}, <acct-file {printable(file.path)}> ({file.place})"
        if without := [kind for kind in WANTED if kind in file.kinds and kind not in file.with_id]:
            lines = ", ".join(f"`record-fields {kind} *,{COLUMN}`" for kind in without)
            told = f"its records of {', '.join(without)} carry no {COLUMN}: bounces and complaints cannot be told to MailWizz by the mail"
            yield AdoptionFinding(Topic.MESSAGE_ID, where, told, f"add {lines} to it, and `pmta reload`")
        if file.kinds & DELIVERIES and not file.closed:
            step = "add `move-to /var/log/pmta/done` and `move-interval 5m`, and `pmta reload`"
            yield AdoptionFinding(
                Topic.ACCOUNTING,
                where,
                "has no move-to: files are read while PowerMTA may write to them",
                step,
            )
    folders = {file.folder for file in files if file.folder}
    if len(folders) > 1:
        step = f"give all of them one move-to: the engine reads {accounting_folder(files)} alone"
        yield AdoptionFinding(
            Topic.ACCOUNTING, f"host {host}", f"closed files lie in {len(folders)} folders", step
        )
