"""A host's whole PowerMTA configuration over SFTP, with what it includes; only read."""

import posixpath
from fnmatch import fnmatchcase

from email_engine.accounting.names import EntryKind
from email_engine.adapters.powermta import PowerMta
from email_engine.errors import EngineError, InputError, Refused, Unreachable
from email_engine.pmta.language.assembly import Assembly, Read, assemble

LARGEST = 64 << 20
"""Bytes of all files together."""
_WILD = frozenset("*?[")


def read_configuration_of(mta: PowerMta, path: str) -> Assembly:
    """Raises EngineError: the host is away, or the file is not there or may not be read. An include that cannot be read is left out, as
    `assemble` has it."""
    reader = _Includes(mta)
    text = reader.text(path)
    if text is None:
        raise Refused(
            mta.endpoint.subject,
            f"{path} is not there",
            "PowerMTA's main configuration file",
            "name its path, or see that PowerMTA is installed there",
        )
    return assemble(text, path, reader.include)


class _Includes:
    def __init__(self, mta: PowerMta) -> None:
        self._mta = mta
        self._left = LARGEST
        self.include: Read = self._include

    def text(self, path: str) -> str | None:
        data = self._mta.read(path)
        if data is None:
            return None
        self._left -= len(data)
        if self._left < 0 or b"\0" in data:
            observed = (
                "is binary" if b"\0" in data else f"and what it includes have more than {LARGEST >> 20} MB"
            )
            raise InputError(
                f"{self._mta.endpoint.subject}, {path}", observed, "a configuration", "name the right file"
            )
        return data.decode("utf-8", "replace")

    def _include(self, value: str, file: str) -> list[tuple[str, str]] | None:
        name = value.strip('"')
        whole = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
        try:
            paths = self._matching(whole) if _WILD & set(name) else [whole]
            texts = [(path, self.text(path)) for path in paths]
        except Unreachable:
            raise
        except EngineError:
            return None
        found = [(path, text) for path, text in texts if text is not None]
        return found if found or _WILD & set(name) else None

    def _matching(self, pattern: str) -> list[str]:
        """Wildcards in the last part alone, as PowerMTA's includes have them."""
        folder, last = posixpath.split(pattern)
        return [
            posixpath.join(folder, entry.name)
            for entry in self._mta.entries(folder)
            if entry.kind is not EntryKind.DIRECTORY and fnmatchcase(entry.name, last)
        ]
