"""Configurations on this machine's disk: files and what they include."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from email_engine.errors import InputError
from email_engine.mta.language.assembly import Assembly, assemble

LARGEST = 64 << 20
"""Bytes of one file; 100,000 virtual MTAs are about 50 MB."""


@dataclass(slots=True)
class ConfigFiles:
    """Reads configurations; absolute paths in them are looked up below `root` (None: where they are).

    `followed`: every file that was read as an include, with links resolved."""

    root: Path | None = None
    followed: set[Path] = field(default_factory=set)
    _texts: dict[Path, str] = field(default_factory=dict)

    def assemble(self, file: str) -> Assembly:
        """The file with what it includes; raises InputError if the file itself cannot be read."""
        try:
            return assemble(self._text(Path(file)), file, self._read)
        except RecursionError:
            raise InputError(
                file, "blocks in blocks without end", "a configuration", "look into the file"
            ) from None

    def exists(self, path: str) -> bool | None:
        """Is there such a file? None: without `root`, where this machine does not have the directory either."""
        if self.root is not None:
            return self._below(path).exists()
        there = Path(path)
        try:
            return there.exists() or (
                False if there.parent.is_dir() and os.access(there.parent, os.X_OK) else None
            )
        except OSError:
            return None

    def _below(self, path: str) -> Path:
        return Path(path) if self.root is None else self.root / path.lstrip("/")

    def _read(self, value: str, file: str) -> list[tuple[str, str]] | None:
        """What an include names, as `assemble` wants it: wildcards in the order of their names."""
        if "\0" in value or not value:
            return None
        path = self._below(value) if value.startswith("/") else Path(file).parent / value
        try:
            found = sorted(path.parent.glob(path.name)) if any(c in path.name for c in "*?[") else [path]
            texts = [(str(one), self._text(one)) for one in found]
        except (InputError, OSError, ValueError):
            return None
        self.followed.update(one.resolve() for one in found)
        return texts

    def _text(self, path: Path) -> str:
        real = path.resolve()
        if real not in self._texts:
            self._texts[real] = _decode(path)
        return self._texts[real]


def _decode(path: Path) -> str:
    """Bytes that are not UTF-8 become U+FFFD, which the linter finds."""
    try:
        if not path.is_file() and not path.is_fifo() and path.exists():
            raise InputError(str(path), "a directory or a device", "a file", "name the configuration file")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(
            str(path), error.strerror or "unreadable", "a readable file", "check path and rights"
        ) from None
    except ValueError:
        raise InputError(repr(str(path)), "no path", "a path", "correct it") from None
    if len(data) > LARGEST:
        raise InputError(str(path), f"larger than {LARGEST >> 20} MB", "a configuration", "name another file")
    return data.decode("utf-8", "replace")
