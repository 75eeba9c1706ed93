"""Block lists are probed and asked, and what they say is decided."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowRescheduleException

from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class ProbeLists(EngineOperator):
    """Finds the block lists that can be believed: see `pipelines.rbl_sweep.probe`."""

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.rbl_sweep import probe

        return probe(store, self.clients, run)


class SweepLists(EngineOperator):
    """Asks every healthy list about every IP: see `pipelines.rbl_sweep.sweep`.

    Args:
        health: what `ProbeLists` returned (templated)."""

    template_fields = ("health",)

    def __init__(self, *, health: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.health = health

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.rbl_sweep import sweep

        return sweep(store, self.clients, self.health, run)


class ConfirmListings(EngineOperator):
    """Asks again about what is new: see `pipelines.rbl_sweep.confirm`. Until that is due it holds no worker slot; what the
    first round found waits in that task's result, so killing or clearing this one loses nothing.

    Args:
        first: what `SweepLists` returned (templated)."""

    template_fields = ("first",)

    def __init__(self, *, first: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first = first

    def call(self, store: "Store", run: "Run") -> list[dict[str, Any]]:
        from email_engine.pipelines.rbl_sweep import confirm, due_at

        due = due_at(self.first)
        if due is not None and datetime.now(UTC) < due:
            raise AirflowRescheduleException(due)
        return confirm(store, self.clients, self.first, run)


class DecideListings(EngineOperator):
    """Opens and closes one tenant's listings and parks its listed IPs: see `pipelines.rbl_sweep.decide`.

    Args:
        findings: one item of what `ConfirmListings` returned."""

    template_fields = ("findings",)

    def __init__(self, *, findings: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.findings = findings

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.rbl_sweep import decide
        from email_engine_airflow.incident import base_url

        return decide(store, self.findings, run, base_url())
