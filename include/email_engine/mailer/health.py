"""Is a MailWizz well? One look at its database to findings; what could not be read is unknown, and unknown is never good."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from email_engine.mailer.health_policy import EVERYWHERE, SEND, MailwizzHealthPolicy
from email_engine.mailer.silent_campaigns import (
    CampaignsSeen,
    SilentCampaign,
    SilentCause,
    judge_campaigns,
)
from email_engine.mailer.unreadable import Unreadable
from email_engine.plural import amount

NAMED = 5
MASKS = frozenset({SilentCause.CRON, SilentCause.OUT_OF_HOURS})
"""Causes that end by themselves or with another finding, and behind which any other one may stand."""
EXPECTED = frozenset({SilentCause.QUOTAS})
"""While IPs warm up, their allowances are used up before the day ends: an incident, and nobody is called for it."""
AHEAD = timedelta(minutes=1)


class MailwizzLevel(StrEnum):
    """`not-asked`: this MailWizz has no such table, or does not run such a command."""

    GOOD = "good"
    NOT_ASKED = "not-asked"
    UNKNOWN = "unknown"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class MailwizzFinding:
    """One check. `title` (with `allowed` and `next_step`): what happened, where it is an incident; `details`: a line a thing."""

    check: str
    level: MailwizzLevel
    told: str
    title: str = ""
    allowed: str = ""
    next_step: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandRuns:
    """Of one console command: when its newest run was started, and whether that run still goes on."""

    started: datetime
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class CronsSeen:
    """`runs` by command; `since`: when MailWizz noted its first command, None where it does not tell."""

    runs: Mapping[str, CommandRuns] = field(default_factory=dict)
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class MailwizzFacts:
    """One look. `now`: the database's own clock (aware UTC); `offset`: how far it is ahead of the engine's; `latency`: of one
    round trip."""

    now: datetime
    offset: timedelta
    latency: timedelta
    crons: CronsSeen | Unreadable
    campaigns: CampaignsSeen | Unreadable


def judge_mailwizz(facts: MailwizzFacts, policy: MailwizzHealthPolicy) -> tuple[MailwizzFinding, ...]:
    """Every check once."""
    crons = tuple(_crons(facts, policy))
    still = next((found.level for found in crons if found.check == f"cron {SEND}"), MailwizzLevel.UNKNOWN)
    return (
        _clock(facts, policy),
        _latency(facts, policy),
        *crons,
        *_campaigns(facts, policy, cron_stands_still=still is MailwizzLevel.CRITICAL),
        _queue(facts),
    )


def _clock(facts: MailwizzFacts, policy: MailwizzHealthPolicy) -> MailwizzFinding:
    off = abs(facts.offset)
    told = f"its database's clock is {_span(off)} {'ahead of' if facts.offset > timedelta(0) else 'behind'} the engine's"
    if off <= policy.clock:
        return MailwizzFinding("clock", MailwizzLevel.GOOD, told)
    return MailwizzFinding(
        "clock", MailwizzLevel.WARNING, told, "the clock of its database is off",
        f"a clock within {_span(policy.clock)} of the engine's",
        "set the clocks of both hosts (NTP): quotas follow the UTC day, and both must agree on it",
    )  # fmt: skip


def _latency(facts: MailwizzFacts, policy: MailwizzHealthPolicy) -> MailwizzFinding:
    told = f"one round trip to its database takes {facts.latency / timedelta(milliseconds=1):,.0f} ms"
    if facts.latency <= policy.latency:
        return MailwizzFinding("latency", MailwizzLevel.GOOD, told)
    return MailwizzFinding(
        "latency", MailwizzLevel.WARNING, told, "its database answers slowly",
        f"{policy.latency / timedelta(milliseconds=1):,.0f} ms or less",
        "see the database's load and the network between both",
    )  # fmt: skip


def _crons(facts: MailwizzFacts, policy: MailwizzHealthPolicy) -> Iterator[MailwizzFinding]:
    for command, limit in policy.not_started.items():
        check = f"cron {command}"
        if isinstance(facts.crons, Unreadable):
            yield _not_read(check, facts.crons)
        elif command in facts.crons.runs:
            yield _command(check, command, facts.crons.runs[command], limit, facts.now, policy)
        else:
            yield _never_run(check, command, limit, facts)


def _command(
    check: str, command: str, runs: CommandRuns, limit: timedelta, now: datetime, policy: MailwizzHealthPolicy
) -> MailwizzFinding:
    age = now - runs.started
    told = f"{command} was started {_span(age)} ago" + (", and that run goes on" if runs.unfinished else "")
    if age < -AHEAD:
        told = f"the newest run of {command} lies {_span(-age)} ahead of the database's clock"
        return MailwizzFinding(check, MailwizzLevel.UNKNOWN, told)
    if age > limit:
        level = MailwizzLevel.CRITICAL if command == SEND else MailwizzLevel.WARNING
        return MailwizzFinding(
            check, level, told, f"{command} does not run", f"a start every {_span(limit)} at least", _crontab(command)
        )  # fmt: skip
    if runs.unfinished and age > policy.unfinished:
        return MailwizzFinding(
            check, MailwizzLevel.WARNING, told, f"{command} does not come to its end",
            f"an end within {_span(policy.unfinished)}", f"see whether its process still lives, and end it: {_crontab(command)}",
        )  # fmt: skip
    return MailwizzFinding(check, MailwizzLevel.GOOD, told)


def _never_run(check: str, command: str, limit: timedelta, facts: MailwizzFacts) -> MailwizzFinding:
    told = f"no run of {command} is noted"
    if command not in EVERYWHERE:
        return MailwizzFinding(check, MailwizzLevel.NOT_ASKED, f"{told}: it is not used here")
    since = facts.crons.since if isinstance(facts.crons, CronsSeen) else None
    if since is None or facts.now - since <= limit:
        return MailwizzFinding(check, MailwizzLevel.UNKNOWN, told)
    level = MailwizzLevel.CRITICAL if command == SEND else MailwizzLevel.WARNING
    return MailwizzFinding(
        check, level, f"{told}, and others were {_span(facts.now - since)} ago", f"{command} does not run",
        f"a start every {_span(limit)} at least", _crontab(command),
    )  # fmt: skip


def _crontab(command: str) -> str:
    return f"see MailWizz's crontab, and run `php apps/console/console.php {command}` as its user"


def _campaigns(
    facts: MailwizzFacts, policy: MailwizzHealthPolicy, *, cron_stands_still: bool
) -> Iterator[MailwizzFinding]:
    seen = facts.campaigns
    if isinstance(seen, Unreadable):
        for cause in SilentCause:
            yield _not_read(f"campaigns {cause}", seen)
        return
    silent = judge_campaigns(seen, facts.now, policy.silent, cron_stands_still=cron_stands_still)
    masked = any(campaign.cause in MASKS for campaign in silent)
    doubts = tuple(dict.fromkeys(doubt for campaign in silent for doubt in campaign.doubts))
    for cause in SilentCause:
        mine = [campaign for campaign in silent if campaign.cause is cause]
        if mine:
            yield _silent(cause, mine)
        elif cause not in MASKS and (masked or doubts or seen.unproven):
            yield MailwizzFinding(f"campaigns {cause}", MailwizzLevel.UNKNOWN, _why_unknown(doubts, seen))
        else:
            yield MailwizzFinding(f"campaigns {cause}", MailwizzLevel.GOOD, "no campaign is silent for this")


def _why_unknown(doubts: tuple[str, ...], seen: CampaignsSeen) -> str:
    if doubts:
        return "; ".join(doubts)
    if seen.unproven:
        return f"when {amount(seen.unproven, 'campaign')} last sent is not known"
    return "another cause stands before it"


def _silent(cause: SilentCause, campaigns: list[SilentCampaign]) -> MailwizzFinding:
    lines = tuple(f"campaign {each.campaign_id}: {each.told}" for each in campaigns)
    shown = lines if len(lines) <= NAMED else (*lines[:NAMED], f"and {len(lines) - NAMED} more")
    told = f"{amount(len(campaigns), 'campaign')} {'sends' if len(campaigns) == 1 else 'send'} nothing: {cause.words}"
    check, words = f"campaigns {cause}", f"{told} ({'; '.join(shown)})"
    if cause in MASKS:
        return MailwizzFinding(check, MailwizzLevel.INFO, words)
    level = MailwizzLevel.INFO if cause in EXPECTED else MailwizzLevel.WARNING
    return MailwizzFinding(
        check, level, words, told, "mail of every campaign that is due", cause.next_step, shown
    )


def _queue(facts: MailwizzFacts) -> MailwizzFinding:
    seen = facts.campaigns
    if isinstance(seen, Unreadable):
        return _not_read("queue", seen)
    told = f"{amount(len(seen.due), 'campaign')} due"
    if seen.waiting is not None:
        told += f", about {seen.waiting:,} messages still to hand over"
    if seen.uncounted:
        told += f"; {amount(seen.uncounted, 'campaign')} not counted"
    return MailwizzFinding("queue", MailwizzLevel.GOOD, told)


def _not_read(check: str, unreadable: Unreadable) -> MailwizzFinding:
    level = MailwizzLevel.NOT_ASKED if unreadable.absent else MailwizzLevel.UNKNOWN
    return MailwizzFinding(check, level, unreadable.told, next_step=unreadable.next_step)


def _span(length: timedelta) -> str:
    """`8 s`, `12 min`, `26 h`."""
    seconds = int(abs(length).total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3 * 3600 else f"{seconds // 3600} h"
