"""Waits beside a person who is asked about a listing: hundreds of such questions look at the database together."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent

from email_engine_airflow.triggers.early_answer import EarlyAnswer

if TYPE_CHECKING:
    from email_engine.blocklists.delisting import Delisting

POLL_SECONDS = 10.0


class _Look:
    """What one look at the database showed, begun at `at` by the loop's clock; everybody in the same event loop shares it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.at = float("-inf")
        self.asked: Mapping[int, Delisting] = {}

    async def since(self, moment: float) -> "Mapping[int, Delisting]":
        """Questions that wait, by listing, as a look begun at `moment` or later showed them: an older one may not know a question that
        was asked meanwhile. Raises EngineError where the database is away."""
        async with self.lock:
            if self.at < moment:
                began = asyncio.get_running_loop().time()
                self.asked = await _asked()
                self.at = began
            return self.asked


_LOOKS: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Look]" = WeakKeyDictionary()


async def _asked() -> "Mapping[int, Delisting]":
    from email_engine.store.stops import delistings
    from email_engine_airflow.hooks.engine_db import EngineDbHook

    store = await EngineDbHook().aget_conn()

    def read() -> "Mapping[int, Delisting]":
        with store.session(tenant="*") as conn:
            return delistings.asked(conn)

    try:
        return await asyncio.to_thread(read)
    finally:
        store.dispose()


class DelistingTrigger(BaseTrigger):
    """Fires `{"ended": true}` when the question about a listing has no sense any more (it is over, somebody named the cause by the form,
    the IP left the fleet, another run follows it), `{"error_type": "timeout"}` at the deadline (ISO time). A database that is away is
    asked again.

    Airflow's API resumes the waiting task directly when somebody answers, and this trigger ends with it; an answer that came before the
    task was parked it fires itself. `ti_id`: of the task that asks; `part`: a `blocklists.delisting.Part`."""

    def __init__(
        self,
        ti_id: str,
        listing_id: int,
        part: str,
        run_id: str,
        deadline: str,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        super().__init__()
        self.ti_id = ti_id
        self.listing_id = listing_id
        self.part = part
        self.run_id = run_id
        self.deadline = deadline
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("ti_id", "listing_id", "part", "run_id", "deadline", "poll_seconds")
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {name: getattr(self, name) for name in names},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        loop = asyncio.get_running_loop()
        look = _LOOKS.setdefault(loop, _Look())
        early = EarlyAnswer(self.ti_id)
        began = loop.time()
        while True:
            answer = await early.look()
            if answer:
                yield answer
                return
            left = (datetime.fromisoformat(self.deadline) - datetime.now(UTC)).total_seconds()
            if await self._ended(look, max(began, loop.time() - self.poll_seconds / 2)):
                yield TriggerEvent({"ended": True})
                return
            if left <= 0:
                yield TriggerEvent({"error_type": "timeout"})
                return
            await asyncio.sleep(min(self.poll_seconds, max(left, 0.0)))

    async def _ended(self, look: _Look, moment: float) -> bool:
        from email_engine.blocklists.delisting import Part, why_not_ask
        from email_engine.errors import EngineError

        try:
            asked = await look.since(moment)
        except EngineError as error:
            self.log.warning("the question about listing %d cannot be looked at: %s", self.listing_id, error)
            return False
        delisting = asked.get(self.listing_id)
        if delisting is None or delisting.run_id != self.run_id:
            return True
        return why_not_ask(delisting, Part(self.part)) is not None
