"""Who uses MailWizz's delivery servers: customers with their quotas, their groups' servers, the campaigns that send now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time
from functools import cached_property, reduce
from operator import or_

from email_engine.mailer.limits import DAY_MINUTES, ServerLimits, Shortfall, hourly_rate
from email_engine.plural import amount

DAYS = {"minute": 1 / 1440, "hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.0, "year": 365.0}
"""Length of the units of a group's `sending.quota_time_unit`."""
WHOLE_DAY = (1 << DAY_MINUTES) - 1


@dataclass(frozen=True, slots=True)
class CustomerQuota:
    """`per_day`: messages a day that it comes to; `words`: the option or column with its value. `most`: messages in a span
    of so many `days`, as it is set."""

    per_day: int
    words: str
    most: int = field(default=0, compare=False)
    days: float = field(default=1.0, compare=False)


@dataclass(frozen=True, slots=True)
class Customer:
    """`quota`: the tightest of its group's and its own; None: unlimited, or not known. `quotas`: all of them."""

    customer_id: int
    active: bool
    group_id: int | None = None
    quota: CustomerQuota | None = None
    quotas: tuple[CustomerQuota, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class LiveCampaign:
    """A campaign that sends, or is about to. `servers`: the only ones that it may use, empty: any; `start`, `end`: the hours
    in which it sends, None: always."""

    campaign_id: int
    customer_id: int
    servers: frozenset[int] = frozenset()
    start: time | None = None
    end: time | None = None
    name: str = field(default="", compare=False)

    def minutes(self) -> int:
        """The minutes of the day in which it sends, as bits; a window may span midnight."""
        if self.start is None or self.end is None:
            return WHOLE_DAY
        first, last = (moment.hour * 60 + moment.minute for moment in (self.start, self.end))
        before_first, before_last = (1 << first) - 1, (1 << last) - 1
        if first <= last:
            return before_last & ~before_first
        return WHOLE_DAY & ~before_first | before_last


@dataclass(frozen=True)
class Senders:
    """Customers by id; group id to its delivery servers (a group that is not there may use all). None: not readable,
    and nothing is said of it."""

    customers: Mapping[int, Customer] | None = None
    group_servers: Mapping[int, frozenset[int]] | None = None
    campaigns: tuple[LiveCampaign, ...] | None = None

    def users(self, server_id: int, limits: ServerLimits) -> frozenset[int] | None:
        """Ids of the active customers that may use a server: its owner; of a system server, whoever's group allows it."""
        if self.customers is None:
            return None
        if limits.customer_id is not None:
            owner = self.customers.get(limits.customer_id)
            return frozenset({owner.customer_id}) if owner and owner.active else frozenset()
        if self.group_servers is None:
            return None
        return self._users_by_server.get(server_id, self._unbound)

    @cached_property
    def _unbound(self) -> frozenset[int]:
        """Active customers whose group names no servers."""
        bound = self.group_servers or {}
        return frozenset(c.customer_id for c in self._active if (c.group_id or 0) not in bound)

    @cached_property
    def _users_by_server(self) -> Mapping[int, frozenset[int]]:
        """Of each server that a group names, who may use it."""
        members: dict[int, set[int]] = {}
        for customer in self._active:
            members.setdefault(customer.group_id or 0, set()).add(customer.customer_id)
        found: dict[int, frozenset[int]] = {}
        for group_id, servers in (self.group_servers or {}).items():
            for server_id in servers:
                found[server_id] = found.get(server_id, self._unbound) | members.get(group_id, set())
        return found

    @cached_property
    def _active(self) -> tuple[Customer, ...]:
        return tuple(customer for customer in (self.customers or {}).values() if customer.active)


NOBODY_KNOWN = Senders()


def sender_shortfalls(senders: Senders, server_id: int, limits: ServerLimits) -> Iterator[Shortfall]:
    """No customer can use the server at all."""
    users = senders.users(server_id, limits)
    if users is None or users:
        return
    if limits.customer_id is not None:
        limit, step = (
            f"customer {limits.customer_id} is not active",
            "activate it in MailWizz, or give the server to another",
        )
    else:
        limit = "delivery_server_to_customer_group"
        step = "allow the server in a customer group, or remove the group's list of servers"
    yield Shortfall(0, limit, "nothing, no active customer may use it", step)


def campaign_shortfalls(
    senders: Senders, server_id: int, limits: ServerLimits, hourly_quota: int, allowance: int
) -> Iterator[Shortfall]:
    """What the campaigns that send now leave of a server: none may use it, or only in some hours of the day.

    Without any such campaign nothing is said: there is no mail."""
    users = senders.users(server_id, limits)
    if users is None or senders.campaigns is None:
        return
    campaigns = [campaign for campaign in senders.campaigns if campaign.customer_id in users]
    if not campaigns:
        return
    using = [campaign for campaign in campaigns if not campaign.servers or server_id in campaign.servers]
    if not using:
        step = "add the server to a campaign, or let campaigns use any server"
        yield Shortfall(
            0,
            f"campaign_to_delivery_server, {_ids(campaigns)}",
            "nothing, no campaign that sends now may use it",
            step,
        )
        return
    minutes = reduce(or_, (campaign.minutes() for campaign in using)).bit_count()
    most = hourly_rate(limits, hourly_quota) * minutes // 60
    if minutes < DAY_MINUTES and most < allowance:
        told = f"{most:,} a day, in {minutes / 60:g} hours"
        step = "widen the hours of its campaigns, or lower spread_hours in include/config/mailer.yaml"
        yield Shortfall(most, f"send_between_start and send_between_end, {_ids(using)}", told, step)


def customer_shortfall(
    senders: Senders, users: frozenset[int], allowances: int, servers: int
) -> Shortfall | None:
    """The quotas of the customers that share some servers, against the sum of those servers' allowances."""
    quotas = [senders.customers[user].quota for user in sorted(users)] if senders.customers else []
    known = [quota for quota in quotas if quota is not None]
    if not known or len(known) < len(quotas):
        return None
    most = sum(quota.per_day for quota in known)
    if most >= allowances:
        return None
    who = "customer " if len(users) == 1 else "customers "
    limit = f"{who}{', '.join(map(str, sorted(users)))}: {'; '.join(quota.words for quota in known)}"
    told = f"{most:,} a day for {amount(servers, 'server')} with {allowances:,} in all"
    return Shortfall(most, limit, told, "raise the customer's or its group's sending quota in MailWizz")


def _ids(campaigns: Iterable[LiveCampaign]) -> str:
    ids = sorted(campaign.campaign_id for campaign in campaigns)
    listed = ", ".join(map(str, ids[:5]))
    return (
        f"campaign {listed}" if len(ids) == 1 else f"campaigns {listed}{' and more' if len(ids) > 5 else ''}"
    )
