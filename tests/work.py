"""How much a piece of code does, on any machine: the calls that it makes, of Python's functions and of C's."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def calls(what: Callable[[], object]) -> int:
    """Calls during `what()`. Blind to how long one C function takes: what never ends there meets the suite's timeout."""
    counted = 0

    def note(_frame: FrameType, event: str, _what: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        what()
    finally:
        sys.setprofile(before)
    return counted
