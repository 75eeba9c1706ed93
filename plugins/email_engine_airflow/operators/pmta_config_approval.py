"""A person's yes or no to what the guard stopped: asked in Airflow's UI, by a run of its own."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from email_engine_airflow.forms import LONGEST_REASON
from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.run import current_run
from email_engine_airflow.start_run import start

if TYPE_CHECKING:
    from email_engine.pipelines.pmta_config_approval.question import NextRun
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store

APPROVE, REJECT = "Approve", "Reject"
HOURS = 12
GRACE = timedelta(minutes=15)
"""After the deadline the trigger answers; if there is none, Airflow itself ends the task so much later."""


class AskPerson(HITLOperator, EngineOperator):
    """Shows a change and waits for a person, without a worker slot. Returns the `run_id` and `conf` of the run that deploys it.

    Approved: what stands below runs. Rejected, not answered in time, or superseded by a newer fleet version: skipped, with
    a sentence why. The row in table approvals is what counts; an answer that comes too late changes nothing."""

    def __init__(self, *, poll_seconds: float = 10.0, params: Any = None, **kwargs: Any) -> None:
        reason = Param(
            None,
            source="task",
            type=["null", "string"],
            maxLength=LONGEST_REASON,
            title="Reason",
            description="Kept with the approval and its deployment.",
        )
        super().__init__(
            subject="A PowerMTA configuration needs a yes or no",
            options=[APPROVE, REJECT],
            response_timeout=timedelta(hours=HOURS),
            params={**(params or {}), "reason": reason},
            **kwargs,
        )
        self.poll_seconds = poll_seconds

    def execute(self, context: Any) -> Any:
        return EngineOperator.execute(self, context)

    def work(self, context: Any) -> Any:
        from email_engine.pipelines.pmta_config_approval.question import prepare
        from email_engine_airflow.incident import base_url
        from email_engine_airflow.triggers.approval import QuestionTrigger

        with self.store() as store:
            page = prepare(store, current_run(context), base_url(), HOURS)
        self.subject, self.body = page.subject, page.body
        if page.over:
            raise AirflowSkipException(page.over)
        ti_id = context["ti"].id
        upsert_hitl_detail(
            ti_id=ti_id,
            options=self.options,
            subject=self.subject,
            body=self.body,
            defaults=None,
            multiple=False,
            params={"reason": self.serialized_params["reason"]},  # not those of the DAG: nobody answers them
            assigned_users=None,
        )
        deadline = page.until.isoformat()
        self.log.info("waiting for an answer until %s: %s", deadline, page.url)
        self.defer(
            trigger=QuestionTrigger(str(ti_id), page.approval, deadline, self.poll_seconds),
            method_name="execute_complete",
            timeout=page.until - datetime.now(UTC) + GRACE,
        )

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """`event`: from the trigger, or the person's answer from Airflow's API."""
        if "ended" in event:
            raise AirflowSkipException(event["ended"])
        with self.store() as store:
            follows = _follows(store, current_run(context), event)
        if follows.conf is None:
            raise AirflowSkipException(follows.said)
        return {"run_id": follows.run_id, "conf": follows.conf}


def _follows(store: "Store", run: "Run", event: dict[str, Any]) -> "NextRun":
    from email_engine.pipelines.pmta_config_approval.question import answered, not_answered

    if event.get("error_type") == "timeout":
        return not_answered(store, run)
    by = (event.get("responded_by_user") or {}).get("name") or "somebody"
    reason = (event.get("params_input") or {}).get("reason")
    return answered(store, run, yes=event["chosen_options"] == [APPROVE], by=by, reason=reason)


class StartDeploying(EngineOperator):
    """Starts the deployment that a person approved: this change on this host, and nothing else."""

    template_fields = ("answer",)

    def __init__(self, *, answer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.answer = answer

    def work(self, context: Any) -> None:
        from email_engine.pipelines.pmta_config_approval.links import DEPLOYING

        raise start(DEPLOYING, self.answer["run_id"], self.answer["conf"])
