"""Who may start in place of an IP that a person retires or gives up: standby IPs of its pool, by every guard, at their own phase 1."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection

from email_engine.fleet.model import IpState
from email_engine.lifecycle.machine import Event
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.fleet.ips import load_ips
from email_engine.store.judgement import observations, transitions
from email_engine.store.judgement.transitions import Asking
from email_engine.warmup.policy import Policy
from email_engine.warmup.transition_request import Request
from email_engine.warmup.transitions_by_hand import Move, answer

REPLACED = frozenset({Event.RETIRE, Event.ABANDON})
SHOWN = 5


def replace_moved(
    conn: Connection, moves: Sequence[Move], asking: Asking, policy: Policy, run: Run, *, start: bool
) -> tuple[tuple[Move, ...], list[str]]:
    """For each pool as many standby IPs as `moves` take out of it, and a sentence for each. With `start` they start in this transaction;
    without, they are only named. What the others sent is not moved to them. `moves` must be written already."""
    if asking.request.event not in REPLACED:
        return (), []
    pools = Counter((move.observation.ip.tenant, move.observation.ip.pool) for move in moves)
    started: list[Move] = []
    said: list[str] = []
    for (tenant, pool), count in sorted(pools.items()):
        found, why = _ready(conn, tenant, pool, count, asking, policy, run)
        if start and found:
            request = Request(Event.START, f"in place of what left {pool}: {asking.request.reason}")
            transitions.record(conn, found, Asking(request, asking.origin, asking.policy_digest))
            started += found
        verb = (
            "starts in phase 1" if start else "may start in phase 1 (event `start`, or `replace` next time)"
        )
        said += [
            f"{move.observation.ip.address} of standby {verb} in place of what leaves {pool}"
            for move in found
        ]
        if len(found) < count:
            lacking = amount(count - len(found), "IP")
            said.append(f"nobody of standby may start for {lacking} of {pool}: {why}")
    return tuple(started), said


def _ready(
    conn: Connection, tenant: str, pool: str, count: int, asking: Asking, policy: Policy, run: Run
) -> tuple[tuple[Move, ...], str]:
    """Those that may start now, `count` at most, and why others may not."""
    today = run.as_of.date()
    seen = observations.observe(conn, tenant, today, today, policy, run.as_of)
    quotas = observations.quotas(conn, tenant)
    request = Request(Event.START, f"in place of what left {pool}: {asking.request.reason}")
    standby = [
        ip
        for ip in load_ips(conn, day=today, tenant=tenant)
        if ip.pool == pool and ip.state is IpState.STANDBY
    ]
    refused: list[str] = []
    chosen: set[int] = set()
    found: tuple[Move, ...] = ()
    for ip in standby:
        given = answer(seen, {*chosen, ip.ip_id}, request, policy, quotas, run.as_of)
        if given.refused:
            refused += [f"{error.subject}: {error.observed}" for error in given.refused]
            continue
        chosen.add(ip.ip_id)
        found = given.moves
        if len(found) == count:
            break
    more = f" and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
    return found, "; ".join(refused[:SHOWN]) + more if refused else "its pool has no IP in standby"
