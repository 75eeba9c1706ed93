"""One `make up` at a time and one supervisor: locks that the kernel frees when their holder ends, however it ends."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

BEAT = 0.1
PATIENCE = 300.0


class Busy(RuntimeError):
    """Somebody else holds the lock, and for longer than we wait; the text says who."""


def take(path: Path, what: str, patience: float = 0.0, tell: Callable[[str], None] | None = None) -> int:
    """Holds the lock until the returned descriptor is closed or this process ends; children do not inherit it.

    Waits for at most `patience` seconds; `tell` hears once who is waited for. Raises Busy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, descriptor):  # `make reset` may have deleted it meanwhile
                sign(descriptor, what)
                return descriptor
        except BlockingIOError:
            pass
        os.close(descriptor)
        if time.monotonic() >= deadline:
            raise Busy(f"{describe(path)} is at work here. Next: wait for its end, then try again")
        if tell and not told:
            tell(f"{describe(path)} is at work here; waiting for its end")
            told = True
        time.sleep(BEAT)


@contextmanager
def held(path: Path, what: str, tell: Callable[[str], None], patience: float = PATIENCE) -> Iterator[None]:
    """`take` for the length of a block."""
    descriptor = take(path, what, patience, tell)
    try:
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> dict[str, Any] | None:
    """What the present holder wrote (`pid`, `what`, `since`; empty for a moment at its start), None if nobody holds it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        with suppress(ValueError):
            found = json.loads(os.read(descriptor, 4096))
            return found if isinstance(found, dict) else {}
        return {}
    finally:
        os.close(descriptor)


def describe(path: Path) -> str:
    """The holder as a person reads it."""
    found = holder(path) or {}
    if not found:
        return "another command"
    return f"{found.get('what')} (process {found.get('pid')}, since {found.get('since')})"


def _is_still(path: Path, descriptor: int) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    return False


def sign(descriptor: int, what: str) -> None:
    """Says who holds it now; a lock may be handed to a child."""
    text = json.dumps({"pid": os.getpid(), "what": what, "since": f"{datetime.now(UTC):%H:%M:%S} UTC"})
    with suppress(OSError):  # a full disk; the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
