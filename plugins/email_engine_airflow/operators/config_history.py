"""What stands on the hosts enters the history of configurations."""

from typing import TYPE_CHECKING

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class RecordHistory(EngineOperator):
    """Writes every deployment that is not in the history yet: see `pipelines.config_history`. Trouble is an alert, no failure."""

    def call(self, store: "Store", run: "Run") -> dict[str, int]:
        from email_engine.pipelines.config_history import record

        return record(store, run)
