"""What an adopted IP may send on the days to come, if every day is sent and good."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

from email_engine.adoption.draft import Sender
from email_engine.fleet.model import IpState
from email_engine.mailer.limits import DAY_HOURS, ServerLimits, hourly_rate
from email_engine.mailer.policy import QuotaPolicy
from email_engine.mailer.senders import LiveCampaign
from email_engine.warmup.growth import WEEK
from email_engine.warmup.policy import Schedule


@dataclass(frozen=True, slots=True)
class ServerOutlook:
    """One IP with its delivery server; `allowances`: messages a UTC day, from the first day on; the last one stays.
    `known`: its IP's state is."""

    server_id: int
    allowances: tuple[int, ...]
    limits: ServerLimits
    users: frozenset[int] | None
    known: bool = True

    def carries(self, campaign: LiveCampaign) -> bool:
        """MailWizz may hand the campaign to it."""
        if campaign.servers and self.server_id not in campaign.servers:
            return False
        return self.users is None or campaign.customer_id in self.users

    def on(self, number: int) -> int:
        return self.allowances[min(number, len(self.allowances) - 1)]

    def through(self, number: int, minutes: int, policy: QuotaPolicy) -> int:
        """Messages of the day that campaigns can hand over which send in so many minutes of it."""
        allowance = self.on(number)
        if allowance <= 0:
            return 0
        rate = hourly_rate(self.limits, policy.hourly_quota(allowance))
        most = min(allowance, rate * minutes // 60)
        for quota, windows in (
            (self.limits.second_quota, 86_400),
            (self.limits.minute_quota, DAY_HOURS * 60),
        ):
            if quota > 0:
                most = min(most, quota * windows)
        return 0 if self.limits.probability <= 0 else most


def allowances_to_come(sender: Sender, schedule: Schedule, most_days: int) -> tuple[int, ...]:
    """From the first day on; a standby IP and one whose state nobody knows has none."""
    target = sender.target if isinstance(sender.target, int) else schedule.stages[-1]
    if sender.state is IpState.ACTIVE:
        return (target,)
    if sender.state is not IpState.WARMING:
        return (0,)
    days: list[int] = []
    for volume in _volumes(sender.phase, target, schedule):
        days.append(volume)
        if volume >= target or len(days) >= most_days:
            break
    return tuple(days)


def _volumes(phase: int, target: int, schedule: Schedule) -> Iterator[int]:
    stages = schedule.stages[phase - 1 :] or schedule.stages[-1:]
    for stage in stages:
        yield from repeat(min(stage, target), schedule.sent_days)
    volume = stages[-1]
    while True:
        volume = min(2 * volume, target)
        yield from repeat(volume, WEEK)
