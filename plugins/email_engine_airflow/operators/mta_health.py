"""MTA hosts are looked at."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class CheckHost(EngineOperator):
    """Looks at one host and judges what it sees: see `pipelines.mta_health`.

    Args:
        mta_host: name of the host in the fleet."""

    template_fields = ("mta_host",)

    def __init__(self, *, mta_host: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mta_host = mta_host

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.mta_health import check

        return check(store, self.clients, self.mta_host, run)
