"""What the steps of a deployment share: one host, one way to wait for it, one way to fail."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from email_engine_airflow.operators.base import EngineOperator

BUSY = timedelta(seconds=30)
"""So long a task waits, without a worker, for another deployment to its host; no try is used up."""


class HostStep(EngineOperator):
    """One host. While another deployment has it, the task waits without a worker; what is hopeless fails at once."""

    def about(self) -> tuple[str, str] | None:
        given = getattr(self, "plan", None) or getattr(self, "deployed", None)
        if isinstance(given, dict) and given.get("host"):
            return "host", str(given["host"])
        return super().about()

    def work(self, context: Any) -> Any:
        from email_engine.errors import EngineError, GuardBreach, InputError, NotVerified, Unreachable
        from email_engine.store.hosts.lock import Busy

        try:
            return super().work(context)
        except Busy as error:
            raise AirflowRescheduleException(datetime.now(UTC) + BUSY) from error
        except (InputError, GuardBreach, NotVerified, Unreachable):
            raise
        except EngineError as error:
            raise AirflowFailException(str(error)) from error
