"""The fleet file comes into the database."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class SyncFleet(EngineOperator):
    """Parses the fleet file, plans, applies: see `pipelines.fleet`. Returns its tenants, hosts and MailWizz instances."""

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.paths import fleet_path
        from email_engine.pipelines.fleet import sync_fleet

        return sync_fleet(store, fleet_path(), run)
