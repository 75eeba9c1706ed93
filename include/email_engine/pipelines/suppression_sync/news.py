"""What people hear of suppression: recipients that MailWizz still writes to, and providers whose answers are not believed."""

from collections.abc import Sequence

from email_engine.fleet.model import MailwizzInstance
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.telling import alerts
from email_engine.store.telling.alerts import News
from email_engine.suppression.outage import Outage

FINDINGS, HELD = "suppression_findings", "suppression_held"


def tell(
    store: Store, instance: MailwizzInstance, run: Run, findings: int, outages: Sequence[Outage]
) -> None:
    """Raised while it stands, closed when it is over; afterwards, in a transaction of its own."""
    of_run = (instance.tenant, run.dag_id, run.run_id)
    news = [
        News(
            HELD, f"{instance.name} {outage.provider}", "held", "info",
            f"{outage.provider} calls half of its users unknown; they are not suppressed in MailWizz {instance.name}\n"
            f"Since {outage.start:%Y-%m-%d %H:%M} UTC. Nothing is to be done; an address that is gone bounces again.",
            *of_run,
        )
        for outage in outages
    ]  # fmt: skip
    if findings:
        news.append(
            News(
                FINDINGS, instance.name, "open", "warning",
                f"{amount(findings, 'recipient')} still in MailWizz {instance.name} though mail to them bounced or was complained about\n"
                "Next: email-engine suppression findings "
                f"{instance.name} says which and why; trigger suppression_sync with `again` when MailWizz lets them go.",
                *of_run,
            )
        )  # fmt: skip
    over = {f"{instance.name} {outage.provider}" for outage in outages}
    with store.session(tenant=ALL_TENANTS) as conn:
        alerts.set_lock_timeout(conn)
        for one in alerts.standing(conn, HELD):
            if one.object.startswith(f"{instance.name} ") and one.object not in over:
                alerts.clear(conn, HELD, one.object)
        if not findings:
            alerts.clear(conn, FINDINGS, instance.name)
    alerts.announce(store, news)
