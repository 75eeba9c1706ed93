"""Where MailWizz would hand over more than PowerMTA or the engine let out: quotas above caps, campaigns larger than their days."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from email_engine.adoption.draft import FleetDraft
from email_engine.adoption.findings import AdoptionFinding, Topic
from email_engine.adoption.outlook import ServerOutlook, allowances_to_come
from email_engine.adoption.servers import InstanceSeen, ServerFound, ServerJoin, listed_briefly
from email_engine.fleet.model import IpState
from email_engine.mailer.policy import QuotaPolicy
from email_engine.mailer.waiting import WaitingCampaign
from email_engine.plural import amount
from email_engine.warmup.policy import Policy

MOST_DAYS = 366
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class CampaignOutlook:
    """`waiting` messages against what its days carry: `first_day` on the first of them; `ends` on that UTC day, None: not within a year.
    `why`: what is not known of it, a clause. `stateless`: IPs that could carry it and whose state nobody knows; what they carry is not counted."""

    instance: str
    campaign_id: int
    waiting: int | None
    first_day: int
    ends: date | None
    why: str = ""
    stateless: int = 0

    @property
    def too_large(self) -> bool:
        """False too where nobody knows: an IP without a state may carry the rest."""
        return self.waiting is not None and self.waiting > self.first_day and not self.stateless

    def words(self) -> str:
        name = f"campaign {self.campaign_id} of {self.instance}"
        if self.waiting is None:
            return f"{name}: how much of it waits is not known: {self.why}"
        if self.stateless and self.waiting > self.first_day:
            blanks = f"{amount(self.stateless, 'IP')} that could carry it {'has' if self.stateless == 1 else 'have'} no state yet"
            return f"{name}: {self.waiting:,} messages wait, and when it would end is not known: {blanks}. Next: fill in the states"
        told = f"{name}: {self.waiting:,} messages wait, its first day carries {self.first_day:,}"
        if not self.too_large:
            return f"{told}; it ends on {self.ends}"
        return (
            f"{told}; it would end on {self.ends}" if self.ends else f"{told}; it would not end within a year"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "instance": self.instance, "campaign_id": self.campaign_id, "waiting": self.waiting, "first_day": self.first_day,
            "ends": self.ends and str(self.ends), "why": self.why, "stateless": self.stateless,
        }  # fmt: skip


def quota_findings(draft: FleetDraft, join: ServerJoin, policy: Policy) -> Iterator[AdoptionFinding]:
    """Servers that may hand over more a day than their virtual MTA lets out; those without any limit together."""
    unlimited: dict[str, list[tuple[int, str, int]]] = {}
    for _, stream, sender in draft.senders():
        found = join.found.get(sender.known_as)
        if found is None or sender.cap is None or not found.server.setting.runs:
            continue
        most, words = _most_of(found)
        if most is not None and most <= sender.cap:
            continue
        if most is None:
            mine = (found.server.server_id, sender.known_as, sender.cap)
            unlimited.setdefault(found.instance.name, []).append(mine)
            continue
        first = allowances_to_come(sender, policy.schedules[stream.schedule], 1)[0]
        told = f"MailWizz hands over up to {most:,} a day ({words}), and PowerMTA sends {sender.cap:,} a day at most: the rest waits in its queue"
        allowance = f"its allowance ({first:,})" if isinstance(sender.state, IpState) else "its allowance"
        step = f"nothing, once this tenant acts: the quota becomes {allowance}; until then set daily_quota to {sender.cap:,} or less"
        yield AdoptionFinding(
            Topic.QUOTAS,
            f"server {found.server.server_id} of {found.instance.name} ({sender.known_as})",
            told,
            step,
        )
    for name, those in sorted(unlimited.items()):
        listed = listed_briefly([f"{number} ({vmta})" for number, vmta, _ in those])
        caps = sorted({cap for _, _, cap in those})
        most_sent = f"{caps[0]:,}" if len(caps) == 1 else f"{caps[0]:,} to {caps[-1]:,}"
        told = f"MailWizz hands over without any limit (quotas of 0), and PowerMTA sends {most_sent} a day at most: the rest waits in its queue"
        step = "nothing, once this tenant acts: the quota becomes the allowance; until then set daily_quota to the cap or less"
        yield AdoptionFinding(
            Topic.QUOTAS, f"{'server' if len(those) == 1 else 'servers'} {listed} of {name}", told, step
        )


def _most_of(found: ServerFound) -> tuple[int | None, str]:
    """What a server hands over in a day by its own quotas; None: no limit."""
    limits, setting = found.server.limits, found.server.setting
    bounds = [
        (setting.daily_quota, f"daily_quota {setting.daily_quota:,}"),
        (setting.hourly_quota * 24, f"hourly_quota {setting.hourly_quota:,}"),
        (limits.minute_quota * 1_440, f"minute_quota {limits.minute_quota:,}"),
        (limits.second_quota * 86_400, f"second_quota {limits.second_quota:,}"),
    ]
    return min((bound for bound in bounds if bound[0] > 0), default=(None, ""))


def customer_findings(draft: FleetDraft, join: ServerJoin) -> Iterator[AdoptionFinding]:
    """Customers whose quotas let them hand over more than the caps of all their servers' virtual MTAs."""
    caps: dict[tuple[str, frozenset[int]], list[int]] = {}
    instances: dict[str, InstanceSeen] = {}
    uncapped: set[tuple[str, frozenset[int]]] = set()
    for _, _, sender in draft.senders():
        found = join.found.get(sender.known_as)
        users = found.instance.senders.users(found.server.server_id, found.server.limits) if found else None
        if not found or not users:
            continue
        key = (found.instance.name, users)
        instances[found.instance.name] = found.instance
        if sender.cap is None:
            uncapped.add(key)
        else:
            caps.setdefault(key, []).append(sender.cap)
    for (name, users), those in sorted(caps.items(), key=lambda item: (item[0][0], sorted(item[0][1]))):
        customers = instances[name].senders.customers or {}
        quotas = [customers[user].quota for user in sorted(users) if user in customers]
        known = [quota for quota in quotas if quota is not None]
        if (name, users) in uncapped or not known or len(known) < len(quotas):
            continue
        most, total = sum(quota.per_day for quota in known), sum(those)
        if most > total:
            who = (
                f"customer {min(users)}"
                if len(users) == 1
                else f"customers {', '.join(map(str, sorted(users)[:MOST_NAMED]))}"
            )
            told = f"may send {most:,} a day ({known[0].words}), and PowerMTA's caps of their {len(those)} IPs come to {total:,}"
            step = "lower the quota, or give them more IPs; what is too much waits in MailWizz once this tenant acts"
            yield AdoptionFinding(Topic.QUOTAS, f"{who} of {name}", told, step)


def campaign_outlooks(
    draft: FleetDraft,
    join: ServerJoin,
    waiting: Mapping[str, Sequence[WaitingCampaign]],
    policies: tuple[Policy, QuotaPolicy],
    first_day: date,
) -> list[CampaignOutlook]:
    """`waiting` by instance. The allowances are those of the proposed states, from the UTC day `first_day` on, shared in the order of the campaigns' ids."""
    policy, quotas = policies
    servers: dict[str, list[ServerOutlook]] = {}
    for _, stream, sender in draft.senders():
        found = join.found.get(sender.known_as)
        if found is not None and found.server.setting.runs:
            allowances = allowances_to_come(sender, policy.schedules[stream.schedule], MOST_DAYS)
            users = found.instance.senders.users(found.server.server_id, found.server.limits)
            known = isinstance(sender.state, IpState)
            outlook = ServerOutlook(found.server.server_id, allowances, found.server.limits, users, known)
            servers.setdefault(found.instance.name, []).append(outlook)
    found_outlooks: list[CampaignOutlook] = []
    for name, campaigns in sorted(waiting.items()):
        found_outlooks += _outlooks(name, campaigns, servers.get(name, []), quotas, first_day)
    return found_outlooks


def _outlooks(
    name: str,
    campaigns: Sequence[WaitingCampaign],
    servers: Sequence[ServerOutlook],
    quotas: QuotaPolicy,
    first_day: date,
) -> list[CampaignOutlook]:
    ordered = sorted(campaigns, key=lambda one: one.campaign.campaign_id)
    left = {one.campaign.campaign_id: one.waiting for one in ordered if one.waiting is not None}
    first: dict[int, int] = {}
    ends: dict[int, date] = {number: first_day for number, waiting in left.items() if waiting == 0}
    for number in range(MOST_DAYS):
        day = first_day + timedelta(days=number)
        if not any(left.values()):
            break
        used: dict[int, int] = {}
        for one in ordered:
            campaign_id = one.campaign.campaign_id
            waiting = left.get(campaign_id)
            if waiting is None or (one.starts is not None and one.starts.date() > day):
                continue
            carried = _carried(one, servers, number, quotas, used, waiting if campaign_id in first else None)
            first.setdefault(campaign_id, carried)
            sent = min(carried, waiting)
            if waiting and sent == waiting:
                ends[campaign_id] = day
            left[campaign_id] = waiting - sent
    return [
        CampaignOutlook(
            name,
            one.campaign.campaign_id,
            one.waiting,
            first.get(one.campaign.campaign_id, 0),
            ends.get(one.campaign.campaign_id),
            one.why,
            sum(not server.known and server.carries(one.campaign) for server in servers),
        )
        for one in ordered
    ]


def _carried(
    one: WaitingCampaign,
    servers: Sequence[ServerOutlook],
    number: int,
    quotas: QuotaPolicy,
    used: dict[int, int],
    most: int | None,
) -> int:
    """Messages of the day for this campaign, taken from what the servers have left; `most` it wants, None: all that there is, of which it
    uses what it has."""
    campaign, minutes = one.campaign, one.campaign.minutes().bit_count()
    wanted = one.waiting or 0 if most is None else most
    total = 0
    for server in servers:
        if not server.carries(campaign):
            continue
        can = max(server.through(number, minutes, quotas) - used.get(server.server_id, 0), 0)
        take = min(can, max(wanted - total, 0))
        used[server.server_id] = used.get(server.server_id, 0) + take
        total += can
    return total


def campaign_findings(outlooks: Sequence[CampaignOutlook]) -> Iterator[AdoptionFinding]:
    """Those that are larger than their first day."""
    for one in outlooks:
        if one.too_large:
            step = "let it take so long, split its list, or begin it later, when more IPs are warm"
            subject, _, told = one.words().partition(": ")
            yield AdoptionFinding(Topic.CAMPAIGNS, subject, told, step)
