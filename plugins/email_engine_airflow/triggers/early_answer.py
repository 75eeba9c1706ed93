"""A person's answer that came before the task was parked."""

import asyncio
import logging
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.triggers.base import TriggerEvent

SECONDS = 30.0
"""So long after the start of its trigger an answer may still be stored without resuming the task."""

log = logging.getLogger(__name__)


class EarlyAnswer:
    """Airflow's API resumes a task that is parked already; an answer to one that is still parking is stored and resumes nothing. A
    trigger asks for it at its looks of the first `SECONDS`; what comes later the API hands on."""

    def __init__(self, ti_id: str) -> None:
        self.ti_id = ti_id
        self.until = asyncio.get_running_loop().time() + SECONDS

    async def look(self) -> TriggerEvent | None:
        """The event that the API would have sent: chosen_options, params_input, responded_by_user; None where nobody answered."""
        if asyncio.get_running_loop().time() > self.until:
            return None
        try:
            given = await asyncio.to_thread(self._read)
        except AirflowRuntimeError as error:
            log.warning("it is not known whether somebody answered task instance %s: %s", self.ti_id, error)
            self.until += SECONDS
            return None
        return TriggerEvent(given) if given else None

    def _read(self) -> dict[str, Any] | None:
        from uuid import UUID

        from airflow.sdk.execution_time.hitl import get_hitl_detail_content_detail

        detail = get_hitl_detail_content_detail(ti_id=UUID(self.ti_id))
        if not (detail.response_received and detail.chosen_options):
            return None
        by = detail.responded_by_user
        return {
            "chosen_options": list(detail.chosen_options),
            "params_input": detail.params_input or {},
            "responded_by_user": {"id": by.id, "name": by.name} if by else None,
        }
