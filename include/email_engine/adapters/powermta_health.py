"""Looking at a host: a handful of commands and file requests, each of which may fail for itself."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from email_engine.accounting.names import EntryKind, oddness
from email_engine.adapters.powermta import PowerMta, Queue
from email_engine.adapters.powermta_reply import flag, parse_version, walk
from email_engine.fleet.providers import Providers, shipped_providers
from email_engine.health.host_facts import Disk, NewestFile, PmtaStatus, Queues
from email_engine.health.queue_ages import QueueGroup
from email_engine.pmta.language.grammar import keyword
from email_engine.pmta.language.parse import parse
from email_engine.pmta.language.tree import Block
from email_engine.pmta.language.tree import walk as walk_tree
from email_engine.pmta.language.values import unquoted

OPERATORS_FILE = "/etc/pmta/config"
SPOOL = "/var/spool/pmta"


def read_status(mta: PowerMta) -> PmtaStatus:
    """`pmta show status`. Raises EngineError."""
    return parse_status(mta.ask("show", "status").data)


def parse_status(data: Any) -> PmtaStatus:
    """Tolerant of where releases put things; times stay text, for PowerMTA tells its local time without a zone."""
    parts = list(walk(data))
    started = next((str(p["startupTime"]) for p in parts if p.get("startupTime")), None)
    ending = next((flag(p["shuttingDown"]) for p in parts if "shuttingDown" in p), None)
    version = parse_version(data) if parts else None
    now = next((str(p["timeNow"]) for p in parts if p.get("timeNow")), None)
    return PmtaStatus(version, started, _sent(parts), ending, _between(started, now))


def _between(started: str | None, now: str | None) -> timedelta | None:
    try:
        return datetime.fromisoformat(now or "") - datetime.fromisoformat(started or "")
    except (TypeError, ValueError):
        return None


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


def group_queues(queues: Iterable[Queue], providers: Providers | None = None) -> tuple[QueueGroup, ...]:
    """The queues that hold mail by virtual MTA and mailbox provider, by name; a roll-up is named for its provider."""
    known = providers or shipped_providers()
    names = {one.name for one in known.all}
    groups: dict[tuple[str, str], list[Queue]] = defaultdict(list)
    for queue in queues:
        if queue.recipients:
            domain = queue.name.rpartition("/")[0]
            rolled = domain.removesuffix(".rollup")
            groups[queue.vmta, rolled if rolled in names else known.of(domain)].append(queue)
    return tuple(
        QueueGroup(
            vmta=vmta,
            provider=provider,
            queues=len(mine),
            recipients=sum(q.recipients for q in mine),
            paused=sum(q.recipients for q in mine if q.paused is True),
            backoff=sum(q.recipients for q in mine if q.mode == "backoff"),
        )
        for (vmta, provider), mine in sorted(groups.items())
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
    tags = (node for _, _, node in walk_tree(parse(text).root) if isinstance(node, Block))
    folders = (unquoted(tag.argument) for tag in tags if keyword(tag.tag) == "spool")
    return tuple(dict.fromkeys(folder for folder in folders if folder.startswith("/"))) or (SPOOL,)


def newest_file(mta: PowerMta, folder: str) -> NewestFile:
    """The newest accounting file in a folder, of those that can be taken, and what cannot be."""
    entries = [(entry, oddness(entry.name, entry.kind)) for entry in mta.entries(folder)]
    odd = tuple((entry.name, why) for entry, why in entries if why is not None)
    files = (entry for entry, why in entries if why is None and entry.kind is EntryKind.FILE)
    newest = max(files, key=lambda f: (f.modified, f.name), default=None)
    if newest is None:
        return NewestFile(unusable=odd)
    return NewestFile(newest.name, datetime.fromtimestamp(newest.modified, UTC), odd)
