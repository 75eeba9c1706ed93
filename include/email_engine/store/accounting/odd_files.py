"""What lies in a host's accounting folder and cannot be taken: one alert a host, as long as any of it lies there."""

from collections.abc import Collection

from sqlalchemy import Connection

from email_engine.accounting.names import listed
from email_engine.plural import amount
from email_engine.store.telling import alerts

EVENT = "accounting_folder"
STATE = "odd"


def tell_odd(
    conn: Connection,
    mta_host: str,
    folder: str,
    odd: Collection[tuple[str, str]],
    dag_id: str | None,
    run_id: str | None,
) -> None:
    """`odd`: names and why they cannot be taken; none closes the alert. Session of tenant `*`."""
    if not odd:
        alerts.clear(conn, EVENT, mta_host)
        return
    text = (
        f"{mta_host}: {amount(len(odd), 'thing')} in {folder} passed over: {listed(odd)}. What they count is missing, "
        "and as long as they lie there silence of this host is not taken for no mail. Move them away; what PowerMTA "
        "wrote, rename like acct-2026-11-01-0000.csv and leave it readable for our SSH user"
    )
    alerts.raise_alert(conn, EVENT, mta_host, STATE, "warning", text, None, dag_id, run_id)
