"""How checks of values are made from smaller ones.

A `Check` takes text and returns its one canonical spelling, or raises BadValue."""

import re
from collections.abc import Callable
from enum import StrEnum

Check = Callable[[str], str]


class Fault(StrEnum):
    """In which way a value is wrong."""

    MISSING = "missing"
    COUNT = "count"
    ORDER = "order"
    UNIT = "unit"
    VALUE = "value"


class BadValue(ValueError):
    """`expected` completes the sentence "allowed is ..."."""

    def __init__(self, expected: str, fault: Fault = Fault.VALUE) -> None:
        super().__init__(expected)
        self.expected = expected
        self.fault = fault


def like(pattern: str, expected: str, canonical: Callable[[str], str] = str) -> Check:
    """A check for text that matches the whole pattern."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise BadValue(expected)
        return canonical(text)

    return check


def word(*allowed: str) -> Check:
    """One of these words."""
    known = dict.fromkeys(allowed)

    def check(text: str) -> str:
        if text not in known:
            raise BadValue(f"one of {', '.join(allowed)}" if len(allowed) > 1 else f"`{allowed[0]}`")
        return text

    return check


def either(*checks: Check) -> Check:
    """The first check that takes the text; else the expectations of all."""

    def check(text: str) -> str:
        wanted, faults = [], []
        for one in checks:
            try:
                return one(text)
            except BadValue as error:
                wanted.append(error.expected)
                faults.append(error.fault)
        raise BadValue(
            " or ".join(dict.fromkeys(wanted)), next((f for f in faults if f is Fault.UNIT), faults[0])
        )

    return check


def words(*checks: Check, optional: int = 0) -> Check:
    """Arguments parted by blanks, the last `optional` of them may be absent."""

    def check(text: str) -> str:
        parts = text.split(None, len(checks) - 1)
        if len(parts) < len(checks) - optional:
            raise BadValue(f"{_count(len(checks), optional)} arguments", Fault.COUNT)
        try:
            return " ".join(one(part) for one, part in zip(checks, parts, strict=False))
        except BadValue as error:
            if _reversed(checks, parts):
                raise BadValue(f"{error.expected} first", Fault.ORDER) from None
            if len(text.split()) > len(checks) and re.search(r"[^\s,;]\s+[^\s,;]", parts[-1]):
                raise BadValue(f"{_count(len(checks), optional)} arguments", Fault.COUNT) from None
            raise

    return check


def _count(most: int, optional: int) -> str:
    return f"{most - optional} or {most}" if optional else str(most)


def _reversed(checks: tuple[Check, ...], parts: list[str]) -> bool:
    if len(checks) != len(parts) or len(parts) < 2:
        return False
    try:
        for one, part in zip(checks, reversed(parts), strict=True):
            one(part)
    except BadValue:
        return False
    return True


def many(one: Check, most: int = 10_000, blanks: bool = True) -> Check:
    """A list with commas. The guide writes blanks round them; only of retry intervals it says that there are none."""

    def check(text: str) -> str:
        parts = text.split(",")
        if blanks:
            parts = [part.strip() for part in parts]
        elif re.search(r"\s,|,\s", text):
            raise BadValue("a list with commas and without blanks")
        if len(parts) > most:
            raise BadValue(f"at most {most} values", Fault.COUNT)
        return ",".join(map(one, parts))

    return check


def fields(*checks: Check) -> Check:
    """A fixed number of values with commas; blanks round the commas are allowed."""

    def check(text: str) -> str:
        parts = [part.strip() for part in text.split(",")]
        if len(parts) != len(checks):
            raise BadValue(f"{len(checks)} values with commas between them", Fault.COUNT)
        return ",".join(one(part) for one, part in zip(checks, parts, strict=True))

    return check


def anything(text: str) -> str:
    """For arguments that the documentation leaves open."""
    return " ".join(text.split())
