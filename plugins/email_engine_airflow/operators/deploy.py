"""The steps of `pmta_config_deploy`: which hosts, what would change, the canary first, then the rest."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from email_engine_airflow.operators.deploy_step import DeployStep
from email_engine_airflow.run import Run, current_run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from email_engine.adapters.powermta import PowerMta
    from email_engine.adapters.powermta_deploy import Outcome
    from email_engine.store.engine import Store
    from email_engine_airflow.operators.deploy_view import View

PLANNED = "deployment_plan"
APPLIED = "deployment"
DIFF_LINES = 400


class ListHosts(DeployStep):
    """Names of the hosts that carry IPs; param `host` or `rollback_to` narrows it to one.

    A run of the hourly schedule, or one with param `only_failed`, is skipped unless a deployment failed and nothing went
    well since. What the guard stopped waits for a person."""

    def execute(self, context: Any) -> list[str]:
        from email_engine.errors import InputError
        from email_engine.store import deployments

        run = current_run(context)
        by_the_clock = str(getattr(context["dag_run"], "run_type", "")) == "scheduled"
        try:
            if run.params.get("accept_breach") and not str(run.params.get("reason") or "").strip():
                raise InputError(
                    "param accept_breach", "no reason", "a reason that others can read", "fill in `reason`"
                )
            with self.store() as store, store.session(tenant="*") as conn:
                if (by_the_clock or run.params.get("only_failed")) and not _failed(conn):
                    raise AirflowSkipException("no deployment failed since the last good one")
                names = [host.name for host in deployments.load_hosts(conn)]
                asked = run.params.get("host") or None
                rollback_to = run.params.get("rollback_to")
                if rollback_to:
                    of = deployments.find(conn, int(rollback_to)).mta_host
                    if asked not in (None, of):
                        raise InputError(
                            f"deployment {rollback_to}",
                            f"it is of {of}",
                            f"one of {asked}",
                            "leave `host` empty",
                        )
                    asked = of
        except InputError as error:
            raise AirflowFailException(str(error)) from error
        if asked and asked not in names:
            raise AirflowFailException(
                f"param host: {asked} carries no IP; the fleet's hosts are {', '.join(names)}"
            )
        if not names:
            raise AirflowSkipException("no host carries an IP")
        return [asked] if asked else names


def _failed(conn: "Connection") -> bool:
    from email_engine.store import alerts

    return any(
        alert.state != "GuardBreach" and not alert.state.startswith("verified")
        for alert in alerts.standing(conn, PLANNED, APPLIED)
    )


class PlanDeploy(DeployStep):
    """Reads what one host runs, renders what it should run, and lets the guard judge the difference.

    Returns `{"host", "digest", "previous", "changed", "summary", "fleet_version", "dry_run"}`; the configuration itself
    stays out of XCom, `DeployHost` renders it again."""

    template_fields = ("mta_host",)

    def __init__(self, *, mta_host: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mta_host = mta_host

    def execute(self, context: Any) -> dict[str, Any]:
        from email_engine.store import alerts
        from email_engine_airflow.hooks.powermta import PowerMtaHook
        from email_engine_airflow.operators.deploy_view import look, read_wanted

        run = current_run(context)
        with self.store() as store, self.told(store, PLANNED, self.mta_host, run):
            wanted = read_wanted(store, self.mta_host, run)
            with PowerMtaHook(wanted.host.connection).get_conn() as mta:
                view = look(mta, wanted)
                self._show(view)
                self._judge(store, mta, view, run)
            if not run.dry_run:
                with store.session(tenant="*") as conn:
                    alerts.clear(conn, PLANNED, self.mta_host)
        return {
            "host": self.mta_host,
            "digest": view.plan.new_digest,
            "previous": view.plan.old_digest,
            "changed": view.changed,
            "summary": view.summary,
            "fleet_version": wanted.fleet_version,
            "dry_run": run.dry_run,
        }

    def _show(self, view: "View") -> None:
        self.log.info("%s", view.summary)
        lines = view.plan.diff.splitlines()
        for line in lines[:DIFF_LINES]:
            self.log.info("%s", line)
        if len(lines) > DIFF_LINES:
            self.log.info("... and %d lines more", len(lines) - DIFF_LINES)

    def _judge(self, store: "Store", mta: "PowerMta", view: "View", run: Run) -> None:
        from email_engine.mta.guard import require_safe
        from email_engine_airflow.operators.deploy_view import breaches_of

        breaches = breaches_of(store, mta, view)
        for breach in breaches:
            self.log.warning("guard: %s", breach.message)
        if breaches and (run.dry_run or run.params.get("accept_breach")):
            self.log.warning(
                "the guard's objection does not stop this run (%s)", run.params.get("reason") or "dry run"
            )
        else:
            require_safe(self.mta_host, breaches)


class ChooseHosts(DeployStep):
    """The hosts with something to do: `part` "canary" gives the first of them, "rest" the others; none in a dry run."""

    template_fields = ("plans",)

    def __init__(self, *, plans: Any, part: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plans = plans
        self.part = part

    def execute(self, context: Any) -> list[dict[str, Any]]:
        plans: Sequence[dict[str, Any]] = [plan for plan in self.plans or () if plan]
        busy = sorted((p for p in plans if p["changed"] and not p["dry_run"]), key=lambda p: str(p["host"]))
        return busy[:1] if self.part == "canary" else busy[1:]


class DeployHost(DeployStep):
    """Puts the planned configuration on one host, verified, or leaves the host as it was.

    Renders again and refuses if the digest is not the plan's. One at a time on a host. What a killed run left is
    finished or undone first. After the reload, also one that brought the old file back, every virtual MTA that is parked
    or braked at that moment is held again. Returns `{"host", "status", "deployment", "digest", "held", "released"}`."""

    template_fields = ("plan",)

    def __init__(self, *, plan: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def execute(self, context: Any) -> dict[str, Any]:
        from email_engine.errors import EngineError
        from email_engine.store import deployments
        from email_engine_airflow.hooks.powermta import PowerMtaHook
        from email_engine_airflow.operators.deploy_holds import hold_anyway
        from email_engine_airflow.operators.deploy_view import read_wanted

        run, host = current_run(context), str(self.plan["host"])
        with self.store() as store, self.told(store, APPLIED, host, run), deployments.host_lock(store, host):
            wanted = read_wanted(store, host, run)
            with PowerMtaHook(wanted.host.connection).get_conn() as mta:
                healed = self._heal(store, mta, wanted)
                try:
                    return self._apply(store, mta, wanted, run, healed)
                except EngineError:
                    hold_anyway(store, mta, wanted.host, run)
                    raise

    def _heal(self, store: "Store", mta: "PowerMta", wanted: Any) -> bool:
        from email_engine.adapters.powermta_deploy import Intent, heal

        left = wanted.interrupted
        if left is None:
            return False
        outcome = heal(mta, Intent(wanted.host.config_file, left.config), left.previous_digest)
        self.log.warning(
            "an earlier deployment (%d) was interrupted: %s", left.id, outcome.message or "finished now"
        )
        self._finish(store, left.id, outcome)
        return True

    def _apply(self, store: "Store", mta: "PowerMta", wanted: Any, run: Run, healed: bool) -> dict[str, Any]:
        from email_engine.adapters.powermta_deploy import Intent, install
        from email_engine_airflow.operators.deploy_holds import settle
        from email_engine_airflow.operators.deploy_view import look

        view = look(mta, wanted)
        self._require_the_plan(view, healed)
        deployment = None
        if view.plan.changed:
            deployment = self._begin(store, view, run)
            outcome = install(mta, Intent(wanted.host.config_file, view.text, view.shown), view.running)
            self._finish(store, deployment, outcome)
            if outcome.error is not None:
                self.log.error("%s failed: the host is %s", outcome.failed_step, outcome.status)
                raise outcome.error
        held, released = settle(store, mta, view, run)
        self._tell(store, view, run)
        return {
            "host": view.plan.host,
            "status": "verified" if deployment else "unchanged",
            "deployment": deployment,
            "digest": view.plan.new_digest,
            "held": held,
            "released": released,
        }

    def _require_the_plan(self, view: "View", healed: bool) -> None:
        from email_engine.errors import Refused

        moved = view.plan.new_digest != self.plan["digest"]
        edited = view.plan.changed and not healed and view.plan.old_digest != self.plan["previous"]
        if moved or edited:
            raise Refused(
                f"deployment to {view.plan.host}",
                "the fleet changed after the plan was made"
                if moved
                else "the file was edited after the plan was made",
                f"digest {self.plan['digest'][:12]} over {str(self.plan['previous'])[:12]}",
                "nothing was changed; start pmta_config_deploy again, it plans anew",
            )

    def _begin(self, store: "Store", view: "View", run: Run) -> int:
        from email_engine.store import deployments

        wanted, reason = view.wanted, str(run.params.get("reason") or "").strip()
        with store.session(tenant="*") as conn:
            return deployments.begin(
                conn,
                mta_host=view.plan.host,
                fleet_version=wanted.fleet_version,
                digest=view.plan.new_digest,
                previous_digest=view.plan.old_digest,
                config=view.text,
                diff=view.plan.diff,
                caused_by=f"{run.actor}: {reason}" if reason else run.actor,
                dag_id=run.dag_id,
                run_id=run.run_id,
                rolled_back_to=wanted.rollback.id if wanted.rollback else None,
            )

    def _finish(self, store: "Store", deployment: int, outcome: "Outcome") -> None:
        from datetime import UTC, datetime

        from email_engine.store import deployments

        if outcome.status == "applying":
            return
        with store.session(tenant="*") as conn:
            deployments.finish(
                conn, deployment, outcome.status, outcome.failed_step, outcome.message, datetime.now(UTC)
            )

    def _tell(self, store: "Store", view: "View", run: Run) -> None:
        from email_engine.store import alerts

        state = f"verified {view.plan.new_digest[:12]}"
        with store.session(tenant="*") as conn:
            alerts.raise_alert(
                conn,
                APPLIED,
                view.plan.host,
                state,
                "info",
                view.summary,
                dag_id=run.dag_id,
                run_id=run.run_id,
            )
