"""The way back from a deployment that the watch found worse: the file from before, by the same road."""

from datetime import UTC, datetime
from functools import partial

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_deploy import BACKUP_SUFFIX, Intent, Turn, install
from email_engine.errors import NotVerified
from email_engine.fleet.model import MtaHost
from email_engine.pipelines.pmta_config_deploy.heal import finish, finish_left
from email_engine.pipelines.pmta_config_deploy.holds import hold_anyway, settle
from email_engine.pipelines.run import Run
from email_engine.pmta.config.layout import digest
from email_engine.pmta.config.plan import plan_deployment
from email_engine.pmta.config.reduce import only_reductions
from email_engine.store.deployment import deployments
from email_engine.store.deployment.deployments import Deployment
from email_engine.store.engine import Store
from email_engine.store.hosts.lock import HostLock


def undo(store: Store, mta: PowerMta, row: Deployment, reasons: str, run: Run, lock: HostLock) -> int | None:
    """Puts back what stood before `row`, but not above a cap that `row` lowered; the caller holds the host's `lock`.

    Returns the deployment that did it; None where something else was deployed or stands there by now. Raises EngineError."""
    with store.session(tenant="*") as conn:
        host = deployments.host_of(conn, row.mta_host)
        left = deployments.interrupted(conn, row.mta_host)
    if left:
        finish_left(store, mta, host, left, run, lock)
    text = _text_before(store, mta, host, row)
    with store.session(tenant="*") as conn:
        if deployments.followed(conn, row, but=digest(text)):
            return None
        newest = deployments.newest_id(conn, row.mta_host)
    standing = mta.read(host.config_file)
    done = None
    if standing is not None and digest(standing) == row.digest:
        done = _install(store, mta, host, row, text, standing, reasons, run, lock, newest)
    elif standing is not None and digest(standing) == digest(text):
        done = left.id if left else row.id
    if done is not None:
        with store.session(tenant="*") as conn:
            deployments.finish(
                conn, row.id, "rolled_back", "watch", reasons, datetime.now(UTC), was="verified"
            )
        settle(store, mta, row.mta_host, text, run)
    return done


def _text_before(store: Store, mta: PowerMta, host: MtaHost, row: Deployment) -> str:
    """From the database, else from the copy that the deployment left on the host. No file before: an empty one."""
    if row.previous_digest is None:
        return ""
    with store.session(tenant="*") as conn:
        known = deployments.config_of(conn, row.mta_host, row.previous_digest)
    kept = known.config if known else _copy(mta, host)
    if digest(kept) != row.previous_digest:
        raise NotVerified(
            mta.endpoint.subject,
            f"{host.config_file}{BACKUP_SUFFIX} is not what stood before deployment {row.id}",
            f"digest {row.previous_digest[:12]}",
            "put a good version back: run pmta_config_deploy with `rollback_to`",
        )
    return only_reductions(kept, row.config)


def _copy(mta: PowerMta, host: MtaHost) -> str:
    return (mta.read(host.config_file + BACKUP_SUFFIX) or b"").decode("utf-8", "replace")


def _install(
    store: Store,
    mta: PowerMta,
    host: MtaHost,
    row: Deployment,
    text: str,
    standing: bytes,
    reasons: str,
    run: Run,
    lock: HostLock,
    newest: int,
) -> int:
    plan = plan_deployment(host.name, standing.decode("utf-8", "replace"), text)
    lock.require()
    with store.session(tenant="*") as conn:
        before = deployments.config_of(conn, host.name, plan.new_digest)
        number = deployments.begin(
            conn,
            mta_host=host.name,
            fleet_version=row.fleet_version,
            digest=plan.new_digest,
            previous_digest=plan.old_digest,
            config=text,
            diff=plan.diff,
            caused_by=f"{run.dag_id}: watch of deployment {row.id}: {reasons}"[:500],
            dag_id=run.dag_id,
            run_id=run.run_id,
            rolled_back_to=before.id if before else None,
            after=newest,
        )
    hold = partial(hold_anyway, store, mta, host, run)
    turn = Turn(number, partial(lock.require, number))
    outcome = install(mta, Intent(host.config_file, text), standing, turn, hold)
    finish(store, number, outcome, lock)
    if outcome.error is not None:
        raise outcome.error
    return number
