"""PowerMTA's rates as numbers, to compare what two texts mean."""

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

from email_engine.pmta.language.values import rate

_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DAILY = re.compile(r"\d+/d")


@lru_cache(maxsize=1 << 16)
def per_second(text: str) -> Fraction | None:
    """`1200/d`, `83/10m`. None for what is no rate, and for 0: the facts do not say whether that means nothing or all."""
    spelled = _spelled(text)
    if spelled is None or "/" not in spelled:
        return None
    count, _, window = spelled.partition("/")
    return Fraction(int(count), int(window[:-1] or 1) * _SECONDS[window[-1]]) if int(count) else None


def is_daily(text: str) -> bool:
    """Is it a number of messages for one day (`60/d`)? Only an IP's allowance is."""
    return bool(_DAILY.fullmatch(_spelled(text) or ""))


def highest(rates: Iterable[str]) -> str | None:
    """The rate that lets most through, what cannot be compared before any other. None of none."""
    return max(rates, key=_height, default=None)


def _height(text: str) -> tuple[int, Fraction]:
    number = per_second(text)
    if number is not None:
        return 0, number
    return (1 if text == "unlimited" else 2), Fraction(0)


def _spelled(text: str) -> str | None:
    try:
        return rate(text)
    except ValueError:
        return None
