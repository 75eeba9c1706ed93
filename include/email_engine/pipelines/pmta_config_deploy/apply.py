"""The planned configuration is put on one host, verified, or the host is left as it was."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from email_engine.adapters.config_history import ConfigHistory
from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_deploy import Intent, Turn, install
from email_engine.adapters.powermta_watch import take_sample
from email_engine.errors import EngineError
from email_engine.paths import config_history_path
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.pmta_config_deploy.as_planned import require_planned
from email_engine.pipelines.pmta_config_deploy.heal import finish, heal_locked
from email_engine.pipelines.pmta_config_deploy.holds import hold_anyway, settle
from email_engine.pipelines.pmta_config_deploy.news import APPLIED, tell, told
from email_engine.pipelines.pmta_config_deploy.planned import REDUCTIONS, Plan
from email_engine.pipelines.pmta_config_deploy.view import View, Wanted, look, read_wanted
from email_engine.pipelines.pmta_config_deploy.watch import watch_minutes
from email_engine.pipelines.pmta_config_deploy.words import news_text
from email_engine.pipelines.run import Run
from email_engine.pmta.config.reduce import lowered
from email_engine.store.deployment import deployments
from email_engine.store.deployment.deployments import Deployment
from email_engine.store.engine import Store
from email_engine.store.hosts.lock import HostLock, LockLost, host_lock
from email_engine.store.telling import alerts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deployed:
    """`status`: "verified", "unchanged", "superseded" with a sentence why nothing was done, or "planned" in a dry run. `deployment`:
    its id in table deployments; `held`, `released`: virtual MTAs that must stand still, and that were let go; `watch`: is it to be
    watched? `summary`: what was planned, where one call did both."""

    host: str
    status: str
    digest: str
    deployment: int | None = None
    held: int = 0
    released: int = 0
    watch: bool = False
    superseded: str | None = None
    summary: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "status": self.status,
            "deployment": self.deployment,
            "digest": self.digest,
            "held": self.held,
            "released": self.released,
            "watch": self.watch,
        }


def apply_plan(store: Store, clients: Clients, plan: Plan, run: Run, *, watched: bool = False) -> Deployed:
    """Renders again and refuses if the digest is not the plan's. One at a time on a host. What a killed run left is
    finished or undone first. After the reload, also one that brought the old file back, every virtual MTA that is parked
    or braked at that moment is held again. A plan with part "reductions" applies what only lowers and lets nothing go.

    `watched`: remember how the host did before, for `watch`.

    Raises Busy: another deployment has the host; EngineError: people were told."""
    host = plan["host"]
    with told(store, APPLIED, host, run), host_lock(store, host) as lock:
        wanted = read_wanted(store, host, run)
        with clients.mta(wanted.host.connection) as mta:
            left = heal_locked(store, mta, wanted.host, run, lock)
            try:
                return _Deployment(store, mta, plan, wanted, run, lock, watched).apply(left)
            except LockLost:
                raise
            except EngineError:
                hold_anyway(store, mta, wanted.host, run)
                raise


@dataclass(frozen=True, slots=True)
class _Deployment:
    """One plan on one host, whose lock is held."""

    store: Store
    mta: PowerMta
    plan: Plan
    wanted: Wanted
    run: Run
    lock: HostLock
    watched: bool

    @property
    def reductions_only(self) -> bool:
        return self.plan.get("part") == REDUCTIONS

    def apply(self, left: Deployment | None) -> Deployed:
        """`left`: what a killed run left, mended just now."""
        view = look(self.mta, self.wanted)
        watch = self._to_be_watched(view) and not view.only_lowers and not self.reductions_only
        if self.reductions_only:
            view = view.reductions or view.as_it_stands
        host, digest = view.plan.host, view.plan.new_digest
        superseded = require_planned(self.plan, view, left)
        if superseded:
            text = f"{host}: a deployment was skipped, a newer version follows\n{superseded}"
            tell(self.store, APPLIED, host, "Superseded", "info", text, self.run)
            return Deployed(host, "superseded", digest, superseded=superseded)
        deployment = waiting = None
        if view.plan.changed:
            deployment = self._install(view, watch)
        elif not self.reductions_only:
            waiting = self._waits_for_its_watch(view)
        held, released = settle(
            self.store, self.mta, host, view.text, self.run, release=not self.reductions_only
        )
        if deployment is None and not self.reductions_only:
            _all_well(self.store, host)
        return Deployed(
            host,
            "verified" if deployment else "unchanged",
            digest,
            deployment or waiting,
            held,
            released,
            bool((deployment and watch) or waiting),
        )

    def _install(self, view: View, watch: bool) -> int:
        """The id of the deployment. Raises EngineError: the host is as before, or its row says how it is."""
        deployment = self._begin(view, watch)
        _keep_foreign(self.store, view)
        intent = Intent(self.wanted.host.config_file, view.text, view.shown)
        turn = Turn(deployment, partial(self.lock.require, deployment))
        hold = partial(hold_anyway, self.store, self.mta, self.wanted.host, self.run)
        outcome = install(self.mta, intent, view.running, turn, hold)
        finish(self.store, deployment, outcome, self.lock)
        if outcome.error is not None:
            log.error("%s failed: the host is %s", outcome.failed_step, outcome.status)
            raise outcome.error
        state = f"verified {view.plan.new_digest[:12]}"
        tell(self.store, APPLIED, view.plan.host, state, "info", _said(view), self.run)
        return deployment

    def _to_be_watched(self, view: View) -> bool:
        return self.watched and watch_minutes(self.run, view.policy) > 0

    def _waits_for_its_watch(self, view: View) -> int | None:
        """The deployment that stands there, where a run was cut off between deploying and watching it."""
        if not self._to_be_watched(view):
            return None
        with self.store.session(tenant="*") as conn:
            last = deployments.last_verified(conn, view.plan.host)
        if last is None or last.digest != view.plan.new_digest or last.baseline is None or last.watched:
            return None
        return last.id

    def _begin(self, view: View, watch: bool) -> int:
        wanted, caused_by = view.wanted, self.run.caused_by
        approval = wanted.approval.id if wanted.approval else None
        if wanted.approval:
            caused_by = f"{wanted.approval.answered_by}: {wanted.approval.reason or 'approved'}"
        elif self.plan["approval"]:
            approval = int(self.plan["approval"])
            caused_by = f"{caused_by} (reductions only, the rest waits for approval {approval})"
        baseline = self._baseline(view) if watch else None
        with self.store.session(tenant="*") as conn:
            return deployments.begin(
                conn,
                mta_host=view.plan.host,
                fleet_version=wanted.fleet_version,
                digest=view.plan.new_digest,
                previous_digest=view.plan.old_digest,
                config=view.text,
                diff=view.plan.diff,
                caused_by=caused_by,
                dag_id=self.run.dag_id,
                run_id=self.run.run_id,
                rolled_back_to=wanted.rollback.id if wanted.rollback else None,
                approval_id=approval,
                baseline=baseline,
                after=wanted.newest,
            )

    def _baseline(self, view: View) -> dict[str, Any]:
        """How the host does before; what is slowed down or held is left out."""
        slowed = sorted({*lowered(view.standing or "", view.text), *(s.vmta for s in view.to_hold)})
        before = take_sample(self.mta, slowed, datetime.now(UTC)).document()
        return {"leave_out": slowed, "before": before, "since": []}


def _all_well(store: Store, host: str) -> None:
    """Nothing was to be changed and all is held: that is no news, and what failed before is over."""
    with store.session(tenant="*") as conn:
        if any(alert.severity != "info" for alert in alerts.standing(conn, APPLIED) if alert.object == host):
            alerts.clear(conn, APPLIED, host)


def _keep_foreign(store: Store, view: View) -> None:
    """What somebody wrote on the host is about to be replaced: the history keeps it."""
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
        log.warning("what stands on %s could not be kept in the history: %s", host, error)


def _said(view: View) -> str:
    """What was deployed, and who approved it where a person did."""
    approval, back_to = view.wanted.approval, view.wanted.rollback
    by = f"approved by {approval.answered_by}: {approval.reason or 'no reason given'}" if approval else None
    return news_text(
        view.plan, view.text, first=view.wanted.first, back_to=back_to.id if back_to else None, approved=by
    )
