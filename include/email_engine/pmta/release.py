"""A release of PowerMTA, as the fleet file, PowerMTA itself and the grammar's tables write it: `4.5`, `5.0r5`, `5.0.1r2`."""

import re
from dataclasses import dataclass
from typing import Self

ALLOWED = "a PowerMTA version such as 5.0 or 5.0r5"
_SHAPE = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:r([0-9]{1,4}))?")
_SAID = re.compile(r"\b[0-9]+\.[0-9]+(?:\.[0-9]+)*(?:r[0-9]+)?\b")


@dataclass(frozen=True, slots=True)
class Release:
    """`patch`, `revision` None: not said; `5.0` may be any of 5.0r1 to 5.0r8."""

    major: int
    minor: int
    patch: int | None = None
    revision: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Exactly a release; raises ValueError with what is allowed."""
        found = _SHAPE.fullmatch(text)
        if found is None:
            raise ValueError(f"version {text!r} is not {ALLOWED}")
        return cls(*(None if part is None else int(part) for part in found.groups()))  # type: ignore[arg-type]

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The release that a text begins with, as PowerMTA shows it (`5.0r5 build 3`); None where it begins with none."""
        found = _SHAPE.match(text.strip())
        return cls.parse(found.group()) if found else None

    def __str__(self) -> str:
        patch = "" if self.patch is None else f".{self.patch}"
        revision = "" if self.revision is None else f"r{self.revision}"
        return f"{self.major}.{self.minor}{patch}{revision}"

    @property
    def line(self) -> tuple[int, int]:
        """Releases of one line (5.0, 5.5) take the same configuration, small things apart."""
        return self.major, self.minor

    def covers(self, other: Self) -> bool:
        """`5.0` means every `5.0rN`; `5.0r5` means that alone."""
        if self.revision is not None:
            return self == other
        return self.line == other.line and self.patch in (None, other.patch)

    def surely_precedes(self, first: Self) -> bool:
        """Is it older, also if a revision that is not said is the last of its line?"""
        return self.line < first.line or (self.revision is not None and self._order < first._order)

    def surely_reaches(self, first: Self) -> bool:
        """Is it that one or a later one, also if a revision that is not said is the first of its line?"""
        return self._order >= first._order

    @property
    def _order(self) -> tuple[int, int, int]:
        return (*self.line, self.revision or 0)


def find_release(text: str) -> str | None:
    """The first thing in a text that looks like a release."""
    found = _SAID.search(text)
    return found.group() if found else None
