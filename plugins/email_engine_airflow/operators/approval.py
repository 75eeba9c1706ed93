"""A person's yes or no to what the guard stopped: asked in Airflow's UI, by a run of its own."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from email_engine.pipelines.run import Run
from email_engine_airflow.forms import LONGEST_REASON
from email_engine_airflow.operators.approval_page import body, run_url
from email_engine_airflow.operators.deploy_step import QUESTION, DeployStep
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from email_engine.store.approvals import Approval
    from email_engine.store.engine import Store

ASKING = "pmta_config_approval"
DEPLOYING = "pmta_config_deploy"
APPROVE, REJECT = "Approve", "Reject"
HOURS = 12
GRACE = timedelta(minutes=15)
"""After the deadline the trigger answers; if there is none, Airflow itself ends the task so much later."""
LOGGED_LINES = 5000
"""Lines of the difference in the log of `ask`, to which the page links."""


def run_of(approval: "Approval", what: str) -> str:
    """The run id that belongs to an approval: asked twice, started once."""
    return f"{what}_{approval.id}_{approval.asked_at:%Y%m%dT%H%M%S}"


def answer_url(approval: "Approval") -> str:
    """Where to click."""
    return run_url(ASKING, run_of(approval, "approval"), "ask", "required_actions")


def start(dag_id: str, run_id: str, conf: dict[str, Any]) -> DagRunTriggerException:
    """To be raised: Airflow starts the run, or skips the task if it exists. (`TriggerDagRunOperator` raises the same, but
    importing it costs each DAG parse a third of a second.)"""
    return DagRunTriggerException(
        trigger_dag_id=dag_id,
        dag_run_id=run_id,
        conf=conf,
        reset_dag_run=False,
        skip_when_already_exists=True,
        wait_for_completion=False,
        allowed_states=[],
        failed_states=[],
        poke_interval=60,
        deferrable=False,
    )


class StartAsking(DeployStep):
    """Starts the run that asks a person about one plan which the guard stopped."""

    template_fields = ("plan",)

    def __init__(self, *, plan: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def work(self, context: Any) -> None:
        from email_engine.store import approvals

        with self.store() as store, store.session(tenant="*") as conn:
            approval = approvals.find(conn, int(self.plan["approval"]))
        if approval.status != "pending":
            raise AirflowSkipException(approval.ended)
        self.log.info("answer here: %s", answer_url(approval))
        raise start(ASKING, run_of(approval, "approval"), {"approval": approval.id})


class AskPerson(HITLOperator, DeployStep):
    """Shows a change and waits for a person, without a worker slot. Returns the `conf` of the run that deploys it.

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
        return DeployStep.execute(self, context)

    def work(self, context: Any) -> Any:
        from datetime import UTC, datetime

        from email_engine_airflow.triggers.approval import QuestionTrigger

        run = current_run(context)
        wait = timedelta(hours=float(run.internal("hours") or HOURS))
        until = datetime.now(UTC) + wait
        with self.store() as store:
            approval = self._find(store, run)
            self.body = body(store, approval, until, run_url(run.dag_id, run.run_id, "ask"))
        self.subject = f"{approval.mta_host}: deploy fleet version {approval.fleet_version}?"
        self._log(approval.diff)
        if run.dry_run:
            self.log.info("%s\n%s", self.subject, self.body)
            raise AirflowSkipException("dry run: nobody is asked")
        if approval.status != "pending":
            raise AirflowSkipException(approval.ended)
        upsert_hitl_detail(
            ti_id=context["ti"].id,
            options=self.options,
            subject=self.subject,
            body=self.body,
            defaults=None,
            multiple=False,
            params={"reason": self.serialized_params["reason"]},  # not those of the DAG: nobody answers them
            assigned_users=None,
        )
        deadline = until.isoformat()
        self.log.info("waiting for an answer until %s: %s", deadline, answer_url(approval))
        self.defer(
            trigger=QuestionTrigger(approval.id, deadline, self.engine_conn_id, self.poll_seconds),
            method_name="execute_complete",
            timeout=wait + GRACE,
        )

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """`event`: from the trigger, or the person's answer from Airflow's API."""
        from email_engine.forms import one_line

        if "ended" in event:
            raise AirflowSkipException(event["ended"])
        run = current_run(context)
        with self.store() as store:
            if event.get("error_type") == "timeout":
                raise AirflowSkipException(self._no(store, run, "expired", None, "nobody answered in time"))
            by = (event.get("responded_by_user") or {}).get("name") or "somebody"
            reason = one_line((event.get("params_input") or {}).get("reason")) or None
            if event["chosen_options"] != [APPROVE]:
                raise AirflowSkipException(self._no(store, run, "refused", by, reason))
            approval = self._answered(store, run, "approved", by, reason)
        self.log.info("%s", approval.ended)
        conf = {
            "host": approval.mta_host,
            "approval": approval.id,
            "reason": reason,
            "rollback_to": approval.rollback_to,
            "tenant": approval.only_tenant,
        }
        return {"run_id": run_of(approval, "approved"), "conf": conf}

    def _log(self, diff: str) -> None:
        """The lines that the page links to; secrets are hidden in them already."""
        lines = diff.splitlines()
        for line in lines[:LOGGED_LINES]:
            self.log.info("%s", line)
        if len(lines) > LOGGED_LINES:
            self.log.info("... and %d lines more, in table approvals", len(lines) - LOGGED_LINES)

    def _find(self, store: "Store", run: Run) -> "Approval":
        from email_engine.errors import InputError
        from email_engine.store import approvals

        number = run.internal("approval")
        if number is None:
            raise InputError(
                "approval 0", "not in the database: no question was named", "the id of an approval",
                f"trigger {DEPLOYING} instead, which asks where it must",
            )  # fmt: skip
        with store.session(tenant="*") as conn:
            return approvals.find(conn, number)

    def _answered(
        self, store: "Store", run: Run, status: str, by: str | None, reason: str | None
    ) -> "Approval":
        """Skips if the question was ended before the answer came."""
        from datetime import UTC, datetime

        from email_engine.store import approvals

        asked = int(run.params["approval"])
        with store.session(tenant="*") as conn:
            taken = approvals.answer(conn, asked, status, by, reason, datetime.now(UTC))
            approval = approvals.find(conn, asked)
        if not taken and (approval.status, approval.answered_by) != (status, by):
            raise AirflowSkipException(approval.ended)
        return approval

    def _no(self, store: "Store", run: Run, status: str, by: str | None, reason: str | None) -> str:
        approval = self._answered(store, run, status, by, reason)
        said = f"{approval.ended}; nothing was changed on {approval.mta_host}"
        severity = "warning" if status == "expired" else "info"
        what = "nobody answered in time" if status == "expired" else "a person said no"
        text = f"{approval.mta_host}: {what}, nothing was changed\n{said}"
        self.tell(store, QUESTION, approval.mta_host, f"{status} {approval.id}", severity, text, run)
        return said


class StartDeploying(DeployStep):
    """Starts the deployment that a person approved: this change on this host, and nothing else."""

    template_fields = ("answer",)

    def __init__(self, *, answer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.answer = answer

    def work(self, context: Any) -> None:
        raise start(DEPLOYING, self.answer["run_id"], self.answer["conf"])
