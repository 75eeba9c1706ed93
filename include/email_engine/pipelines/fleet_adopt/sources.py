"""Where an adoption reads a host: over SSH by its connection, or from files that somebody brought."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_configuration import read_configuration_of
from email_engine.adoption.request import HostAsked
from email_engine.pipelines.fleet_adopt.files import FileSource, LocalFolder, RemoteFolder
from email_engine.pmta.language.assembly import Assembly


class HostSource(Protocol):
    """One host; each method raises EngineError where it cannot be read."""

    @property
    def asked(self) -> HostAsked: ...

    def configuration(self, path: str) -> Assembly: ...

    def version(self) -> str | None:
        """PowerMTA's, None where nobody tells."""
        ...

    def accounting(self, folder: str | None) -> AbstractContextManager[FileSource | None]:
        """`folder` by its configuration; None where there is nothing to read."""
        ...


@dataclass(frozen=True, slots=True)
class RemoteHost:
    """By its connection; nothing is written there."""

    asked: HostAsked
    open: Callable[[str], PowerMta]

    def configuration(self, path: str) -> Assembly:
        with self.open(self.asked.connection) as mta:
            return read_configuration_of(mta, path)

    def version(self) -> str | None:
        with self.open(self.asked.connection) as mta:
            return mta.version()

    @contextmanager
    def accounting(self, folder: str | None) -> Iterator[FileSource | None]:
        if folder is None:
            yield None
            return
        with self.open(self.asked.connection) as mta:
            yield RemoteFolder(mta, folder)


@dataclass(frozen=True, slots=True)
class BroughtHost:
    """From files on this machine: `load` reads its configuration; `folder` None: no accounting was brought."""

    asked: HostAsked
    load: Callable[[], Assembly]
    folder: Path | None = None
    said_version: str | None = None

    def configuration(self, path: str) -> Assembly:
        return self.load()

    def version(self) -> str | None:
        return self.said_version

    @contextmanager
    def accounting(self, folder: str | None) -> Iterator[FileSource | None]:
        yield None if self.folder is None else LocalFolder(self.folder)
