"""Who has no delivery server left when some are switched off: campaigns under way, and customers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from email_engine.mailer.model import ACTIVE, DISABLED, DeliveryServer
from email_engine.mailer.senders import LiveCampaign, Senders
from email_engine.mailer.silent_campaigns import allowed_servers, why_not_used
from email_engine.plural import amount

NAMED = 5


@dataclass(frozen=True, slots=True)
class LeftWithout:
    """`customers`: ids of active ones. Those whose servers cannot be read are not among them."""

    campaigns: tuple[LiveCampaign, ...] = ()
    customers: tuple[int, ...] = ()

    def words(self, mailwizz: str) -> str | None:
        """One sentence for people; None where nobody is."""
        campaigns = [f"{each.name or 'campaign'} ({each.campaign_id})" for each in self.campaigns]
        told = [f"{amount(len(campaigns), 'campaign')} under way: {_some(campaigns)}"] if campaigns else []
        told += (
            [
                f"{'customer' if len(self.customers) == 1 else 'customers'} {_some(list(map(str, self.customers)))}"
            ]
            if self.customers
            else []
        )
        return f"No delivery server of {mailwizz} is left for {'; and for '.join(told)}" if told else None


def left_without(senders: Senders, servers: Sequence[DeliveryServer], off: Collection[int]) -> LeftWithout:
    """Who could use a server of `off` while these ran, and can use none without them. `servers`: all of the installation, those of
    `off` as they were or as they are to be."""
    with_them, without = _switched(servers, off, ACTIVE), _switched(servers, off, DISABLED)

    def loses(campaign: LiveCampaign) -> bool:
        before, after = (_usable(campaign, those, senders) for those in (with_them, without))
        return before is not None and after is not None and bool(before & set(off)) and not after

    active = [each.customer_id for each in (senders.customers or {}).values() if each.active]
    return LeftWithout(
        tuple(campaign for campaign in senders.campaigns or () if loses(campaign)),
        tuple(sorted(customer for customer in active if loses(LiveCampaign(0, customer)))),
    )


def _switched(servers: Sequence[DeliveryServer], off: Collection[int], status: str) -> list[DeliveryServer]:
    return [
        replace(one, setting=replace(one.setting, status=status)) if one.server_id in off else one
        for one in servers
    ]


def _usable(campaign: LiveCampaign, servers: Sequence[DeliveryServer], senders: Senders) -> set[int] | None:
    allowed = allowed_servers(campaign, servers, senders)
    return None if allowed is None else {one.server_id for one in allowed if why_not_used(one) is None}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
