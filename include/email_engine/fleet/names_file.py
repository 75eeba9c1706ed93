"""The fleet's names in a small file beside the fleet file: what trigger forms offer as examples.

DAG files read it while they are parsed, so reading is bounded, asks no database, imports nothing of the engine and never
fails."""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from email_engine.fleet.model import Fleet

MOST_NAMES = 200
"""Of each kind; a browser's list of suggestions is no good with more."""
MOST_BYTES = 256 * 1024
COUNTS = "counts"
KINDS = ("tenants", "streams", "hosts", "mailwizz", "ips")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,252}")


def known_names() -> Mapping[str, tuple[str, ...]]:
    """Those beside `EMAIL_ENGINE_FLEET`; nothing without it: the example that ships is nobody's fleet."""
    given = os.environ.get("EMAIL_ENGINE_FLEET")
    try:
        return read_names(names_path(Path(given))) if given else {}
    except ValueError:  # a path without a name
        return {}


def known_count(kind: str) -> int:
    """How many of a kind the fleet has, those beyond MOST_NAMES too; 0 where nobody knows."""
    given = os.environ.get("EMAIL_ENGINE_FLEET")
    try:
        found = _read_json(names_path(Path(given))) if given else {}
    except ValueError:
        return 0
    counts = found.get(COUNTS)
    count = counts.get(kind) if isinstance(counts, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


def names_path(fleet_file: Path) -> Path:
    """`fleet.yaml` -> `fleet.names.json`, in the same folder."""
    return fleet_file.with_suffix(".names.json")


def names_of(fleet: "Fleet") -> dict[str, Any]:
    """The names by kind, and how many there are of those that may be cut."""
    return {
        COUNTS: {"ips": len(fleet.ips)},
        "tenants": _some(tenant.name for tenant in fleet.tenants),
        "streams": _some(f"{stream.tenant}/{stream.name}" for stream in fleet.streams),
        "hosts": _some(host.name for host in fleet.mta_hosts),
        "mailwizz": _some(instance.name for instance in fleet.mailwizz_instances),
        "ips": _some(str(ip.address) for ip in fleet.ips),
    }  # fmt: skip


def write_names(fleet_file: Path, fleet: "Fleet") -> bool:
    """False where the folder cannot be written to: then the forms offer no names."""
    path, text = names_path(fleet_file), json.dumps(names_of(fleet), indent=1)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return True
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except (OSError, ValueError):
        return False
    return True


def read_names(path: Path) -> Mapping[str, tuple[str, ...]]:
    """Kind to names; nothing for what is missing, too large or no list of names."""
    found = _read_json(path)
    return {kind: tuple(_some(found[kind])) for kind in KINDS if isinstance(found.get(kind), list)}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> bytes:
    """Raises OSError for what is no regular file (a pipe would never end) and ValueError for a giant."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no file")
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path} is larger than {MOST_BYTES} bytes")
    return data


def _some(names: Iterable[object]) -> list[str]:
    good = (name for name in names if isinstance(name, str) and _NAME.fullmatch(name))
    return list(dict.fromkeys(good))[:MOST_NAMES]
