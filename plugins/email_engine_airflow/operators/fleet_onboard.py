"""The steps of `fleet_onboard`."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.triggers.hitl import HITLTrigger
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store

YES, NO = "Bring them aboard", "Leave it"
DAYS = 7
"""So long a plan waits for a person; later its file is another one."""
GRACE = timedelta(minutes=15)
"""After the deadline the trigger answers; if there is none, Airflow itself ends the task so much later."""


class PlanOnboarding(EngineOperator):
    """Shows what the form would add: see `pipelines.fleet_onboard.plan`. Returns `{"digest", "ips", "done_before"}`."""

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.paths import fleet_path
        from email_engine.pipelines.fleet_onboard.plan import plan
        from email_engine_airflow.incident import base_url

        return plan(store, fleet_path(), run, base_url())


class AskOnboarding(HITLOperator, EngineOperator):
    """Shows the plan and waits for a person, without a worker. Returns the digest of the plan that may be applied; skipped after a no,
    in a dry run and after a week. Where nobody needs to be asked (`ask` off, or done before) it says yes by itself.

    Args:
        planned: what `PlanOnboarding` returned (templated)."""

    template_fields = ("planned",)

    def __init__(self, *, planned: Any, params: Any = None, **kwargs: Any) -> None:
        super().__init__(
            subject="Bring these IPs aboard?",
            options=[YES, NO],
            response_timeout=timedelta(days=DAYS),
            params=params or {},
            **kwargs,
        )
        self.planned = planned

    def execute(self, context: Any) -> Any:
        return EngineOperator.execute(self, context)

    def work(self, context: Any) -> Any:
        from email_engine.paths import fleet_path
        from email_engine.pipelines.fleet_onboard.plan import page

        run = current_run(context)
        shown = page(fleet_path(), run)
        if run.dry_run:
            raise AirflowSkipException("dry run: the plan is in the log of `plan`, and nobody is asked")
        if shown.over:
            self.log.info("%s", shown.over)
            return self.planned["digest"]
        self.subject, self.body = shown.subject, shown.body
        return self._wait(context)

    def _wait(self, context: Any) -> NoReturn:
        """With a trigger that asks for the answer: one that comes in the very moment of parking is lost otherwise."""
        ti_id = context["ti"].id
        upsert_hitl_detail(
            ti_id=ti_id,
            options=self.options,
            subject=self.subject,
            body=self.body,
            defaults=None,
            multiple=False,
            params={},  # not those of the DAG: nobody answers them
            assigned_users=None,
        )
        deadline = datetime.now(UTC) + timedelta(days=DAYS)
        self.defer(
            trigger=HITLTrigger(
                ti_id=ti_id,
                options=self.options,
                defaults=None,
                params={},
                multiple=False,
                timeout_datetime=deadline,
            ),
            method_name="execute_complete",
            timeout=timedelta(days=DAYS) + GRACE,
        )

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """`event`: from the trigger, or the person's answer from Airflow's API."""
        if event.get("error_type") == "timeout":
            raise AirflowSkipException(f"nobody answered within {DAYS} days; nothing was written")
        by = (event.get("responded_by_user") or {}).get("name") or "somebody"
        if event.get("chosen_options") != [YES]:
            raise AirflowSkipException(f"{by} said no; nothing was written")
        self.log.info("%s said yes", by)
        return self.planned["digest"]


class ApplyOnboarding(EngineOperator):
    """Fleet file and database: see `pipelines.fleet_onboard.apply`. Returns `{"tenant", "addresses", "written", "changed"}`.

    Args:
        agreed: the digest of the plan that may be applied (templated)."""

    template_fields = ("agreed",)

    def __init__(self, *, agreed: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.agreed = agreed

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.paths import fleet_path
        from email_engine.pipelines.fleet_onboard.apply import apply

        return apply(store, self.clients, fleet_path(), run, str(self.agreed))


class FirstKeys(EngineOperator):
    """DKIM keys of the new domains: see `pipelines.fleet_onboard.keys`. Returns counts.

    Args:
        applied: what `ApplyOnboarding` returned (templated)."""

    template_fields = ("applied",)

    def __init__(self, *, applied: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.applied = applied

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.fleet_onboard.keys import first_keys

        return first_keys(store, self.clients, self.applied["tenant"], self.applied["addresses"], run)


class HandOver(EngineOperator):
    """DNS records and delivery servers as files and in the log: see `pipelines.fleet_onboard.apply.hand_over`. Returns the folder."""

    def call(self, store: "Store", run: "Run") -> str | None:
        from email_engine.paths import fleet_path
        from email_engine.pipelines.fleet_onboard.apply import hand_over
        from email_engine_airflow.incident import base_url

        return hand_over(store, self.clients, fleet_path(), run, base_url())


class WaitForDns(EngineOperator):
    """Looks at the DNS of the new IPs until it is good: see `pipelines.fleet_onboard.wait`. Between two looks it holds no worker slot.
    Returns how many are good.

    Args:
        applied: what `ApplyOnboarding` returned (templated)."""

    template_fields = ("applied",)

    def __init__(self, *, applied: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.applied = applied

    def call(self, store: "Store", run: "Run") -> int:
        from email_engine.pipelines.fleet_onboard.wait import look

        seen = look(
            store, self.clients, self.applied["tenant"], self.applied["addresses"], run, datetime.now(UTC)
        )
        if seen.again_at:
            raise AirflowRescheduleException(seen.again_at)
        return seen.good
