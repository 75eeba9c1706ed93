"""The one step of `fleet_adopt`."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class AdoptFleet(EngineOperator):
    """Proposes a fleet file for a fleet that sends already: see `pipelines.fleet_adopt`. Returns counts and the folder."""

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.paths import fleet_path
        from email_engine.pipelines.fleet_adopt.run_adoption import adopt_fleet

        return adopt_fleet(store, self.clients, fleet_path(), run)
