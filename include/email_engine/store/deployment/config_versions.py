"""Deployments as the history of configurations wants them, with the decisions that explain each. Run it under tenant `*`."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from email_engine.pmta.config.history import ConfigVersion
from email_engine.store.schema import allowances, brakes, deployments, ip_state_history, ips

REACHED = ("verified", "rolled_back")
"""Results of deployments whose configuration stood on the host, if only for a moment."""
LONGEST = 2000
"""Ids of decisions that one version names at most."""


def reached(conn: Connection) -> tuple[tuple[int, str], ...]:
    """Id and status of every deployment whose configuration stood on its host, oldest first."""
    query = select(deployments.c.id, deployments.c.status).where(deployments.c.status.in_(REACHED))
    return tuple((row.id, row.status) for row in conn.execute(query.order_by(deployments.c.id)))


def load_version(conn: Connection, deployment: int) -> ConfigVersion:
    """One deployment with its whole text; secrets in it are not hidden yet."""
    row = conn.execute(select(deployments).where(deployments.c.id == deployment)).one()
    before: datetime | None = conn.execute(
        select(func.max(deployments.c.started_at)).where(
            deployments.c.mta_host == row.mta_host,
            deployments.c.id < row.id,
            deployments.c.status == "verified",
        )
    ).scalar_one()
    return ConfigVersion(
        deployment=row.id, host=row.mta_host, text=row.config, status=row.status, digest=row.digest,
        previous_digest=row.previous_digest, fleet_version=row.fleet_version, caused_by=row.caused_by,
        at=row.finished_at or row.started_at, dag_id=row.dag_id, run_id=row.run_id, approval=row.approval_id,
        rolled_back_to=row.rolled_back_to, failed_step=row.failed_step,
        decisions=_decided(conn, row.mta_host, before, row.started_at),
    )  # fmt: skip


def _decided(conn: Connection, mta_host: str, after: datetime | None, until: datetime) -> tuple[int, ...]:
    """Decisions whose allowance, change of state or brake came between two deployments of a host. Nothing explains the
    first one: it is what the fleet file says."""
    if after is None:
        return ()
    here = select(ips.c.id).where(ips.c.mta_host == mta_host)
    moments = (
        (allowances, allowances.c.recorded_at),
        (ip_state_history, ip_state_history.c.recorded_at),
        (brakes, func.coalesce(brakes.c.release_asked_at, brakes.c.engaged_at)),
    )
    found: set[int] = set()
    for table, moment in moments:
        query = select(table.c.decision_id).where(
            table.c.ip_id.in_(here), table.c.decision_id.is_not(None), moment > after, moment <= until
        )
        found |= set(conn.execute(query.limit(LONGEST)).scalars())
    return tuple(sorted(found)[-LONGEST:])
