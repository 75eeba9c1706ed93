"""Reputations are guarded while the day runs."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class GuardReputation(EngineOperator):
    """Judges every sending IP of one tenant by its mail up to now: see `pipelines.reputation_guard`."""

    template_fields = ("tenant",)

    def __init__(self, *, tenant: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tenant = tenant

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.reputation_guard import guard

        return guard(store, self.tenant, run)
