"""From an Airflow task's context to the engine's run."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run


def current_run(context: Mapping[str, Any]) -> "Run":
    """Reads the run out of an Airflow task context."""
    from email_engine.pipelines.run import Run

    dag_run = context["dag_run"]
    params = dict(context.get("params") or {})
    as_of = getattr(dag_run, "run_after", None) or dag_run.logical_date or datetime.now(UTC)
    return Run(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        as_of=as_of.astimezone(UTC),
        dry_run=bool(params.get("dry_run", False)),
        actor=getattr(dag_run, "triggering_user_name", None) or dag_run.dag_id,
        params=params,
    )
