"""DNS of sending domains and IPs is checked."""

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class CheckDns(EngineOperator):
    """Checks SPF, DKIM, DMARC, PTR, HELO and MX of every IP of one tenant: see `pipelines.dns_validate`."""

    template_fields = ("tenant",)

    def __init__(self, *, tenant: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tenant = tenant

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.dns_validate import check

        return check(store, self.clients, self.tenant, run)


class CheckDomain(EngineOperator):
    """Checks the domain that the form names, and is skipped where it names none: see `pipelines.dns_by_hand`."""

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.dns_by_hand import check_domain

        done = check_domain(store, self.clients, run)
        if done is None:
            raise AirflowSkipException("the form names no domain: the fleet is checked")
        return done
