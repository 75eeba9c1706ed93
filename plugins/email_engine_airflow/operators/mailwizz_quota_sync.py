"""Delivery-server quotas follow allowances."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class SyncQuotas(EngineOperator):
    """Makes the delivery servers of one MailWizz instance follow the allowances: see `pipelines.mailwizz_quota_sync`."""

    template_fields = ("instance",)

    def __init__(self, *, instance: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.instance = instance

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.mailwizz_quota_sync import sync

        return sync(store, self.clients, self.instance, run)
