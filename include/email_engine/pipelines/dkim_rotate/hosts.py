"""With which keys a host signs: its configuration read back, includes and all."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from fnmatch import fnmatch
from posixpath import basename, dirname, isabs, join
from typing import Any

from email_engine.adapters.powermta import PowerMta
from email_engine.dkim.rotation import HostKeysInUse
from email_engine.errors import Refused
from email_engine.fleet.model import MtaHost
from email_engine.pmta.config.layout import digest
from email_engine.pmta.config.render import OPERATORS_OWN
from email_engine.pmta.language.assembly import Assembly, assemble
from email_engine.pmta.language.checks import BadValue
from email_engine.pmta.language.tree import Block, Directive
from email_engine.pmta.language.values import seconds

_WILD = re.compile(r"[*?\[]")
NOT_LOADED = "what it runs is not surely the file that stands there: its last deployment did not end well, or somebody edited it"


def read_host(mta: PowerMta, host: MtaHost, deployed: str | None, vmtas: Iterable[str]) -> HostKeysInUse:
    """`deployed`: digest of its last verified deployment; `vmtas`: whose keys PowerMTA is asked for too, as it has them loaded.

    A part that cannot be read is told in `unread`; only a host that is away raises (Unreachable)."""
    reader = _Reader(mta)
    files = dict.fromkeys((host.config_file, OPERATORS_OWN))
    texts = {file: reader.text(file) for file in files}
    found = _Found()
    for file, text in texts.items():
        if text is not None:
            found.walk(assemble(text, file, reader.include))
    standing = texts[host.config_file]
    if standing is None or deployed is None or digest(standing) != deployed:
        reader.unread.append(NOT_LOADED)
    for vmta in vmtas:
        try:
            found.shown(mta.vmta_settings(vmta))
        except Refused as error:
            reader.unread.append(f"`pmta show vmta-settings {vmta}`: {error.observed}")
    unread = (*dict.fromkeys(reader.unread), *found.odd)
    return HostKeysInUse(host.name, frozenset(found.keys), unread, found.bounce_after)


class _Reader:
    """Files of the host; what cannot be read is remembered."""

    def __init__(self, mta: PowerMta) -> None:
        self._mta = mta
        self.unread: list[str] = []

    def text(self, file: str) -> str | None:
        try:
            data = self._mta.read(file)
        except Refused as error:
            self.unread.append(error.observed)
            return None
        if data is None:
            self.unread.append(f"{file} is not there")
            return None
        return data.decode("utf-8", "replace")

    def include(self, value: str, file: str) -> list[tuple[str, str]] | None:
        named = value.strip("\"' ")
        path = named if isabs(named) else join(dirname(file), named)
        if _WILD.search(path):
            names = [
                entry.name
                for entry in self._mta.listdir(dirname(path))
                if fnmatch(entry.name, basename(path))
            ]
            paths = [join(dirname(path), name) for name in sorted(names)]
        else:
            paths = [path]
        texts = [(one, self.text(one)) for one in paths]
        return [(one, text) for one, text in texts if text is not None]


class _Found:
    def __init__(self) -> None:
        self.keys: set[tuple[str, str]] = set()
        self.bounce_after = timedelta(0)
        self.odd: list[str] = []

    def walk(self, assembly: Assembly) -> None:
        for node in _directives(assembly):
            if node.name.lower() == "domain-key":
                self._key(node.value)
            elif node.name.lower() == "bounce-after":
                self._bounce_after(node.value)
            elif node.name.lower() == "include" and re.match(r"https?://", node.value.strip("\"' ")):
                self.odd.append(f"include {node.value}")

    def shown(self, settings: dict[str, Any]) -> None:
        """What `show vmta-settings` prints of its keys, where it prints them."""
        for name, value in settings.items():
            if name.lower() == "domain-key":
                for one in value if isinstance(value, list | tuple) else [value]:
                    self._key(str(one))

    def _key(self, value: str) -> None:
        parts = [part.strip() for part in value.strip("\"' ").split(",", 2)]
        if len(parts) == 3:
            self.keys.add((parts[1].lower(), parts[0].lower()))
        else:
            self.odd.append(f"domain-key {value}")

    def _bounce_after(self, value: str) -> None:
        try:
            self.bounce_after = max(self.bounce_after, timedelta(seconds=seconds(value.strip("\"' "))))
        except BadValue:
            self.odd.append(f"bounce-after {value}")


def _directives(assembly: Assembly) -> Iterator[Directive]:
    documents = [assembly.main, *(one for found in assembly.found.values() for one in found)]
    waiting: list[Block] = [document.root for document in documents]
    seen: set[int] = set()
    while waiting:
        block = waiting.pop()
        if id(block) in seen:
            continue
        seen.add(id(block))
        for node in block.items:
            if isinstance(node, Block):
                waiting.append(node)
            elif isinstance(node, Directive):
                yield node
