"""Accounting: which hosts there are, what was accepted for lost, and what one host's closed files say."""

from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class ListMtaHosts(EngineOperator):
    """The names of all MTA hosts, for mapping one task a host; before that, refused files that a person accepts for lost are
    given up: see `pipelines.accounting_ingest.accept`."""

    def call(self, store: "Store", run: "Run") -> list[str]:
        from email_engine.pipelines.accounting_ingest import accept_refused
        from email_engine.pipelines.names import mta_hosts

        accept_refused(store, run)
        return mta_hosts(store, run)


class IngestHost(EngineOperator):
    """Takes every closed accounting file of one host that was not dealt with before: see `pipelines.accounting_ingest.ingest`.

    Args:
        mta_host: name of the host in the fleet."""

    template_fields = ("mta_host",)

    def __init__(self, *, mta_host: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mta_host = mta_host

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.accounting_ingest import ingest

        return ingest(store, self.clients, self.mta_host, run)
