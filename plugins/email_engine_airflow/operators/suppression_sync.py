"""Bounces and complaints reach MailWizz and are counted there."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class SyncSuppression(EngineOperator):
    """Suppresses in one MailWizz instance what its bounces and complaints call for: see `pipelines.suppression_sync`."""

    template_fields = ("instance",)

    def __init__(self, *, instance: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.instance = instance

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.suppression_sync import sync

        return sync(store, self.clients, self.instance, run)
