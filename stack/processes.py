"""Small facts about processes of this machine."""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PROC = Path("/proc")


def alive(pid: int | None) -> bool:
    """Is this process there (and no zombie)?"""
    if pid is None:
        return False
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        if (PROC / "self").exists():
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """For `preexec_fn`: the kernel sends the signal when the parent is gone, however it went (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def processes() -> list[int]:
    """Every process that /proc shows, the oldest number first."""
    return sorted(
        int(entry.name) for entry in (PROC.iterdir() if PROC.is_dir() else ()) if entry.name.isdigit()
    )


def working_in(folder: Path) -> list[int]:
    """Processes whose working folder this is; those that we may not look into are left out."""
    found = []
    for pid in processes():
        try:
            there = os.readlink(PROC / str(pid) / "cwd")
        except OSError:
            continue
        if there.removesuffix(" (deleted)") == str(folder) and alive(pid):
            found.append(pid)
    return found


def end_of_file(path: Path, lines: int = 12, since: int = 0) -> str:
    """The last lines of a log, from byte `since` on; empty if there is nothing."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since if since <= size else 0, size - 20_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(line[:300] for line in text.splitlines()[-lines:])
