"""Opens and clicks are counted in MailWizz."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class CountOpens(EngineOperator):
    """Counts what was opened and clicked of one MailWizz instance's mail: see `pipelines.mailwizz_opens`."""

    template_fields = ("instance",)

    def __init__(self, *, instance: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.instance = instance

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.mailwizz_opens import count

        return count(store, self.clients, self.instance, run)
