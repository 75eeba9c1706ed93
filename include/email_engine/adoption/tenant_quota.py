"""A tenant's daily quota: what its customers in MailWizz may send, else what its IPs carry together."""

from collections.abc import Sequence
from dataclasses import replace

from email_engine.adoption.draft import FleetDraft, TenantDraft
from email_engine.adoption.servers import InstanceSeen, ServerJoin
from email_engine.fleet.parse import HIGHEST_QUOTA


def give_quotas(draft: FleetDraft, servers: ServerJoin, instances: Sequence[InstanceSeen]) -> None:
    """Changes tenants whose quota can be told, and targets above it."""
    for tenant in draft.tenants:
        senders = [sender for stream in tenant.streams for sender in stream.senders]
        targets = [sender.target for sender in senders if isinstance(sender.target, int)]
        limit, words = _of_customers(tenant, servers, instances)
        if limit is not None:
            tenant.daily_quota, tenant.quota_remark = limit, words
            _lower(tenant, limit)
        elif targets and len(targets) == len(senders):
            tenant.daily_quota = min(sum(targets), HIGHEST_QUOTA)
            tenant.quota_remark = f"what its {len(senders)} IPs carry, fully warmed; {words}"


def _of_customers(
    tenant: TenantDraft, servers: ServerJoin, instances: Sequence[InstanceSeen]
) -> tuple[int | None, str]:
    """The sum of the quotas of the customers that may use its servers; None with the reason where there is none."""
    instance = next((one for one in instances if one.name == tenant.mailwizz), None)
    if instance is None or instance.senders.customers is None:
        return None, "MailWizz's customers could not be read"
    named = {sender.known_as for stream in tenant.streams for sender in stream.senders}
    users: set[int] = set()
    for vmta, found in servers.found.items():
        if vmta in named and found.instance is instance:
            those = instance.senders.users(found.server.server_id, found.server.limits)
            if those is None:
                return None, "who may use its servers could not be read"
            users |= those
    if not users:
        return None, "no delivery server of theirs is known"
    quotas = [instance.senders.customers[user].quota for user in sorted(users)]
    known = [quota for quota in quotas if quota is not None]
    if not known or len(known) < len(quotas):
        return None, "no quota bounds its customers in MailWizz"
    total = min(sum(quota.per_day for quota in known), HIGHEST_QUOTA)
    who = f"customer {min(users)}" if len(users) == 1 else f"{len(users)} customers"
    told = known[0].words if len(known) == 1 else "their quotas together"
    if total < 1:
        return None, f"{who} may send less than a message a day ({told})"
    return total, f"{who} of {instance.name}: {told}"


def _lower(tenant: TenantDraft, quota: int) -> None:
    """No IP is promised more than there is."""
    for stream in tenant.streams:
        stream.senders = [
            replace(sender, target=quota, remarks={**sender.remarks, "daily_target": f"{sender.target} by itself, and the customers may send no more"})
            if isinstance(sender.target, int) and sender.target > quota
            else sender
            for sender in stream.senders
        ]  # fmt: skip
