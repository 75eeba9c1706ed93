"""The second half of `pmta_config_deploy`: what may be done at once, the canary, then the rest."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from email_engine.pipelines.run import Run
from email_engine_airflow.operators.deploy_step import APPLIED, DeployStep
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from email_engine.adapters.powermta import PowerMta
    from email_engine.pipelines.pmta_config_deploy.view import View
    from email_engine.store.deployments import Deployment, HostLock
    from email_engine.store.engine import Store

REDUCTIONS = "reductions"


class ChooseHosts(DeployStep):
    """The hosts of one step; none in a dry run. `part`:

    - "reduce": what waits for nobody. Whole plans that only slow down, hold or let go; of the others but the canary's the
      part that slows down, also where the rest waits for a person.
    - "canary": the first host with a real change; "rest": the others.
    - "ask": those where a person must be asked."""

    template_fields = ("plans",)

    def __init__(self, *, plans: Any, part: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plans = plans
        self.part = part

    def work(self, context: Any) -> list[dict[str, Any]]:
        plans: Sequence[dict[str, Any]] = [plan for plan in self.plans or () if plan and not plan["dry_run"]]
        busy = sorted((plan for plan in plans if plan["changed"]), key=lambda plan: str(plan["host"]))
        of_kind = {kind: [p for p in busy if p["kind"] == kind] for kind in ("at_once", "canary", "approval")}
        canary, rest = of_kind["canary"][:1], of_kind["canary"][1:]
        waiting = [plan for plan in (*rest, *of_kind["approval"]) if plan["lowers"]]
        chosen = {
            "reduce": [*of_kind["at_once"], *({**plan, "part": REDUCTIONS} for plan in waiting)],
            "canary": canary,
            "rest": rest,
            "ask": of_kind["approval"],
        }
        return chosen[self.part]


class DeployHost(DeployStep):
    """Puts the planned configuration on one host, verified, or leaves the host as it was.

    Renders again and refuses if the digest is not the plan's. One at a time on a host. What a killed run left is
    finished or undone first. After the reload, also one that brought the old file back, every virtual MTA that is parked
    or braked at that moment is held again. A plan with part "reductions" applies what only lowers and lets nothing go.

    `watched`: remember how the host did before, for `WatchHost`. Returns `{"host", "status", "deployment", "digest",
    "held", "released", "watch"}`."""

    template_fields = ("plan",)

    def __init__(self, *, plan: dict[str, Any], watched: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.watched = watched

    def work(self, context: Any) -> dict[str, Any]:
        from email_engine.errors import EngineError
        from email_engine.pipelines.pmta_config_deploy.holds import hold_anyway
        from email_engine.pipelines.pmta_config_deploy.view import read_wanted
        from email_engine.store.deployments import LockLost, host_lock
        from email_engine_airflow.hooks.powermta import PowerMtaHook

        run, host = current_run(context), str(self.plan["host"])
        with (
            self.store() as store,
            self.told(store, APPLIED, host, run),
            host_lock(store, host) as lock,
        ):
            wanted = read_wanted(store, host, run)
            with PowerMtaHook(wanted.host.connection).get_conn() as mta:
                left = self.heal_locked(store, mta, wanted, run, lock)
                try:
                    return self._apply(store, mta, wanted, run, left, lock)
                except LockLost:
                    raise
                except EngineError:
                    hold_anyway(store, mta, wanted.host, run)
                    raise

    def _apply(
        self,
        store: "Store",
        mta: "PowerMta",
        wanted: Any,
        run: Run,
        left: "Deployment | None",
        lock: "HostLock",
    ) -> dict[str, Any]:
        from functools import partial as bind

        from email_engine.adapters.powermta_deploy import Intent, Turn, install
        from email_engine.pipelines.pmta_config_deploy.holds import hold_anyway, settle
        from email_engine.pipelines.pmta_config_deploy.view import look

        view, partial = look(mta, wanted), self.plan.get("part") == REDUCTIONS
        watch = self._to_be_watched(view, run) and not partial
        if partial:
            view = view.reductions or view.as_it_stands
        self._require_the_plan(store, view, run, left, partial)
        deployment = waiting = None
        if view.plan.changed:
            deployment = self._begin(store, mta, view, run, watch)
            self._keep_foreign(store, view)
            intent = Intent(wanted.host.config_file, view.text, view.shown)
            turn = Turn(deployment, bind(lock.require, deployment))
            hold = bind(hold_anyway, store, mta, wanted.host, run)
            outcome = install(mta, intent, view.running, turn, hold)
            self.finish(store, deployment, outcome, lock)
            if outcome.error is not None:
                self.log.error("%s failed: the host is %s", outcome.failed_step, outcome.status)
                raise outcome.error
            state = f"verified {view.plan.new_digest[:12]}"
            self.tell(store, APPLIED, view.plan.host, state, "info", _said(view), run)
        elif not partial:
            waiting = self._waits_for_its_watch(store, view, run)
        held, released = settle(store, mta, view.plan.host, view.text, run, release=not partial)
        if deployment is None and not partial:
            self._all_well(store, view.plan.host)
        return {
            "host": view.plan.host,
            "status": "verified" if deployment else "unchanged",
            "deployment": deployment or waiting,
            "digest": view.plan.new_digest,
            "held": held,
            "released": released,
            "watch": bool((deployment and watch) or waiting),
        }

    @staticmethod
    def _all_well(store: "Store", host: str) -> None:
        """Nothing was to be changed and all is held: that is no news, and what failed before is over."""
        from email_engine.store import alerts

        with store.session(tenant="*") as conn:
            if any(
                alert.severity != "info" for alert in alerts.standing(conn, APPLIED) if alert.object == host
            ):
                alerts.clear(conn, APPLIED, host)

    def _waits_for_its_watch(self, store: "Store", view: "View", run: Run) -> int | None:
        """The deployment that stands there, where a run was cut off between deploying and watching it."""
        from email_engine.store import deployments
        from email_engine_airflow.operators.deploy_watch import watch_minutes

        if not self.watched or watch_minutes(run, view.policy) <= 0:
            return None
        with store.session(tenant="*") as conn:
            last = deployments.last_verified(conn, view.plan.host)
        if last is None or last.digest != view.plan.new_digest or last.baseline is None or last.watched:
            return None
        return last.id

    def _keep_foreign(self, store: "Store", view: "View") -> None:
        """What somebody wrote on the host is about to be replaced: the history keeps it."""
        from datetime import UTC, datetime

        from email_engine.adapters.config_history import ConfigHistory
        from email_engine.errors import EngineError
        from email_engine.paths import config_history_path
        from email_engine.store import deployments

        if not view.standing:
            return
        host = view.plan.host
        try:
            with store.session(tenant="*") as conn:
                if deployments.config_of(conn, host, str(view.plan.old_digest)):
                    return
            note = f"stood there before fleet version {view.wanted.fleet_version}"
            ConfigHistory(config_history_path()).keep_foreign(host, view.standing, datetime.now(UTC), note)
        except EngineError as error:
            self.log.warning("what stands on %s could not be kept in the history: %s", host, error)

    def _to_be_watched(self, view: "View", run: Run) -> bool:
        from email_engine_airflow.operators.deploy_watch import watch_minutes

        return self.watched and watch_minutes(run, view.policy) > 0 and not view.only_lowers

    def _require_the_plan(
        self, store: "Store", view: "View", run: Run, left: "Deployment | None", partial: bool
    ) -> None:
        """`left`: what a killed run left, mended since the plan was made.

        Skips where a newer fleet version has a run of its own, which planned with all that is in this one."""
        from email_engine.errors import GuardBreach
        from email_engine.store.approvals import Superseded

        if self.plan["kind"] == "approval" and not partial:
            raise GuardBreach(
                f"deployment to {view.plan.host}",
                "the guard stopped this plan",
                "an approval",
                "answer it under Required Actions",
            )
        planned = (self.plan["reduced"] or self.plan["previous"]) if partial else self.plan["digest"]
        moved = view.plan.changed and view.plan.new_digest != planned
        known = [self.plan["previous"], self.plan["reduced"] or self.plan["previous"]]
        known += [left.digest, left.previous_digest] if left else []
        edited = view.plan.changed and view.plan.old_digest not in known
        if (moved or edited) and view.wanted.fleet_version > self.plan["fleet_version"]:
            said = f"superseded by fleet version {view.wanted.fleet_version}; nothing was changed, its own run follows"
            text = f"{view.plan.host}: a deployment was skipped, a newer version follows\n{said}"
            self.tell(store, APPLIED, view.plan.host, "Superseded", "info", text, run)
            raise AirflowSkipException(said)
        if moved or edited:
            raise Superseded(
                f"deployment to {view.plan.host}",
                "another configuration is wanted than was planned"
                if moved
                else "the file there was changed after the plan was made",
                f"digest {str(planned)[:12]} over {str(self.plan['previous'])[:12]}",
                "nothing was changed; start pmta_config_deploy again, it plans anew",
            )
        self.require_approved(view)

    def _begin(self, store: "Store", mta: "PowerMta", view: "View", run: Run, watch: bool) -> int:
        from datetime import UTC, datetime

        from email_engine.adapters.powermta_watch import take_sample
        from email_engine.pmta.config.reduce import lowered
        from email_engine.store import deployments

        wanted, caused_by = view.wanted, run.caused_by
        baseline = None
        if watch:
            slowed = sorted({*lowered(view.standing or "", view.text), *(s.vmta for s in view.to_hold)})
            before = take_sample(mta, slowed, datetime.now(UTC)).document()
            baseline = {"leave_out": slowed, "before": before, "since": []}
        approval = wanted.approval.id if wanted.approval else None
        if wanted.approval:
            caused_by = f"{wanted.approval.answered_by}: {wanted.approval.reason or 'approved'}"
        elif self.plan["approval"]:
            approval = int(self.plan["approval"])
            caused_by = f"{caused_by} (reductions only, the rest waits for approval {approval})"
        with store.session(tenant="*") as conn:
            return deployments.begin(
                conn,
                mta_host=view.plan.host,
                fleet_version=wanted.fleet_version,
                digest=view.plan.new_digest,
                previous_digest=view.plan.old_digest,
                config=view.text,
                diff=view.plan.diff,
                caused_by=caused_by,
                dag_id=run.dag_id,
                run_id=run.run_id,
                rolled_back_to=wanted.rollback.id if wanted.rollback else None,
                approval_id=approval,
                baseline=baseline,
                after=wanted.newest,
            )


def _said(view: "View") -> str:
    """What was deployed, and who approved it where a person did."""
    from email_engine.pipelines.pmta_config_deploy.words import news_text

    approval, back_to = view.wanted.approval, view.wanted.rollback
    by = f"approved by {approval.answered_by}: {approval.reason or 'no reason given'}" if approval else None
    return news_text(
        view.plan, view.text, first=view.wanted.first, back_to=back_to.id if back_to else None, approved=by
    )
