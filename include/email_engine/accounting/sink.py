"""Who takes the bounces of an accounting file, one by one."""

from typing import Protocol

from email_engine.accounting.values import Event


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
        try:
            self.sink.add(event)
        except Exception as error:
            self.failure = error
            raise

    def clear(self) -> None:
        try:
            self.sink.clear()
        except Exception as error:
            self.failure = error
            raise
