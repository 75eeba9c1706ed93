"""What the steps of `pmta_config_deploy` share: the engine's database, one way to fail, one way to finish what was left."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from email_engine.pipelines.run import Run
from email_engine_airflow.operators.base import EngineOperator

if TYPE_CHECKING:
    from email_engine.adapters.powermta import PowerMta
    from email_engine.adapters.powermta_deploy import Outcome
    from email_engine.fleet.model import MtaHost
    from email_engine.pipelines.pmta_config_deploy.view import View, Wanted
    from email_engine.store.deployments import Deployment, HostLock
    from email_engine.store.engine import Store

PLANNED = "deployment_plan"
APPLIED = "deployment"
BUSY = timedelta(seconds=30)
"""So long a task waits, without a worker, for another deployment to its host; no try is used up."""
QUESTION = "deployment_approval"
"""What the guard stopped: only a person helps, so that the clock does not try it again."""


class DeployStep(EngineOperator):
    """The engine's database, and one way to fail: told to people, tried again only where that can help."""

    def __init__(self, *, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine_conn_id = engine_conn_id

    @contextmanager
    def store(self) -> "Iterator[Store]":
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            yield store
        finally:
            store.dispose()

    def about(self) -> tuple[str, str] | None:
        for attribute in ("plan", "deployed"):
            given = getattr(self, attribute, None)
            if isinstance(given, dict) and given.get("host"):
                return "host", str(given["host"])
        return super().about()

    @contextmanager
    def told(self, store: "Store", event: str, host: str, run: Run) -> Iterator[None]:
        """Turns an EngineError into an alert and a failed task; a dry run tells nobody."""
        from email_engine.errors import EngineError, NotVerified, Unreachable
        from email_engine.pipelines.pmta_config_deploy.words import failure_text
        from email_engine.pipelines.trouble import cause_and_title
        from email_engine.store.approvals import Superseded
        from email_engine.store.deployments import Busy, LockLost

        try:
            yield
        except Busy as error:
            if isinstance(error, LockLost):
                self.log.warning("%s", error)
                if not run.dry_run:
                    text = failure_text(host, error, planning=event == PLANNED)
                    self.tell(store, event, host, Superseded.__name__, "info", text, run)
            raise AirflowRescheduleException(datetime.now(UTC) + BUSY) from error
        except EngineError as error:
            if not run.dry_run:
                severity = "warning" if isinstance(error, Superseded | Unreachable) else "critical"
                text = failure_text(host, error, planning=event == PLANNED)
                away = cause_and_title(error, "host", host) is not None
                self.tell(store, event, host, type(error).__name__, severity, text, run, silent=away)
                error.told = not away
            if isinstance(error, Unreachable | NotVerified):
                raise
            raise AirflowFailException(str(error)) from error

    def tell(
        self,
        store: "Store",
        event: str,
        host: str,
        state: str,
        severity: str,
        text: str,
        run: Run,
        *,
        silent: bool = False,
    ) -> None:
        """Notes an alert; a database that is away does not hide what is to be told. `silent`: the hourly run must know of it,
        and people are told by the incident that other tasks share."""
        from email_engine.errors import EngineError
        from email_engine.store import alerts

        try:
            with store.session(tenant="*") as conn:
                row = alerts.raise_alert(
                    conn, event, host, state, severity, text, dag_id=run.dag_id, run_id=run.run_id
                )
                if silent and row is not None:
                    alerts.mark_sent(conn, [row], datetime.now(UTC))
        except EngineError as second:
            # the database may be what failed: the first error is the one to see
            self.log.warning("no alert could be noted: %s", second.observed)

    def heal(self, store: "Store", mta: "PowerMta", wanted: "Wanted", run: Run) -> "Deployment | None":
        """Finishes or undoes what a killed run left, and holds again what must stand still; None if nothing was left.

        Raises Busy if that run is still at it."""
        from email_engine.store import deployments

        with deployments.host_lock(store, wanted.host.name) as lock:
            return self.heal_locked(store, mta, wanted, run, lock)

    def heal_locked(
        self, store: "Store", mta: "PowerMta", wanted: "Wanted", run: Run, lock: "HostLock"
    ) -> "Deployment | None":
        """Like `heal`, for a caller who holds the host's lock."""
        from email_engine.pipelines.pmta_config_deploy.holds import hold_anyway
        from email_engine.store import deployments

        with store.session(tenant="*") as conn:
            left = deployments.interrupted(conn, wanted.host.name)
        if left is None:
            return None
        if self.finish_left(store, mta, wanted.host, left, run, lock).status == "verified":
            self._tell_finished(store, left, run)
        hold_anyway(store, mta, wanted.host, run)
        return left

    def _tell_finished(self, store: "Store", left: "Deployment", run: Run) -> None:
        """What a killed run deployed is news all the same."""
        from email_engine.pipelines.pmta_config_deploy.words import lines, news_text
        from email_engine.pmta.config.plan import plan_deployment
        from email_engine.store import deployments

        with store.session(tenant="*") as conn:
            known = left.previous_digest and deployments.config_of(conn, left.mta_host, left.previous_digest)
            first = not deployments.followed_another(conn, left)
        if first or known:
            plan = plan_deployment(left.mta_host, known.config if known else None, left.config)
            text = news_text(plan, left.config, first=first, back_to=left.rolled_back_to)
        else:
            text = lines(f"{left.mta_host}: new configuration runs", f"deployment {left.id}")
        text = f"{text}\nIts run was interrupted; this one finished it."
        self.tell(store, APPLIED, left.mta_host, f"verified {left.digest[:12]}", "info", text, run)

    def finish_left(
        self, store: "Store", mta: "PowerMta", host: "MtaHost", left: "Deployment", run: Run, lock: "HostLock"
    ) -> "Outcome":
        """Ends a deployment whose run was killed or cut off."""
        from email_engine.adapters.powermta_deploy import Intent, Turn, heal
        from email_engine.pipelines.pmta_config_deploy.holds import hold_anyway

        turn = Turn(left.id, partial(lock.require, left.id), healing=True)
        hold = partial(hold_anyway, store, mta, host, run)
        outcome = heal(mta, Intent(host.config_file, left.config), left.previous_digest, turn, hold)
        self.log.warning(
            "an earlier deployment (%d) was interrupted: %s", left.id, outcome.message or "finished now"
        )
        self.finish(store, left.id, outcome, lock)
        return outcome

    @staticmethod
    def finish(store: "Store", deployment: int, outcome: "Outcome", lock: "HostLock") -> None:
        """The result into table deployments; `applying` stays, for the next run to heal.

        Raises LockLost where another run has ended this deployment meanwhile."""
        from email_engine.store import deployments

        if outcome.status == "applying":
            return
        lock.require(deployment)
        with store.session(tenant="*") as conn:
            done = deployments.finish(
                conn, deployment, outcome.status, outcome.failed_step, outcome.message, datetime.now(UTC)
            )
        if not done:
            lock.require(deployment)

    @staticmethod
    def require_approved(view: "View") -> None:
        """Raises Superseded unless this is the very change that a person approved, or nothing is left to do."""
        from email_engine.store.approvals import Superseded

        approval, plan = view.wanted.approval, view.plan
        if approval is None or not plan.changed:
            return
        if plan.new_digest != approval.digest:
            observed = f"superseded: fleet version {view.wanted.fleet_version} wants another configuration"
        elif plan.old_digest != approval.previous_digest:
            observed = "superseded: another configuration stands on the host than the one that was approved to change"
        else:
            return
        raise Superseded(
            f"approval {approval.id} of {approval.mta_host}",
            observed,
            f"digest {approval.digest[:12]} over {str(approval.previous_digest)[:12]}",
            "nothing was changed; it is planned anew, by the next run or by hand",
        )
