"""Runs of a pipeline that failed without a word of their own."""

from collections.abc import Sequence
from datetime import UTC, datetime

from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.telling import incidents


def lost_runs(store: Store, run: Run) -> list[str]:
    """Causes of the incidents that stand because an earlier run of this pipeline was lost."""
    cause = f"run of {run.dag_id}"
    with store.session(tenant="*") as conn:
        return [
            incident.cause
            for incident in incidents.standing(conn)
            if incident.cause == cause or incident.cause.startswith(f"{cause} in ")
        ]


def runs_again(store: Store, run: Run, causes: Sequence[str]) -> None:
    """Ends them: this run of the pipeline came to its end without a failure."""
    with store.session(tenant="*") as conn:
        for cause in causes:
            incidents.over(conn, cause, datetime.now(UTC), f"{run.dag_id} runs to its end again")
