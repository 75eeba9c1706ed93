"""Names over which the next task is mapped."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class ListNames(EngineOperator):
    """Tenants, hosts or MailWizz instances, as a list.

    Args:
        of: a key of `email_engine.pipelines.names.NAMES`."""

    def __init__(self, *, of: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.of = of

    def call(self, store: "Store", run: "Run") -> list[str]:
        from email_engine.pipelines.names import NAMES

        return NAMES[self.of](store, run)
