"""DKIM keys are made, seen, signed with, revoked and removed."""

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

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

    def work(self, context: Any) -> Any:
        """What a form asks for is refused by `ask` alone: then no other step of the tenant does anything for it either."""
        asked = (context.get("params") or {}).get("action", "advance")
        ti = context.get("ti")
        follows = self.step != "ask" and asked != "advance" and hasattr(ti, "xcom_pull")
        if follows and ti.xcom_pull(task_ids="ask", map_indexes=ti.map_index) is None:
            raise AirflowSkipException(
                "`ask` refused the form: nothing is done for it; the next run advances what stands"
            )
        return super().work(context)

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.dkim_rotate.steps import step

        return step(self.step, store, self.clients, self.tenant, run)
