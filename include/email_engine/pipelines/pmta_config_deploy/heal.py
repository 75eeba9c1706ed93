"""What a killed run left on a host is finished or undone; and every deployment's result enters its table."""

import logging
from datetime import UTC, datetime
from functools import partial

from email_engine.adapters import powermta_deploy
from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_deploy import Intent, Outcome, Turn
from email_engine.fleet.model import MtaHost
from email_engine.pipelines.pmta_config_deploy.holds import hold_anyway
from email_engine.pipelines.pmta_config_deploy.news import APPLIED, tell
from email_engine.pipelines.pmta_config_deploy.words import lines, news_text
from email_engine.pipelines.run import Run
from email_engine.pmta.config.plan import plan_deployment
from email_engine.store.deployment import deployments
from email_engine.store.deployment.deployments import Deployment
from email_engine.store.engine import Store
from email_engine.store.hosts.lock import HostLock, host_lock

log = logging.getLogger(__name__)


def heal(store: Store, mta: PowerMta, host: MtaHost, run: Run) -> Deployment | None:
    """Finishes or undoes what a killed run left, and holds again what must stand still; None if nothing was left.

    Raises Busy if that run is still at it."""
    with host_lock(store, host.name) as lock:
        return heal_locked(store, mta, host, run, lock)


def heal_locked(store: Store, mta: PowerMta, host: MtaHost, run: Run, lock: HostLock) -> Deployment | None:
    """Like `heal`, for a caller who holds the host's lock."""
    with store.session(tenant="*") as conn:
        left = deployments.interrupted(conn, host.name)
    if left is None:
        return None
    if finish_left(store, mta, host, left, run, lock).status == "verified":
        _tell_finished(store, left, run)
    hold_anyway(store, mta, host, run)
    return left


def _tell_finished(store: Store, left: Deployment, run: Run) -> None:
    """What a killed run deployed is news all the same."""
    with store.session(tenant="*") as conn:
        known = left.previous_digest and deployments.config_of(conn, left.mta_host, left.previous_digest)
        first = not deployments.followed_another(conn, left)
    if first or known:
        plan = plan_deployment(left.mta_host, known.config if known else None, left.config)
        text = news_text(plan, left.config, first=first, back_to=left.rolled_back_to)
    else:
        text = lines(f"{left.mta_host}: new configuration runs", f"deployment {left.id}")
    text = f"{text}\nIts run was interrupted; this one finished it."
    tell(store, APPLIED, left.mta_host, f"verified {left.digest[:12]}", "info", text, run)


def finish_left(
    store: Store, mta: PowerMta, host: MtaHost, left: Deployment, run: Run, lock: HostLock
) -> Outcome:
    """Ends a deployment whose run was killed or cut off."""
    turn = Turn(left.id, partial(lock.require, left.id), healing=True)
    hold = partial(hold_anyway, store, mta, host, run)
    intent = Intent(host.config_file, left.config)
    outcome = powermta_deploy.heal(mta, intent, left.previous_digest, turn, hold)
    log.warning("an earlier deployment (%d) was interrupted: %s", left.id, outcome.message or "finished now")
    finish(store, left.id, outcome, lock)
    return outcome


def finish(store: Store, deployment: int, outcome: Outcome, lock: HostLock) -> None:
    """The result into table deployments; `applying` stays, for the next run to heal.

    Raises LockLost where another run has ended this deployment meanwhile."""
    if outcome.status == "applying":
        return
    lock.require(deployment)
    with store.session(tenant="*") as conn:
        done = deployments.finish(
            conn, deployment, outcome.status, outcome.failed_step, outcome.message, datetime.now(UTC)
        )
    if not done:
        lock.require(deployment)
