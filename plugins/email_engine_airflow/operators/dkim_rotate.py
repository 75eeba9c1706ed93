"""DKIM keys are made, seen, signed with, revoked and removed."""

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


REFUSED = "refused"


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
        """A form that `ask` refuses is done nothing for by the other steps of the tenant either; a host that is away stops none of them."""
        from email_engine.errors import InputError

        ti = context.get("ti")
        if self.step != "ask":
            if ti is not None and ti.xcom_pull(task_ids="ask", key=REFUSED, map_indexes=ti.map_index):
                raise AirflowSkipException(
                    "`ask` refused the form: nothing is done for it; the next run advances what stands"
                )
            return super().work(context)
        try:
            return super().work(context)
        except InputError:
            if ti is not None:
                ti.xcom_push(key=REFUSED, value=True)
            raise

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.dkim_rotate.steps import step

        return step(self.step, store, self.clients, self.tenant, run)
