"""The one writer of what a decision changes: event and state, plan, allowance and brake, in the caller's transaction."""

from sqlalchemy import Connection

from email_engine.decision import Origin
from email_engine.lifecycle.change import IpChange
from email_engine.store.fleet import ips
from email_engine.store.stops import brakes


def apply_change(conn: Connection, change: IpChange, origin: Origin, decision_id: int, version: int) -> None:
    """`version`: the fleet version that follows from it.

    Raises `InputError` if the IP's state is another by now; then nothing of the transaction may stay."""
    ip = change.ip
    if change.event is not None and change.state is not None:
        ips.transition(
            conn, ip.ip_id, change.event, change.state, change.reason, origin, decision_id, **change.columns
        )
    if change.plan:
        ips.update_plan(conn, ip.ip_id, **change.plan)
    for provider, messages in change.allowances.items():
        ips.set_allowance(
            conn, ip.ip_id, ip.tenant, change.allowed_from, messages, version, decision_id, provider
        )
    if change.stops:
        brakes.engage(conn, ip, change.reason, origin, decision_id)
    elif change.releases:
        brakes.ask_release(conn, ip.ip_id, origin.as_of)
