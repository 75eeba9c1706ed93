"""What was stopped is looked for."""

from typing import TYPE_CHECKING

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class FindBrakes(EngineOperator):
    """The MTA hosts on which a brake stands: see `pipelines.brake_watch`."""

    def call(self, store: "Store", run: "Run") -> list[str]:
        from email_engine.pipelines.brake_watch import find_brakes

        return find_brakes(store, run, self.task_id)
