"""Mistakes in a file that a person wrote: collected, each with its place, and raised together."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from email_engine.errors import InputError
from email_engine.plural import LONGEST_SHOWN, amount, cut, excerpt

MOST_SHOWN = 100
"""Mistakes of one file that its text lists; the rest are counted."""
_LONGEST_SENTENCE = 400
_LONGEST_PATH = 300
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,60}")


@dataclass(frozen=True, slots=True)
class MistakePlace:
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

    place: MistakePlace
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
        observed = f"{amount(len(self.mistakes), 'mistake')}:"
        observed += "".join(f"\n  {mistake}" for mistake in self.mistakes[:MOST_SHOWN])
        if len(self.mistakes) > MOST_SHOWN:
            observed += f"\n  ... and {len(self.mistakes) - MOST_SHOWN:,} more"
        super().__init__(source, observed, "none", "correct every line above and check the file again")

    def __str__(self) -> str:
        return f"{self.subject} has {self.observed}\nNext: {self.next_step}"


class FleetInvalid(FileInvalid):
    """The fleet file has mistakes; nothing of it was used."""

    cause = "fleet file"


BLANK = "<...>"
"""What a draft of `email-engine import` has where a person is to write something."""
FILL_IN = "still FILL IN"
"""What is said of it."""


class Mistakes:
    """Collects mistakes while a file is read."""

    def __init__(self) -> None:
        self.found: list[Mistake] = []

    def add(self, place: MistakePlace, observed: str, allowed: str) -> None:
        """Values in the sentences are cut by who writes them (`excerpt`); whatever slips through is cut here."""
        where = MistakePlace(place.source, place.line, cut(place.path, _LONGEST_PATH))
        if observed.removeprefix("found text ") == f"'{BLANK}'":
            observed = FILL_IN
        self.found.append(Mistake(where, cut(observed, _LONGEST_SENTENCE), cut(allowed, _LONGEST_SENTENCE)))


def key_words(key: str) -> str:
    """A key of the file as a message shows it: an odd or long one in quotes and cut."""
    return key if _PLAIN_KEY.fullmatch(key) else excerpt(key)


def nearest(known: Iterable[str], given: str) -> str:
    """The known word that was probably meant; '' for none."""
    names = sorted(str(name) for name in known)
    near = get_close_matches(given, names, n=1) if 0 < len(given) <= LONGEST_SHOWN else []
    return near[0] if near else ""


MOST_NAMES = 40
"""All keys of every mapping of ours; of a list without end, enough to see what kind of name is wanted."""


def one_of(known: Iterable[str], given: str) -> str:
    """`a, b or c`, led by the nearest of them when one is near."""
    names = sorted(str(name) for name in known)
    near = nearest(names, given)
    listed = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
    return f"did you mean {near!r}? One of {listed}" if near else f"one of {listed or 'none yet'}"
