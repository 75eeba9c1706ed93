"""Which entries of an accounting folder can be taken, told by name and kind; all others are named to people and passed over.

PowerMTA writes `acct-2026-11-01-0000.csv`; a script may have compressed it to `.csv.gz`. Whatever else lies there came by a script, a copy or a broken disk: it must be
told without harm to logs, alerts and database, and it must not stand in the way of the files beside it."""

from collections.abc import Collection
from enum import StrEnum

SUFFIXES = (".csv", ".csv.gz")
WEBHOOK = ".json"
LONGEST_NAME = 200
LONGEST_SHOWN = 80
NAMED = 5


class EntryKind(StrEnum):
    """What stands in a directory."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "symbolic link"
    OTHER = "special file"


def oddness(name: str, kind: EntryKind) -> str | None:
    """Why an entry cannot be taken, one clause; None: it can, or it is none of accounting's.

    `name`: bytes that are no UTF-8 as lone surrogates. A directory is odd only where it is named like an accounting file."""
    if kind is EntryKind.DIRECTORY:
        return "a directory" if name.endswith(SUFFIXES) else None
    if any("\udc80" <= sign <= "\udcff" for sign in name):
        return "its name is no UTF-8"
    if not name.isprintable():
        return "a line break, control or invisible character in its name"
    if kind is EntryKind.FILE and name.endswith(WEBHOOK):
        return "JSON of a webhook, which is not read: its <acct-file> needs a path ending in .csv and no http-webhook-url"
    if not name.endswith(SUFFIXES):
        return None
    if kind is not EntryKind.FILE:
        return f"a {kind}"
    if "/" in name or ".." in name:
        return "its name could mean another folder"
    if name.startswith("-"):
        return "its name begins with a dash"
    size = len(name.encode())
    return f"its name has {size} bytes, more than {LONGEST_NAME}" if size > LONGEST_NAME else None


def shown(name: str) -> str:
    """A name for logs and messages: what cannot be printed escaped, and cut."""
    signs = []
    for sign in name:
        if "\udc80" <= sign <= "\udcff":
            signs.append(f"\\x{ord(sign) - 0xDC00:02x}")
        elif sign.isprintable() and sign != "\\":
            signs.append(sign)
        else:
            signs.append(sign.encode("unicode_escape").decode())
    text = "".join(signs)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}... ({len(name)} characters)"


def listed(odd: Collection[tuple[str, str]]) -> str:
    """Names and reasons, the first few in full."""
    first = ", ".join(f"{shown(name)} ({why})" for name, why in sorted(odd)[:NAMED])
    return first + (f" and {len(odd) - NAMED} more" if len(odd) > NAMED else "")
