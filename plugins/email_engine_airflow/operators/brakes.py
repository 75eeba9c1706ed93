"""Brakes are enforced on a host, and on the MailWizz servers of its IPs."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class ApplyBrakes(EngineOperator):
    """Makes one MTA host follow the brakes that stand in the database: see `pipelines.brakes.enforce`. Returns `{"host", "held",
    "released", "failed"}`; what does not hold fails the task, so that Airflow tries again.

    Args:
        mta_host: name of the host in the fleet.
        fails: False where the next look comes soon anyway: the alert is enough.

    Raises:
        NotVerified: one for all brakes of the host that are not complete."""

    template_fields = ("mta_host",)

    def __init__(self, *, mta_host: str, fails: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mta_host = mta_host
        self.fails = fails
        self.complete = True

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.brakes.enforce import enforce

        done = enforce(store, self.clients, self.mta_host, run)
        self.complete = done.incomplete is None
        if done.incomplete is not None and self.fails:
            raise done.incomplete
        if done.incomplete is not None:
            self.log.error("%s", done.incomplete)
        return done.as_json()

    def went_well(self, context: Any) -> None:
        """What is not complete is an incident of its own, which this task ends itself."""
        if self.complete:
            super().went_well(context)
