"""Mistakes in a file that a person wrote: collected, each with its place, and raised together."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from email_engine.errors import InputError


@dataclass(frozen=True, slots=True)
class Place:
    """A key or value in a file; `line` counts from 1, `path` looks like `tenants[1].streams[0].pool`."""

    source: str
    line: int
    path: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.path}" if self.path else f"{self.source}:{self.line}"

    @property
    def short(self) -> str:
        return f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: where, what was read, what would have been right."""

    place: Place
    observed: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.place}: {self.observed}; allowed: {self.allowed}"


class FileInvalid(InputError):
    """A file (or one that belongs to it) has mistakes; `mistakes` holds all of them, in the order of the files."""

    def __init__(self, source: str, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(
            sorted(mistakes, key=lambda m: (m.place.source != source, m.place.source, m.place.line))
        )
        count = f"{len(self.mistakes)} mistake{'s' if len(self.mistakes) > 1 else ''}"
        super().__init__(source, count, "none", "correct every line above and check the file again")

    def __str__(self) -> str:
        lines = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        return f"{self.subject} has {self.observed}:\n{lines}\nNext: {self.next_step}"


class FleetInvalid(FileInvalid):
    """The fleet file has mistakes; nothing of it was used."""

    cause = "fleet file"


class Mistakes:
    """Collects mistakes while a file is read."""

    def __init__(self) -> None:
        self.found: list[Mistake] = []

    def add(self, place: Place, observed: str, allowed: str) -> None:
        self.found.append(Mistake(place, observed, allowed))


def one_of(known: Iterable[str], given: str) -> str:
    """`a, b or c`, led by the nearest of them when one is near."""
    names = sorted(str(name) for name in known)
    near = get_close_matches(given, names, n=1)
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"did you mean {near[0]!r}? One of {listed}" if near else f"one of {listed or 'none yet'}"
