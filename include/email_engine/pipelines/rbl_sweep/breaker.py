"""An open breaker stops its stream: every IP of the pool that sends is paused until a person resumes it."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from email_engine.blocklists.decide import Breaker
from email_engine.decision import Decision, Origin
from email_engine.fleet.model import SENDING_STATES, IpRecord, Mode
from email_engine.lifecycle.change import IpChange
from email_engine.lifecycle.machine import Event
from email_engine.plural import amount
from email_engine.store import versions
from email_engine.store.judgement.decisions import record
from email_engine.store.judgement.writer import apply_change
from email_engine.warmup.rows import WHOLE

PIPELINE = "rbl_sweep"


def stop_streams(
    conn: Connection,
    records: Sequence[IpRecord],
    breakers: Sequence[Breaker],
    quarantined: Collection[int],
    digest: str,
    run_key: str,
    origin: Origin,
) -> int | None:
    """Pauses the IPs of these pools that send and are not `quarantined` (ids) already; in the caller's transaction. Returns the fleet
    version that follows, None where nobody was stopped. A tenant in `observe` gets decisions and no change."""
    version: int | None = None
    for breaker in breakers:
        reason = f"The breaker of pool {breaker.pool} is open, so its stream stops until a person resumes it: {breaker.reason}"
        for ip in _that_send(records, breaker, quarantined):
            acts = ip.mode is Mode.ACT
            decision_id = record(
                conn, _decision(ip, reason, acts, breaker, digest, run_key, origin), origin.dag_id, origin.run_id
            )  # fmt: skip
            if not acts:
                continue
            if version is None:
                why = f"{PIPELINE}: {amount(len(breakers), 'breaker')} opened"
                version = versions.bump(conn, why, (origin.dag_id or "", origin.run_id or ""))
            apply_change(conn, _change(ip, reason, origin), origin, decision_id, version)
    return version


def _that_send(records: Sequence[IpRecord], breaker: Breaker, quarantined: Collection[int]) -> list[IpRecord]:
    return [
        ip for ip in records
        if ip.pool == breaker.pool and ip.state in SENDING_STATES and ip.ip_id not in quarantined
    ]  # fmt: skip


def _decision(
    ip: IpRecord, reason: str, acts: bool, breaker: Breaker, digest: str, run_key: str, origin: Origin
) -> Decision:
    return Decision(
        tenant=ip.tenant,
        pipeline=PIPELINE,
        subject=str(ip.address),
        run_key=run_key,
        action="pause",
        reason=reason,
        as_of=origin.as_of,
        policy_digest=digest,
        kind="breaker",
        applied=acts,
        inputs={
            "state": ip.state.value,
            "allowance": ip.allowance,
            "pool": breaker.pool,
            "listed": list(breaker.addresses),
        },
    )


def _change(ip: IpRecord, reason: str, origin: Origin) -> IpChange:
    return IpChange(
        ip=ip,
        reason=reason,
        allowed_from=origin.as_of.date(),
        event=Event.PAUSE,
        state=ip.state,
        plan={"paused": True, "pause_until": None, "pause_reason": reason},
        allowances={WHOLE: 0},
        stops=True,
    )
