"""Values of directives as numbers: intervals in seconds, rates as (count, seconds), sizes in bytes."""

import re

_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_UNITS = {"day": 86400, "d": 86400, "hr": 3600, "h": 3600, "min": 60, "m": 60, "sec": 1, "s": 1}
_BYTES = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def truth(text: str) -> bool:
    return text in {"yes", "true"}


def seconds(text: str) -> int:
    """`4d12h` -> 388800; `0` -> 0."""
    return sum(int(count) * _SECONDS[unit] for count, unit in re.findall(r"(\d+)([wdhms])", text))


def interval(text: str) -> float:
    """As `seconds`; `never` is infinite."""
    return float("inf") if text == "never" else float(seconds(text))


def rate(text: str) -> tuple[int, int] | None:
    """`83/10m` -> (83, 600). `unlimited` and a bare `0` -> None: no limit. `0/d` is a limit of none."""
    if "/" not in text:
        return None
    count, _, period = text.partition("/")
    found = re.fullmatch(r"(\d*)([a-z]+)", period)
    if found is None:
        raise ValueError(f"not a rate: {text!r}")
    return int(count), int(found[1] or 1) * _UNITS[found[2]]


def size(text: str) -> int:
    """`250M` -> bytes."""
    return int(text[:-1]) * _BYTES[text[-1].lower()]
