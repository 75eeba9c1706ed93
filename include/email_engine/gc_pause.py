"""The collector of cyclic garbage, paused where a whole fleet is in memory."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 200_000
"""Objects that were made in a pause."""


@contextmanager
def gc_paused() -> Iterator[None]:
    """Decisions make many objects and no cycles; each search for cycles would walk through every day of the fleet."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            _pass_over()
            gc.enable()


def _pass_over() -> None:
    """Counts what was made as old at once: it has no cycles, and the first search after the pause would walk through all of it. What others
    have frozen stays so; to count that takes as long as it is large, so that few new objects are not worth it."""
    if gc.get_count()[0] > MANY and not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()
