"""Who takes the bounces of an accounting file, one by one."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from email_engine.mta.accounting_values import Event


class EventSink(Protocol):
    """Takes bounces one by one. A file that turns out odd is read again: `clear` forgets what came before."""

    def add(self, event: Event) -> None: ...

    def clear(self) -> None: ...


class KeptSink:
    """An event sink that remembers its own failure, which is not the file's."""

    def __init__(self, sink: EventSink) -> None:
        self.sink = sink
        self.failure: Exception | None = None

    def add(self, event: Event) -> None:
        self._run(partial(self.sink.add, event))

    def clear(self) -> None:
        self._run(self.sink.clear)

    def _run(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self.failure = error
            raise
