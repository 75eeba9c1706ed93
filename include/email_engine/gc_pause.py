"""The collector of cyclic garbage, paused where a whole fleet is in memory."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Decisions make many objects and no cycles; each search for cycles would walk through every day of the fleet."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
