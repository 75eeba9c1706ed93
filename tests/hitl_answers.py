"""What Airflow stores of a person's answer, where no API server stands between a trigger and it."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

TASK = "0198f1c0-0000-7000-8000-000000000001"


@dataclass
class Answers:
    """Stored answers by task instance; `refused` looks are refused first."""

    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: int = 0
    looks: int = 0

    def give(self, chosen: str, ti_id: str = TASK, **params: Any) -> None:
        by = SimpleNamespace(id="1", name="ops")
        self.stored[ti_id] = {"chosen_options": [chosen], "params_input": params, "responded_by_user": by}

    def read(self, ti_id: UUID) -> SimpleNamespace:
        self.looks += 1
        if self.looks <= self.refused:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR))
        none = {"chosen_options": None, "params_input": {}, "responded_by_user": None}
        one = self.stored.get(str(ti_id))
        return SimpleNamespace(response_received=one is not None, **(one or none))
