"""What changed about the virtual MTAs of a host since a deployment: the guard expects a difference there, and nowhere else."""

from datetime import timedelta

from sqlalchemy import Connection, func, or_, select

from email_engine.store.deployment.deployments import Deployment
from email_engine.store.schema import allowances, brakes, decisions, domains, ip_state_history, ips

LOOK = timedelta(minutes=15)
"""The longest that a task of the deployment may take (its `execution_timeout`)."""


def decided_since(conn: Connection, mta_host: str, last: Deployment | None) -> frozenset[str]:
    """Virtual MTAs of the host with a decision about them or their domain, a change of state or allowance, or a brake or its release since `last`.

    `last` None: all of them, since everything is new."""
    here = select(ips.c.vmta_name).where(ips.c.mta_host == mta_host)
    if last is None:
        return frozenset(conn.execute(here).scalars())
    spoken = select(decisions.c.subject).where(decisions.c.recorded_at > last.started_at)
    rotated = select(domains.c.ip_id).where(domains.c.name.in_(spoken))
    explained = here.where(
        or_(ips.c.vmta_name.in_(spoken), func.host(ips.c.address).in_(spoken), ips.c.id.in_(rotated))
    )
    return frozenset(conn.execute(explained).scalars()) | given_since(conn, mta_host, last)


def given_since(conn: Connection, mta_host: str, last: Deployment | None) -> frozenset[str]:
    """Virtual MTAs of the host whose allowance, state or brake changed since `last`; all of them where it is None.

    A decision alone is not enough: to hold is one, too. A deployment reads first and begins up to `LOOK` later: what
    changed in between is not in it yet."""
    here = select(ips.c.vmta_name).where(ips.c.mta_host == mta_host)
    if last is None:
        return frozenset(conn.execute(here).scalars())
    read = last.started_at - LOOK
    given = select(allowances.c.ip_id).where(allowances.c.fleet_version > last.fleet_version)
    moved = select(ip_state_history.c.ip_id).where(ip_state_history.c.recorded_at > read)
    braked = or_(brakes.c.released_at.is_(None), brakes.c.released_at > read)
    held = select(brakes.c.ip_id).where(brakes.c.provider == "*", braked)
    changed = here.where(or_(ips.c.id.in_(given), ips.c.id.in_(moved), ips.c.id.in_(held)))
    return frozenset(conn.execute(changed).scalars())
