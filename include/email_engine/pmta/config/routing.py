"""Which virtual MTA stands in which pool, under which cap, and which must stand still (DESIGN.md section 3)."""

from collections.abc import Iterable

from email_engine.fleet.model import PARKED_STATES, SENDING_STATES, IpRecord, IpState
from email_engine.pmta.config.deploy_policy import DeployPolicy

LAST_RESORT = (
    IpState.ACTIVE,
    IpState.RETIRING,
    IpState.RESTING,
    IpState.STANDBY,
    IpState.QUARANTINE,
    IpState.WARMING,
    IpState.ABANDONED,
)


def daily_cap(record: IpRecord, policy: DeployPolicy) -> int:
    """`max-smtp-msg-rate` a day: the allowance with head-room for retries, rounded up; 1 where nothing may leave
    (PowerMTA reads 0 as no limit or as an error, the facts do not say)."""
    if not record.sends:
        return 1
    return max(1, -(-record.allowance * policy.head_room_percent // 100))


def stands_still(record: IpRecord) -> bool:
    """Must its queues be paused, whatever the configuration says?"""
    return record.state in PARKED_STATES or record.braked


def pool_members(
    records: Iterable[IpRecord], policy: DeployPolicy
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The members of one pool on one host, and those of them that must be paused.

    Members are active IPs that send and whose caps are alike (PowerMTA has no weights: a small cap would pile its share
    up until it bounces). Where none is left, one that stands still keeps the pool from being empty, paused. A pool whose
    IPs all warm up or retire has no member at all and is not rendered: they are addressed by name only."""
    ordered = sorted(records, key=order)
    sending = [r for r in ordered if r.state is IpState.ACTIVE and r.sends]
    largest = max((daily_cap(r, policy) for r in sending), default=0)
    members = tuple(
        r.vmta for r in sending if daily_cap(r, policy) * 100 >= largest * policy.pool_share_percent
    )
    if members:
        return members, ()
    idle = [r for r in ordered if stands_still(r) or (r.state in SENDING_STATES and not r.sends)]
    idle = [r for r in idle if r.state not in (IpState.WARMING, IpState.RETIRING) or stands_still(r)]
    if not idle:
        return (), ()
    last = min(idle, key=lambda r: (LAST_RESORT.index(r.state), order(r))).vmta
    return (last,), (last,)


def order(record: IpRecord) -> tuple[int, int]:
    """By address, so that the output does not hang on the database's order."""
    return record.address.version, int(record.address)


def must_be_held(records: Iterable[IpRecord], policy: DeployPolicy) -> tuple[IpRecord, ...]:
    """The virtual MTAs of a host whose queues must be paused after every reload, by address."""
    everyone = sorted(records, key=order)
    pools: dict[str, list[IpRecord]] = {}
    for record in everyone:
        pools.setdefault(record.pool, []).append(record)
    paused = {vmta for members in pools.values() for vmta in pool_members(members, policy)[1]}
    return tuple(r for r in everyone if stands_still(r) or r.vmta in paused)
