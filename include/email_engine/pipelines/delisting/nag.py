"""Once a week people read which listings wait for them: acknowledgements past their date, questions without an answer."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from email_engine.blocklists.delisting import Delisting
from email_engine.fleet.model import IpState
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import open_questions_url
from email_engine.plural import amount
from email_engine.store.engine import Store
from email_engine.store.stops import delistings
from email_engine.store.telling import alerts
from email_engine.store.telling.alerts import News, announce

EVENT = "listing_nag"
UNANSWERED = timedelta(days=7)
NOT_DONE = timedelta(days=1)
"""After so long a person's answer should have been carried out."""
SHOWN = 15


def nag(store: Store, run: Run, base_url: str) -> None:
    """One message a tenant and ISO week, while something waits; nothing in a dry run."""
    if run.dry_run:
        return
    year, week, _ = run.as_of.isocalendar()
    with store.session(tenant="*") as conn:
        waiting = delistings.waiting(conn)
        idle = [
            alert.object for alert in alerts.standing(conn, EVENT) if alert.object not in {d.tenant for d in waiting}
        ]  # fmt: skip
        for tenant in idle:
            alerts.clear(conn, EVENT, tenant)
    news = []
    for tenant in sorted({d.tenant for d in waiting}):
        lines = [line for d in waiting if d.tenant == tenant for line in _lines(d, run.as_of)]
        if not lines:
            continue
        more = [f"and {len(lines) - SHOWN} more"] if lines[SHOWN:] else []
        title = f"{tenant}: {amount(len(lines), 'listing')} {'wait' if lines[1:] else 'waits'} for a person"
        text = [title, *lines[:SHOWN], *more, f"Answer here: {open_questions_url(base_url)}"]
        news.append(
            News(EVENT, tenant, f"{year}-W{week:02}", "warning", "\n".join(text), tenant, run.dag_id, run.run_id)
        )  # fmt: skip
    announce(store, news)


def _lines(d: Delisting, now: datetime) -> Iterator[str]:
    until = d.acknowledged_until
    if until is not None and d.closed_at is None:
        ticket = f", {d.acknowledged_ticket}" if d.acknowledged_ticket else ""
        if until <= now:
            yield f"{d}: {d.acknowledged_by} took care of it until {until:%Y-%m-%d}{ticket}, and it stands"
        return
    if d.gives_up:
        if d.answered_at is not None and now - d.answered_at >= NOT_DONE:
            yield f"{d}: {d.answered_by} gave it up, and it is in {d.state} still; see ip_transition"
        return
    if d.cause:
        return
    if d.closed_at is not None and d.state is IpState.QUARANTINE and not d.minor:
        if now - d.closed_at >= UNANSWERED:
            yield f"{d}: over since {d.closed_at:%Y-%m-%d}, and waits in quarantine for its cause alone"
    elif d.closed_at is None and now - d.opened_at >= UNANSWERED:
        yield f"{d}: stands since {d.opened_at:%Y-%m-%d}, and nobody named a cause"
