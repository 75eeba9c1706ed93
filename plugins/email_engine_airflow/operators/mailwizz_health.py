"""MailWizz instances are looked at."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class CheckMailwizz(EngineOperator):
    """Looks at one MailWizz by its database and judges what it sees: see `pipelines.mailwizz_health`.

    Args:
        instance: name of the instance in the fleet."""

    template_fields = ("instance",)

    def __init__(self, *, instance: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.instance = instance

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.mailwizz_health import check

        return check(store, self.clients, self.instance, run)
