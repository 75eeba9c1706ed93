"""The day of the warm-up closes."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class DecideWarmup(EngineOperator):
    """Closes the UTC day of one tenant, and before it every day that was missed: see `pipelines.warmup_advance`."""

    template_fields = ("tenant",)

    def __init__(self, *, tenant: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tenant = tenant

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.warmup_advance import close_days

        return close_days(store, self.tenant, run)
