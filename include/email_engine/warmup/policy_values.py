"""What values of the policy file may be, and one of its sections with the names of the release before."""

from collections.abc import Mapping
from types import MappingProxyType

from email_engine.fleet.document import Section, plain_number
from email_engine.fleet.names import Check

LARGEST = 10_000_000
LEAST = 1e-6
"""Of rates and shares: less is nothing."""
NOTHING: Mapping[str, str] = MappingProxyType({})


def _number(low: float, high: float, allowed: str) -> Check:
    def check(text: str) -> str | None:
        try:
            good = plain_number(text) and max(low, LEAST) <= float(text) < high and float(text) != low
        except ValueError:
            good = False
        return None if good else allowed

    return check


a_rate = _number(0, 1, f"a rate between 0 and 1, like 0.05, and at least {LEAST:f}")
a_share = _number(0, 1.000001, f"a share above 0 and up to 1, like 0.5, and at least {LEAST:f}")
a_growth = _number(1, 10, "a factor above 1 and below 10, like 1.25")
an_extreme = _number(1, 100, "a factor above 1 and below 100, like 1.8")
an_overrun = _number(1, 100, "a factor above 1 and below 100, like 2.0")


def a_count(text: str) -> str | None:
    good = plain_number(text) and text.isdecimal() and 0 < int(text) <= LARGEST
    return None if good else f"a whole number from 1 to {LARGEST}"


def _starter(text: str) -> str | None:
    return None if text in ("person", "automatic") else "person or automatic"


class SectionReader:
    """Reads values of one section; a missing section is noted once and reads as empty values. `earlier`: keys as the release
    before called them, and as they are called now; `gone`: keys that mean nothing any more, and why; `optional`: it may be missing."""

    def __init__(
        self, top: Section, key: str, *known: str, earlier: Mapping[str, str] = NOTHING,
        gone: Mapping[str, str] = NOTHING, optional: bool = False,
    ) -> None:  # fmt: skip
        self.section = top.section(key)
        if self.section is None:
            if not top.has(key) and not optional:
                top.add(key, "missing", f"a mapping of {', '.join(known)}")
        else:
            for before, now in earlier.items():
                self.section.renamed(before, now)
            for before, why in gone.items():
                self.section.gone(before, why)
            self.section.only(*known)

    def number(self, key: str, lowest: int, highest: int, default: int | None = None) -> int:
        return self.section.number(key, lowest, highest, default) if self.section else default or 0

    def real(self, key: str, check: Check = a_rate, default: str | None = None) -> float:
        return float(self.section.text(key, check, default) or 0) if self.section else float(default or 0)

    def automatic(self, key: str) -> bool:
        return self.section is not None and self.section.text(key, _starter) == "automatic"
