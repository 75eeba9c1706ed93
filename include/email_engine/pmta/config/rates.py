"""PowerMTA's rates as numbers, to compare what two texts mean."""

import re
from fractions import Fraction

_RATE = re.compile(r"(\d{1,12})/(\d{0,6})(day|d|hr|h|min|m|sec|s)")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def per_second(text: str) -> Fraction | None:
    """`1200/d`, `83/10m`. None for what is no rate, and for 0: the facts do not say whether that means nothing or all."""
    found = _RATE.fullmatch(text)
    if not found or not int(found.group(1)):
        return None
    multiplier = int(found.group(2) or 1)
    return Fraction(int(found.group(1)), multiplier * _SECONDS[found.group(3)[0]]) if multiplier else None
