"""Table `deployments`: every configuration that was put on a host, with its result; one in flight a host.

Hosts carry several tenants: run everything here under tenant `*`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from email_engine.errors import InputError
from email_engine.fleet.model import MtaHost
from email_engine.store.fleet.inventory_read import mta_host
from email_engine.store.hosts.lock import Busy as Busy
from email_engine.store.hosts.lock import HostLock as HostLock
from email_engine.store.hosts.lock import LockLost as LockLost
from email_engine.store.hosts.lock import host_lock as host_lock
from email_engine.store.schema import (
    approvals,
    deployments,
    ips,
    mta_hosts,
    tenants,
)

LARGEST_ID = 2**63 - 1
NEAR = 3


@dataclass(frozen=True, slots=True)
class Deployment:
    """One row; `config` is the whole file, `previous_digest` None where there was none."""

    id: int
    mta_host: str
    fleet_version: int
    status: str
    digest: str
    previous_digest: str | None
    config: str
    started_at: datetime
    rolled_back_to: int | None
    finished_at: datetime | None
    approval_id: int | None
    baseline: dict[str, Any] | None
    watched: str | None
    message: str | None


_COLUMNS = [deployments.c[name] for name in Deployment.__dataclass_fields__]
_PARTIAL = (
    select(approvals.c.id)
    .where(approvals.c.id == deployments.c.approval_id, approvals.c.digest != deployments.c.digest)
    .exists()
)
"""What only lowers while the rest waits for a person's approval."""


def load_hosts(conn: Connection) -> tuple[MtaHost, ...]:
    """Every MTA host of the fleet that carries an IP, by name."""
    carries = select(ips.c.id).where(ips.c.mta_host == mta_hosts.c.name, ips.c.removed.is_(False)).exists()
    query = select(mta_hosts).where(carries).order_by(mta_hosts.c.name)
    return tuple(map(mta_host, conn.execute(query)))


def host_of(conn: Connection, name: str) -> MtaHost:
    """The host of a deployment, also one that carries no IP any more."""
    return mta_host(conn.execute(select(mta_hosts).where(mta_hosts.c.name == name)).one())


def config_of(conn: Connection, mta_host: str, digest: str) -> Deployment | None:
    """The newest deployment to the host that holds the text of this digest."""
    return _one(conn, deployments.c.mta_host == mta_host, deployments.c.digest == digest)


def load_modes(conn: Connection, mta_host: str) -> dict[str, str]:
    """Mode of every tenant that ever had an IP on the host, removed ones too: their section may still stand there."""
    query = (
        select(tenants.c.name, tenants.c.mode)
        .join(ips, ips.c.tenant == tenants.c.name)
        .where(ips.c.mta_host == mta_host)
        .distinct()
    )
    return {row.name: row.mode for row in conn.execute(query)}


def begin(
    conn: Connection,
    *,
    mta_host: str,
    fleet_version: int,
    digest: str,
    previous_digest: str | None,
    config: str,
    diff: str,
    caused_by: str,
    dag_id: str | None,
    run_id: str | None,
    rolled_back_to: int | None = None,
    approval_id: int | None = None,
    baseline: Mapping[str, Any] | None = None,
    after: int | None = None,
) -> int:
    """A row in status `applying`; commit it before the host is touched.

    `after`: the newest deployment of the host that the caller knew when it looked there. Raises LockLost where another one
    has begun since: what was seen of the host is out of date.

    `approval_id`: whose change this is, or, with another digest than the approved one, what only lowers meanwhile."""
    if after is not None:
        conn.execute(select(mta_hosts.c.name).where(mta_hosts.c.name == mta_host).with_for_update())
        newest = newest_id(conn, mta_host)
        if newest != after:
            raise LockLost(
                f"deployment to {mta_host}",
                f"superseded: deployment {newest} began after this one had looked at the host",
                "one deployment at a time on a host",
                "none: nothing was touched; the task starts anew",
            )
    statement = insert(deployments).values(
        mta_host=mta_host,
        fleet_version=fleet_version,
        status="applying",
        digest=digest,
        previous_digest=previous_digest,
        config=config,
        diff=diff,
        caused_by=caused_by,
        dag_id=dag_id,
        run_id=run_id,
        rolled_back_to=rolled_back_to,
        approval_id=approval_id,
        baseline=baseline,
    )
    return int(conn.execute(statement.returning(deployments.c.id)).scalar_one())


def finish(
    conn: Connection,
    deployment_id: int,
    status: str,
    failed_step: str | None,
    message: str | None,
    at: datetime,
    *,
    was: str = "applying",
) -> bool:
    """The result: `verified`, `failed` (nothing changed on the host) or `rolled_back` (changed and changed back).

    False, and nothing is written, where the deployment is not in status `was` any more: another run ended it."""
    values = {"status": status, "failed_step": failed_step, "message": message, "finished_at": at}
    mine = (deployments.c.id == deployment_id) & (deployments.c.status == was)
    done = conn.execute(update(deployments).where(mine).values(**values).returning(deployments.c.id))
    return done.first() is not None


def newest_id(conn: Connection, mta_host: str) -> int:
    """The host's newest deployment, whatever became of it; 0 where there is none."""
    newest = select(func.coalesce(func.max(deployments.c.id), 0)).where(deployments.c.mta_host == mta_host)
    return int(conn.execute(newest).scalar_one())


def interrupted(conn: Connection, mta_host: str) -> Deployment | None:
    """The deployment that is still `applying`; under the host's lock: one whose holder was killed or cut off."""
    return _one(conn, deployments.c.mta_host == mta_host, deployments.c.status == "applying")


def interrupted_hosts(conn: Connection) -> tuple[str, ...]:
    """Hosts with a deployment that is still `applying`, by name: under way, or killed."""
    query = select(deployments.c.mta_host).where(deployments.c.status == "applying").distinct()
    return tuple(sorted(conn.execute(query).scalars()))


def last_verified(conn: Connection, mta_host: str) -> Deployment | None:
    """The newest deployment that was seen to run."""
    return _one(conn, deployments.c.mta_host == mta_host, deployments.c.status == "verified")


def last_whole(conn: Connection, mta_host: str) -> Deployment | None:
    """Like `last_verified`, without those that only lowered something while the rest waits for a person."""
    return _one(conn, deployments.c.mta_host == mta_host, deployments.c.status == "verified", ~_PARTIAL)


def find(conn: Connection, deployment_id: int) -> Deployment:
    """Raises InputError if there is none; it names some near it."""
    found = _one(conn, deployments.c.id == deployment_id) if 0 < deployment_id <= LARGEST_ID else None
    if found is None:
        near = func.abs(deployments.c.id - min(max(deployment_id, 0), LARGEST_ID))
        query = (
            select(deployments.c.id, deployments.c.mta_host, deployments.c.status).order_by(near).limit(NEAR)
        )
        listed = ", ".join(f"{row.id} ({row.mta_host}, {row.status})" for row in conn.execute(query))
        number = str(deployment_id)
        raise InputError(
            f"deployment {number if len(number) <= 20 else f'{number[:10]}... ({len(number)} digits)'}",
            "not in the database",
            f"the id of a deployment; near it: {listed}"
            if listed
            else "the id of a deployment; there is none yet",
            "look one up in table deployments (status verified)",
        )
    return found


def _one(conn: Connection, *conditions: object) -> Deployment | None:
    query = select(*_COLUMNS).where(*conditions).order_by(deployments.c.id.desc()).limit(1)  # type: ignore[arg-type]
    row = conn.execute(query).mappings().one_or_none()
    return Deployment(**row) if row else None


def is_ours(conn: Connection, mta_host: str, digest: str | None) -> bool:
    """Was a file of this digest (None: no file) ever deployed there, or found there by the first deployment?

    True also while nothing was ever deployed: then there is nothing to compare with. What only lowered something in a
    file that a person had edited is still that person's file."""
    mine = deployments.c.mta_host == mta_host
    whole = select(deployments.c.id).where(mine, ~_PARTIAL)
    first = conn.execute(
        whole.where(deployments.c.status == "verified").order_by(deployments.c.id).limit(1)
    ).scalar_one_or_none()
    if first is None:
        return True
    seen: set[str] = set()
    while digest is not None and digest not in seen:
        seen.add(digest)
        found_by_the_first = (deployments.c.id == first) & (deployments.c.previous_digest == digest)
        known = or_(deployments.c.digest == digest, found_by_the_first)
        if conn.execute(whole.where(known).limit(1)).first() is not None:
            return True
        partial = _one(conn, mine, _PARTIAL, deployments.c.digest == digest)
        digest = partial.previous_digest if partial else None
    return False


def was_undone(conn: Connection, mta_host: str, digest: str) -> Deployment | None:
    """The deployment of this digest that the watch rolled back, unless the same was seen to run well since."""
    newest = _one(
        conn,
        deployments.c.mta_host == mta_host,
        deployments.c.digest == digest,
        deployments.c.status.in_(("verified", "rolled_back")),
    )
    return newest if newest and newest.watched == "worse" else None


def note_baseline(conn: Connection, deployment_id: int, baseline: Mapping[str, Any]) -> None:
    """What was seen before and since, as `mta.watch` writes it."""
    conn.execute(update(deployments).where(deployments.c.id == deployment_id).values(baseline=baseline))


def note_watched(conn: Connection, deployment_id: int, verdict: str, message: str | None = None) -> None:
    """`well`, `worse` or `superseded`; `message`: the numbers behind a `worse`."""
    values = {"watched": verdict, "message": message}
    conn.execute(update(deployments).where(deployments.c.id == deployment_id).values(**values))


def superseded_by(conn: Connection, of: Deployment) -> Deployment | None:
    """A deployment to the same host that began after this one and that changed the host, or may do so now."""
    return _one(
        conn,
        deployments.c.mta_host == of.mta_host,
        deployments.c.id > of.id,
        deployments.c.status.in_(("applying", "verified", "rolled_back")),
    )


def followed(conn: Connection, of: Deployment, *, but: str) -> Deployment | None:
    """A later deployment to the same host that was seen to run, other than one of the digest `but`."""
    return _one(
        conn,
        deployments.c.mta_host == of.mta_host,
        deployments.c.id > of.id,
        deployments.c.status == "verified",
        deployments.c.digest != but,
    )


def followed_another(conn: Connection, this: Deployment) -> bool:
    """Was anything seen to run on the host before this deployment?"""
    mine = deployments.c.mta_host == this.mta_host
    return _one(conn, mine, deployments.c.id < this.id, deployments.c.status == "verified") is not None
