"""Recipient lists are looked at."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class LookAtLists(EngineOperator):
    """Looks at the recipient lists of one MailWizz instance: see `pipelines.list_hygiene`."""

    template_fields = ("instance",)

    def __init__(self, *, instance: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.instance = instance

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.list_hygiene import look

        return look(store, self.clients, self.instance, run)
