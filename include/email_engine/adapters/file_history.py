"""Who changed a file last, as far as this machine can tell."""

import os
import pwd
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from email_engine.forms import one_line

SECONDS = 5
LONGEST = 120


def last_change(path: Path) -> str:
    """`commit 1a2b3c4 by Ada, 2026-11-28 18:40 UTC` where git knows the file as it stands; otherwise when it was saved and
    whose file it is, which is less: whoever may write to it can have saved it. '' where there is no file."""
    try:
        seen = path.stat()
    except (OSError, ValueError):
        return ""
    saved = f"saved {datetime.fromtimestamp(seen.st_mtime, UTC):%Y-%m-%d %H:%M} UTC, a file of {_owner(seen.st_uid)}"
    commit = _git(path, "log", "-1", "--format=%h%x09%ct%x09%an", "--", path.name)
    parts = commit.split("\t", 2) if commit else []
    if len(parts) != 3 or not parts[1].isdigit():
        return one_line(saved, LONGEST)
    at = datetime.fromtimestamp(int(parts[1]), UTC)
    known = f"commit {parts[0]} by {one_line(parts[2], 60)}, {at:%Y-%m-%d %H:%M} UTC"
    if _git(path, "status", "--porcelain", "--", path.name) == "":
        return one_line(known, LONGEST)
    return one_line(f"{saved}, with changes since {known}", LONGEST)


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _git(path: Path, *words: str) -> str | None:
    """What git prints, None where it does not know the folder or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(path.resolve().parent), "-c", "core.fsmonitor=false", *words],
            capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
