"""Looking at a host: a handful of commands and file requests, each of which may fail for itself."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from email_engine.adapters.powermta import PowerMta, Queue
from email_engine.adapters.powermta_reply import flag, parse_version, walk
from email_engine.mta.health import Disk, Queues, Status

OPERATORS_FILE = "/etc/pmta/config"
SPOOL = "/var/spool/pmta"
_SPOOL = re.compile(r"(?im)^[ \t]*<spool[ \t]+\"?(/[^\s\">]+)\"?[ \t]*>")


def read_status(mta: PowerMta) -> Status:
    """`pmta show status`. Raises EngineError."""
    return parse_status(mta.ask("show", "status").data)


def parse_status(data: Any) -> Status:
    """Tolerant of where releases put things; times stay text, for PowerMTA tells its local time without a zone."""
    parts = list(walk(data))
    started = next((str(p["startupTime"]) for p in parts if p.get("startupTime")), None)
    ending = next((flag(p["shuttingDown"]) for p in parts if "shuttingDown" in p), None)
    version = parse_version(data) if parts else None
    return Status(version=version, started=started, sent=_sent(parts), shutting_down=ending)


def _sent(parts: Iterable[Any]) -> int | None:
    for part in parts:
        try:
            return int(str(part["traffic"]["total"]["out"]["rcp"]))
        except (KeyError, TypeError, ValueError):
            continue
    return None


def count_queues(queues: Iterable[Queue]) -> Queues:
    """Sums of a listing; a queue whose pause is unknown counts as running."""
    seen = tuple(queues)
    running = [q for q in seen if q.paused is not True]
    slow = [q for q in running if q.mode == "backoff"]
    return Queues(
        recipients=sum(q.recipients for q in seen),
        running=sum(q.recipients for q in running),
        backoff=sum(q.recipients for q in slow),
        backoff_names=tuple(q.name for q in sorted(slow, key=lambda q: (-q.recipients, q.name))),
    )


def read_disks(mta: PowerMta, folders: Sequence[str]) -> tuple[Disk, ...]:
    """Where the folders and the spool lie, each file system once; () where the server does not tell."""
    found: dict[tuple[int, int], Disk] = {}
    for folder in (*folders, *_spools(mta)):
        seen = mta.file_system(folder)
        if seen is None:
            continue
        free = 100 * seen.free / seen.size
        if seen.files:
            free = min(free, 100 * seen.free_files / seen.files)
        found.setdefault((seen.size, seen.free), Disk(folder, free, seen.free))
    return tuple(found.values())


def _spools(mta: PowerMta) -> tuple[str, ...]:
    text = (mta.read(OPERATORS_FILE) or b"").decode("utf-8", "replace")
    return tuple(_SPOOL.findall(text)) or (SPOOL,)


def newest_file(mta: PowerMta, folder: str) -> str:
    """Name and time of the newest accounting file; "" where there is none."""
    files = mta.listdir(folder)
    newest = max(files, key=lambda f: (f.modified, f.name), default=None)
    if newest is None:
        return ""
    return f"{newest.name} of {datetime.fromtimestamp(newest.modified, UTC):%Y-%m-%d %H:%M:%S} UTC"
