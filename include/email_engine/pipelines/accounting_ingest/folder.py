"""One look at a host's accounting folder: what can be taken, what waits, and what is passed over."""

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from email_engine.accounting.names import SUFFIXES, EntryKind, oddness, shown
from email_engine.accounting.settled import is_young
from email_engine.adapters.powermta import PowerMta
from email_engine.errors import Refused
from email_engine.store.accounting.delivery import AccountingFile

log = logging.getLogger(__name__)

LOGGED = 100
"""Odd names that a run writes to its log."""


@dataclass
class FolderLook:
    """`offset`: how far the host's clock is ahead of ours. `odd`: names that are passed over and why; `waiting`: files that may
    still grow; `whole`: something lies there, and nothing of it that may tell of mail was left out."""

    mta: PowerMta
    mta_host: str
    folder: str
    offset: timedelta
    quiet_seconds: int
    odd: list[tuple[str, str]] = field(default_factory=list)
    waiting: int = 0
    whole: bool = False

    def files(self, seen: Collection[tuple[str, int, int]]) -> list[AccountingFile]:
        """The closed files that were not dealt with, oldest first."""
        entries = self.mta.entries(self.folder)
        self.whole = bool(entries)
        found = []
        for entry in entries:
            if (why := oddness(entry.name, entry.kind)) is not None:
                self._pass_over(entry.name, why, hides=entry.kind is not EntryKind.DIRECTORY)
            elif entry.kind is EntryKind.FILE and entry.name.endswith(SUFFIXES):
                file = AccountingFile(self.mta_host, entry.name, entry.size, entry.modified)
                if (file.name, file.size, file.modified) not in seen and not self._is_young(file):
                    found.append(file)
        return sorted(found, key=lambda f: (f.modified, f.name))

    def fetch(self, file: AccountingFile, copy: Path) -> bool:
        """Copies a file as it was listed; False where it is gone, has changed since, or may not be read."""
        path = f"{self.folder}/{file.name}"
        try:
            now = self.mta.fetch(path, copy)
        except Refused as error:
            self._pass_over(
                file.name, f"cannot be read: {error.observed.removeprefix(f'read {path}: ')}", hides=True
            )
            return False
        if now is None:
            log.info("%s: %s is gone already", self.mta_host, file.name)
            return False
        if (now.size, now.modified) != (file.size, file.modified) or copy.stat().st_size != file.size:
            self._wait(file, "it changed while it was read")
            return False
        return True

    def _is_young(self, file: AccountingFile) -> bool:
        young = is_young(file.modified, time.time() + self.offset.total_seconds(), self.quiet_seconds)
        if young:
            self._wait(file, f"it was written to within the last {self.quiet_seconds} s")
        return young

    def _wait(self, file: AccountingFile, why: str) -> None:
        self.waiting += 1
        self.whole = False
        log.info("%s: %s waits for the next run: %s", self.mta_host, file.name, why)

    def _pass_over(self, name: str, why: str, *, hides: bool) -> None:
        self.odd.append((name, why))
        self.whole = self.whole and not hides
        if len(self.odd) <= LOGGED:
            log.warning("%s: %s is passed over: %s", self.mta_host, shown(name), why)
        elif len(self.odd) == LOGGED + 1:
            log.warning("%s: and more like these", self.mta_host)
