"""The steps of `pmta_config_deploy`."""

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException

from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.operators.host_step import HostStep
from email_engine_airflow.run import current_run
from email_engine_airflow.start_run import start

if TYPE_CHECKING:
    from email_engine.pipelines.pmta_config_deploy.planned import Plan
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store


class ListHosts(EngineOperator):
    """Names of the hosts that are planned for: see `pipelines.pmta_config_deploy.hosts`. Skipped where there is none."""

    def work(self, context: Any) -> list[str]:
        from email_engine.pipelines.pmta_config_deploy.hosts import hosts

        kind = str(getattr(context["dag_run"], "run_type", ""))
        with self.store() as store:
            chosen = hosts(
                store,
                current_run(context),
                by_the_clock=kind == "scheduled",
                on_change=kind == "asset_triggered",
            )
        if chosen.why_none:
            raise AirflowSkipException(chosen.why_none)
        return list(chosen.names)


class ChooseHosts(EngineOperator):
    """The plans of one step, as `pipelines.pmta_config_deploy.planned` chooses them. `part`: "reduce", "canary", "rest" or "ask"."""

    template_fields = ("plans",)

    def __init__(self, *, plans: Any, part: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plans = plans
        self.part = part

    def work(self, context: Any) -> list[dict[str, Any]]:
        from email_engine.pipelines.pmta_config_deploy.planned import choose

        return [dict(plan) for plan in choose(self.plans or (), self.part)]


class PlanDeploy(HostStep):
    """Plans for one host: see `pipelines.pmta_config_deploy.plan`. Returns a `Plan`; what the guard stops is asked, not waited for."""

    template_fields = ("mta_host",)

    def __init__(self, *, mta_host: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mta_host = mta_host

    def call(self, store: "Store", run: "Run") -> "Plan":
        from email_engine.pipelines.pmta_config_deploy.plan import plan_host
        from email_engine_airflow.incident import base_url

        return plan_host(store, self.clients, self.mta_host, run, base_url())


class PlanStep(HostStep):
    """Works on one plan."""

    template_fields = ("plan",)

    def __init__(self, *, plan: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan


class DeployHost(PlanStep):
    """Puts the planned configuration on one host, verified, or leaves the host as it was: see
    `pipelines.pmta_config_deploy.apply`. Returns `{"host", "status", "deployment", "digest", "held", "released", "watch"}`.

    `watched`: remember how the host did before, for `WatchHost`."""

    def __init__(self, *, watched: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.watched = watched

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.pmta_config_deploy.apply import apply_plan

        done = apply_plan(store, self.clients, self.plan, run, watched=self.watched)
        if done.superseded:
            raise AirflowSkipException(done.superseded)
        return done.as_json()


class WatchHost(HostStep):
    """Samples a host from time to time until its window ends; between two samples it holds no worker slot. Fails when the host
    does worse: see `pipelines.pmta_config_deploy.watch`. Returns `{"host", "watched"}`."""

    template_fields = ("deployed",)

    def __init__(self, *, deployed: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployed = deployed

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.pmta_config_deploy.watch import watch

        host = str(self.deployed["host"])
        if not self.deployed["watch"]:
            self.log.info("nothing to watch: it only slows down, changes nothing, or the window is 0 minutes")
            return {"host": host, "watched": None}
        seen = watch(store, self.clients, host, int(self.deployed["deployment"]), run)
        if seen.again_at:
            raise AirflowRescheduleException(seen.again_at)
        if seen.superseded:
            raise AirflowSkipException(seen.superseded)
        return {"host": host, "watched": seen.verdict}


class StartAsking(PlanStep):
    """Starts the run that asks a person about one plan which the guard stopped."""

    def call(self, store: "Store", run: "Run") -> None:
        from email_engine.pipelines.pmta_config_approval.links import ASKING
        from email_engine.pipelines.pmta_config_approval.question import to_ask
        from email_engine_airflow.incident import base_url

        asking = to_ask(store, int(self.plan["approval"]), base_url())
        if asking.conf is None:
            raise AirflowSkipException(asking.said)
        raise start(ASKING, asking.run_id, asking.conf)
