"""What could not be carried over: each with its place, the reason and what to do. Secrets never get in."""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from email_engine.pmta.language.assembly import FilePlace
from email_engine.pmta.language.redaction import redact

MOST_ALIKE = 500
"""So many different lines that mean nothing are told; of the rest only the number."""
LONGEST = 100
_SHOWN = frozenset(
    {
        "address",
        "cold-virtual-mta",
        "default-virtual-mta",
        "domain-key",
        "host-name",
        "max-cold-virtual-mta-msg",
        "max-smtp-msg-rate",
        "smtp-source-host",
        "virtual-mta",
    }
)
"""Directives whose values are no secret; of every other one only the name is told."""


def printable(text: str) -> str:
    """ASCII on one line, cut to a sensible length."""
    safe = text[: LONGEST * 2]
    if not (safe.isascii() and safe.isprintable()):
        safe = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in safe)
    return safe if len(safe) <= LONGEST else f"{safe[: LONGEST - 3]}..."


def shown(name: str, value: str) -> str:
    """A directive as it may be told."""
    if not value:
        return printable(redact(name))
    return printable(f"{name} {value}") if name in _SHOWN else f"{printable(redact(name))} ..."


def tag_shown(tag: str, argument: str) -> str:
    """A tag as it may be told: with the first word of its argument."""
    return printable(f"<{tag} {argument.split()[0]}>" if argument.split() else f"<{tag}>")


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is not, or not fully, in the draft; `more` lines say the same."""

    file: str
    line: int
    text: str
    why: str
    what_to_do: str
    more: int = 0

    def __str__(self) -> str:
        more = f" (and {self.more} more like it)" if self.more else ""
        return f"{self.file}:{self.line}: {self.text}{more}: {self.why}. To do: {self.what_to_do}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Gaps:
    """Collects gaps while a configuration is read."""

    def __init__(self) -> None:
        self._named: list[Gap] = []
        self._alike: dict[Hashable, Gap] = {}
        self._untold: Gap | None = None
        self._more: Counter[Hashable] = Counter()

    def add(self, place: FilePlace, text: str, why: str, what_to_do: str) -> None:
        """Something with a name of its own."""
        self._named.append(Gap(printable(place.file), place.line, printable(text), why, what_to_do))

    def alike(
        self, place: FilePlace, text: str, why: str, what_to_do: str | Callable[[], str], key: Hashable = None
    ) -> None:
        """A line that says the same as others with this key, which are told once; what to do may take time to find."""
        key = key or (text, why)
        if key in self._alike:
            self._more[key] += 1
        elif len(self._alike) < MOST_ALIKE:
            todo = what_to_do if isinstance(what_to_do, str) else what_to_do()
            self._alike[key] = Gap(printable(place.file), place.line, printable(text), why, todo)
        elif self._untold is None:
            what = "is this the right file? `email-engine lint` tells every line"
            self._untold = Gap(printable(place.file), place.line, "more lines", "mean nothing either", what)
        else:
            self._more[None] += 1

    def found(self) -> tuple[Gap, ...]:
        """All of them by file and line; the files in the order in which they were met."""
        return tuple(sorted(self._all(), key=lambda gap: (gap.file, gap.line)))

    def _all(self) -> Iterator[Gap]:
        yield from self._named
        for key, gap in self._alike.items():
            yield replace(gap, more=self._more[key])
        if self._untold is not None:
            yield replace(self._untold, more=self._more[None])


_CREDENTIALS = re.compile(r"//[^/@\s]*@|\?.*")


def include_shown(value: str) -> str:
    """The value of an include without what may be a password in its address."""
    return printable(f"include {_CREDENTIALS.sub(lambda m: '//...@' if m[0][0] == '/' else '?...', value)}")
