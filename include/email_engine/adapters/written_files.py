"""Files for people in a folder of theirs: each appears whole, and none that somebody else wrote or changed is lost."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from email_engine.errors import InputError

MANIFEST = ".email-engine-files.json"
"""Names of the files that were written here, and the SHA-256 of their content: what differs was changed since."""

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Written:
    """Names of files, in order."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]


def write_files(folder: Path, files: Mapping[str, str], force: bool = False) -> Written:
    """Writes `files` (name to text, UTF-8) into `folder`, which is made where it is missing.

    Raises:
        InputError: a file stands there that was not written by this function, or changed since, and `force` is not given (then
            nothing is written); or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write(folder, files, force)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InputError(
            str(folder), why, "a folder that can be written", "name another, or mend its permissions"
        ) from None


def _write(folder: Path, files: Mapping[str, str], force: bool) -> Written:
    octets = {name: text.encode() for name, text in files.items()}
    standing = {name: _read(folder / name) for name in files}
    known = _manifest(folder)
    changed = [name for name in files if standing[name] != octets[name]]
    foreign = [
        name
        for name in changed
        if standing[name] is not None and _digest(standing[name]) not in known.get(name, ())
    ]
    if foreign and not force:
        raise InputError(
            str(folder),
            f"{', '.join(foreign[:SHOWN])}{' and more' if len(foreign) > SHOWN else ''}: not written by this command, or changed since",
            "files that it wrote itself",
            "look at them; name another folder, or overwrite them with --force",
        )
    # Both digests stand there while files are replaced: after a crash either content is known.
    _replace(
        folder / MANIFEST, _listed(known | {n: (*known.get(n, ()), _digest(octets[n])) for n in changed})
    )
    for name in changed:
        _replace(folder / name, octets[name])
    _replace(folder / MANIFEST, _listed(known | {n: (_digest(octets[n]),) for n in changed}))
    return Written(tuple(changed), tuple(name for name in files if name not in changed))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _digest(octets: bytes | None) -> str:
    return hashlib.sha256(octets or b"").hexdigest()


def _manifest(folder: Path) -> dict[str, Sequence[str]]:
    """What cannot be read counts as nothing written: then nothing is overwritten either."""
    try:
        document = json.loads(_read(folder / MANIFEST) or b"{}")
    except ValueError:
        return {}
    files = document.get("files") if isinstance(document, dict) else None
    return {
        name: [str(each) for each in digests]
        for name, digests in (files if isinstance(files, dict) else {}).items()
        if isinstance(digests, list)
    }


def _listed(known: Mapping[str, Sequence[str]]) -> bytes:
    files = {name: list(digests) for name, digests in sorted(known.items())}
    return json.dumps({"files": files}, indent=1).encode() + b"\n"


def _replace(path: Path, octets: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".email-engine-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
