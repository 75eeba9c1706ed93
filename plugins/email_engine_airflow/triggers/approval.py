"""Waits beside a person: the answer itself comes from Airflow's API, this sees that the question has no sense any more."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from email_engine_airflow.triggers.early_answer import EarlyAnswer

POLL_SECONDS = 10.0


class QuestionTrigger(BaseTrigger):
    """Fires `{"ended": <sentence>}` when the row in table approvals is no longer pending, `{"error_type": "timeout"}` at the
    deadline (ISO time). A database that is away is asked again.

    Airflow's API resumes the waiting task directly when somebody answers, and this trigger ends with it; an answer that came before the
    task was parked it fires itself. `ti_id`: of the task that asks."""

    def __init__(
        self, ti_id: str, approval_id: int, deadline: str, poll_seconds: float = POLL_SECONDS
    ) -> None:
        super().__init__()
        self.ti_id = ti_id
        self.approval_id = approval_id
        self.deadline = deadline
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "ti_id": self.ti_id,
                "approval_id": self.approval_id,
                "deadline": self.deadline,
                "poll_seconds": self.poll_seconds,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from email_engine.errors import EngineError
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        early = EarlyAnswer(self.ti_id)
        store = await EngineDbHook().aget_conn()
        try:
            while True:
                answer = await early.look()
                if answer:
                    yield answer
                    return
                left = (datetime.fromisoformat(self.deadline) - datetime.now(UTC)).total_seconds()
                try:
                    ended = await asyncio.to_thread(self._ended, store)
                except EngineError as error:
                    self.log.warning("approval %d cannot be looked at: %s", self.approval_id, error)
                    ended = None
                if ended or left <= 0:
                    yield TriggerEvent({"ended": ended} if ended else {"error_type": "timeout"})
                    return
                await asyncio.sleep(min(self.poll_seconds, left))
        finally:
            store.dispose()

    def _ended(self, store: Any) -> str | None:
        from email_engine.pipelines.pmta_config_approval.question import ended

        return ended(store, self.approval_id)
