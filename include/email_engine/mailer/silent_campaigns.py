"""Campaigns that should send and send nothing, and why: six causes in the order in which they are looked at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from email_engine.mailer.limits import ALL, CAMPAIGNS
from email_engine.mailer.model import DeliveryServer
from email_engine.mailer.senders import NOBODY_KNOWN, Customer, CustomerQuota, LiveCampaign, Senders
from email_engine.mailer.unreadable import Unreadable

NAMED = 4


class SilentCause(StrEnum):
    """Why a campaign sends nothing."""

    CRON = "cron"
    OUT_OF_HOURS = "out-of-hours"
    CUSTOMER = "customer"
    SERVERS = "servers"
    QUOTAS = "server-quotas"
    RECIPIENTS = "recipients"
    NOT_KNOWN = "not-known"

    @property
    def words(self) -> str:
        return _WORDS[self][0]

    @property
    def next_step(self) -> str:
        return _WORDS[self][1]


_WORDS = {
    SilentCause.CRON: ("send-campaigns is not started", "see the crontab of MailWizz"),
    SilentCause.OUT_OF_HOURS: ("its hours have not come", "nothing; it goes on in its hours"),
    SilentCause.CUSTOMER: (
        "the customer is inactive or its quota is used up",
        "activate the customer in MailWizz, raise its group's sending quota, or wait for the next span",
    ),
    SilentCause.SERVERS: (
        "no delivery server that they may use runs",
        "enable one (what the engine disabled stands in `email-engine fleet status`), or give the campaign another",
    ),
    SilentCause.QUOTAS: (
        "the quotas of all their delivery servers are used up",
        "wait for the next hour or UTC day; more than the allowances of their IPs is not to be had",
    ),
    SilentCause.RECIPIENTS: (
        "nobody is left to send to",
        "see the campaign's list in MailWizz, or end the campaign",
    ),
    SilentCause.NOT_KNOWN: (
        "the cause is not known",
        "read apps/common/runtime/application.log of MailWizz, and the campaign's own delivery logs",
    ),
}


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """Messages that a delivery server was handed in the UTC hour and the UTC day that run."""

    hour: int = 0
    day: int = 0


@dataclass(frozen=True, slots=True)
class Recipients:
    """Of a campaign's list: confirmed subscribers, and those of them that it has not been sent to; `capped`: only so many were
    looked at, and there are more."""

    confirmed: int
    left: int
    capped: bool = False


@dataclass(frozen=True, slots=True)
class DueCampaign:
    """A campaign whose time to send has come at `since` (None: not told). `newest`: its newest delivery log row; `proven`: is
    that surely the newest? `segmented`: it is for a part of its list."""

    campaign: LiveCampaign
    since: datetime | None = None
    newest: datetime | None = None
    proven: bool = True
    recipients: Recipients | Unreadable | None = None
    segmented: bool = False

    def silent(self, now: datetime, after: timedelta) -> bool:
        """Has it handed over nothing for longer than `after`, and was due all the time?"""
        moments = [moment for moment in (self.since, self.newest) if moment is not None]
        return self.proven and all(now - moment > after for moment in moments)


@dataclass(frozen=True)
class CampaignsSeen:
    """`due`: the campaigns that should send now. `usage` by server id, `customer_usage` by customer: each quota with the
    messages that counted against it; both only for what silent campaigns use. `waiting`: messages still to hand over, of those
    that could be counted; `uncounted`: campaigns that could not."""

    due: tuple[DueCampaign, ...] = ()
    servers: tuple[DeliveryServer, ...] | Unreadable = ()
    senders: Senders = NOBODY_KNOWN
    usage: Mapping[int, WindowUsage] | Unreadable = field(default_factory=dict)
    customer_usage: Mapping[int, tuple[tuple[CustomerQuota, int], ...]] | Unreadable = field(
        default_factory=dict
    )
    waiting: int | None = None
    uncounted: int = 0

    @property
    def unproven(self) -> int:
        """Campaigns of which it is not known when they last sent."""
        return sum(not each.proven for each in self.due)


@dataclass(frozen=True, slots=True)
class SilentCampaign:
    """`doubts`: what could not be read, where that may hide the cause."""

    campaign_id: int
    cause: SilentCause
    told: str
    doubts: tuple[str, ...] = ()


def judge_campaigns(
    seen: CampaignsSeen, now: datetime, silent_after: timedelta, *, cron_stands_still: bool
) -> tuple[SilentCampaign, ...]:
    """The first cause that holds for each silent campaign. `now`: the database's clock (aware UTC)."""
    return tuple(
        _judge(each, seen, now, silent_after, cron_stands_still)
        for each in seen.due
        if each.silent(now, silent_after)
    )


def _judge(
    due: DueCampaign, seen: CampaignsSeen, now: datetime, silent_after: timedelta, cron_stands_still: bool
) -> SilentCampaign:
    campaign = due.campaign
    doubts: list[str] = []

    def found(cause: SilentCause, told: str) -> SilentCampaign:
        return SilentCampaign(campaign.campaign_id, cause, told, tuple(doubts))

    if cron_stands_still:
        return found(SilentCause.CRON, "send-campaigns stands still")
    if not all(_open(campaign, moment) for moment in (now, now - silent_after)):
        return found(
            SilentCause.OUT_OF_HOURS, f"it sends from {campaign.start:%H:%M} to {campaign.end:%H:%M}"
        )
    for cause, answer in (
        (SilentCause.CUSTOMER, _customer(campaign, seen)),
        (SilentCause.SERVERS, _servers(campaign, seen)),
        (SilentCause.QUOTAS, _quotas(campaign, seen)),
        (SilentCause.RECIPIENTS, _recipients(due)),
    ):
        if isinstance(answer, Unreadable):
            doubts.append(answer.told)
        elif answer:
            return found(cause, answer)
    newest = (
        f"its newest delivery was at {due.newest:%Y-%m-%d %H:%M} UTC"
        if due.newest
        else "it has sent nothing yet"
    )
    return found(SilentCause.NOT_KNOWN, f"{newest}{''.join(f'; {doubt}' for doubt in doubts)}")


def _open(campaign: LiveCampaign, moment: datetime) -> bool:
    return bool(campaign.minutes() >> (moment.hour * 60 + moment.minute) & 1)


_Answer = str | None | Unreadable
"""In words what is wrong; None: nothing; or it could not be read."""


def _customer(campaign: LiveCampaign, seen: CampaignsSeen) -> _Answer:
    if seen.senders.customers is None:
        return Unreadable("the customers cannot be read with this login")
    customer: Customer | None = seen.senders.customers.get(campaign.customer_id)
    if customer is None or not customer.active:
        return f"customer {campaign.customer_id} is not active"
    if isinstance(seen.customer_usage, Unreadable):
        return seen.customer_usage if customer.quotas else None
    for quota, used in seen.customer_usage.get(campaign.customer_id, ()):
        if used >= quota.most:
            return f"customer {campaign.customer_id} has used up {quota.words}"
    return None


def allowed_servers(
    campaign: LiveCampaign, servers: Sequence[DeliveryServer], senders: Senders
) -> tuple[DeliveryServer, ...] | None:
    """The delivery servers that MailWizz may pick for a campaign, running or not: its own; else the customer's running ones; else
    those of its group; else all of the installation's. None: not known."""
    if campaign.servers:
        return tuple(server for server in servers if server.server_id in campaign.servers)
    own = tuple(server for server in servers if server.limits.customer_id == campaign.customer_id)
    if any(server.setting.runs for server in own):
        return own
    if senders.customers is None or senders.group_servers is None:
        return None
    customer = senders.customers.get(campaign.customer_id)
    named = senders.group_servers.get(customer.group_id or 0) if customer else None
    common = tuple(server for server in servers if server.limits.customer_id is None)
    if named is not None:
        common = tuple(server for server in common if server.server_id in named)
    return (*own, *common)


def _servers(campaign: LiveCampaign, seen: CampaignsSeen) -> _Answer:
    if isinstance(seen.servers, Unreadable):
        return seen.servers
    allowed = allowed_servers(campaign, seen.servers, seen.senders)
    if allowed is None:
        return Unreadable("which delivery servers its customer may use cannot be read with this login")
    if any(why_not_used(server) is None for server in allowed):
        return None
    told = [f"server {server.server_id} {why_not_used(server)}" for server in allowed]
    more = [f"and {len(told) - NAMED} more"] if len(told) > NAMED else []
    return ", ".join([*told[:NAMED], *more]) or "there is none that it may use"


def why_not_used(server: DeliveryServer) -> str | None:
    """Why MailWizz sends no campaign over a server; None where it does."""
    if not server.setting.runs:
        return f"is {server.setting.status}"
    if server.limits.probability <= 0:
        return "has probability 0"
    if not server.limits.use_for & {ALL, CAMPAIGNS}:
        return f"is for {' and '.join(sorted(server.limits.use_for)) or 'nothing'}"
    return None


def _quotas(campaign: LiveCampaign, seen: CampaignsSeen) -> _Answer:
    if isinstance(seen.servers, Unreadable):
        return None
    allowed = allowed_servers(campaign, seen.servers, seen.senders) or ()
    used = [server for server in allowed if why_not_used(server) is None]
    if not used or not all(server.setting.hourly_quota or server.setting.daily_quota for server in used):
        return None
    if isinstance(seen.usage, Unreadable):
        return seen.usage
    told = []
    for server in used:
        full = next(_used_up(server, seen.usage.get(server.server_id, WindowUsage())), None)
        if full is None:
            return None
        told.append(f"server {server.server_id} has {full}")
    return ", ".join(told[:NAMED]) + (f", and {len(told) - NAMED} more" if len(told) > NAMED else "")


def _used_up(server: DeliveryServer, usage: WindowUsage) -> Iterator[str]:
    for quota, sent, span in (
        (server.setting.daily_quota, usage.day, "day"),
        (server.setting.hourly_quota, usage.hour, "hour"),
    ):
        if 0 < quota <= sent:
            yield f"{sent:,} of {quota:,} this {span}"


def _recipients(due: DueCampaign) -> _Answer:
    found = due.recipients
    if found is None or isinstance(found, Unreadable):
        return found
    if not found.confirmed:
        return "its list has no confirmed subscriber"
    if not found.left and not found.capped and not due.segmented:
        return f"all {found.confirmed:,} confirmed subscribers have it"
    return None
