"""A person moves IPs through their life."""

from typing import TYPE_CHECKING

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class MoveIps(EngineOperator):
    """Does what the form asks, for every IP meant or for none; returns the MTA hosts to act on: see `pipelines.ip_transition`."""

    def call(self, store: "Store", run: "Run") -> list[str]:
        from email_engine.pipelines.ip_transition import move

        return move(store, run)
