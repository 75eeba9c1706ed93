"""The brake in a person's hand."""

from typing import TYPE_CHECKING

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class PullTheBrake(EngineOperator):
    """Engages or releases what the form asks; returns the MTA hosts to act on: see `pipelines.emergency_stop`."""

    def call(self, store: "Store", run: "Run") -> list[str]:
        from email_engine.pipelines.brakes.left_without import foresee
        from email_engine.pipelines.emergency_stop import pull

        hosts = pull(store, run)
        if run.dry_run and not run.params.get("release"):
            for line in foresee(store, self.clients, run):
                self.log.warning("%s", line)
        return hosts


class PullTheRest(EngineOperator):
    """Stops or releases those whose rows another session held, as soon as it lets go; usually there are none."""

    def call(self, store: "Store", run: "Run") -> list[str]:
        from email_engine.pipelines.emergency_stop import pull_rest

        return pull_rest(store, self.clients, run)
