"""DKIM keys are made, seen, signed with, revoked and removed."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class RotateKeys(EngineOperator):
    """One step for the keys of one tenant: see `pipelines.dkim_rotate.steps`.

    Args:
        step: a key of its STEPS."""

    template_fields = ("tenant",)

    def __init__(self, *, step: str, tenant: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.tenant = tenant

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.dkim_rotate.steps import step

        return step(self.step, store, self.clients, self.tenant, run)
