"""Volumes by mailbox provider: a provider may take a share of a stage, climb some stages behind, or be slowed.

PowerMTA keeps what a provider may not have yet in its queue, and MailWizz cannot send by provider. So where a provider's part
of the mail is greater than its share, the whole volume shrinks with it, and no queue grows."""

from collections.abc import Mapping
from datetime import date, timedelta
from math import ceil

from email_engine.fleet.traffic import Days
from email_engine.warmup.observation import PROVIDER_DAYS
from email_engine.warmup.policy import ProviderLimit, Schedule

MIX_MESSAGES = 100
"""Fewer messages do not tell how an IP's mail is mixed."""
UNBOUND = 10_000_000
"""Stands where a provider's bound ended."""
_STEPS = 20


def provider_mix(providers: Mapping[str, Days], last: date) -> dict[str, float]:
    """Parts of the mail of the last 14 days by provider, rounded up to twentieths; empty when there was too little."""
    first = last - timedelta(days=PROVIDER_DAYS - 1)
    sent = {name: sum(days.between(first, last).sent) for name, days in providers.items()}
    whole = sum(sent.values())
    if whole < MIX_MESSAGES:
        return {}
    return {name: ceil(count / whole * _STEPS) / _STEPS for name, count in sorted(sent.items()) if count}


def stage_volume(
    schedule: Schedule,
    phase: int,
    target: int,
    provider_limits: Mapping[str, ProviderLimit],
    mix: Mapping[str, float],
) -> int:
    """Messages a UTC day of a phase: the stage, at most the target, and so few that no provider gets more than its ladder."""
    whole = min(schedule.stages[phase - 1], target)
    bounds = [
        _rung(schedule, phase, target, provider_limit) / mix[name]
        for name, provider_limit in provider_limits.items()
        if mix.get(name)
    ]
    return max(int(min([whole, *bounds])), 1)


def _rung(schedule: Schedule, phase: int, target: int, provider_limit: ProviderLimit) -> float:
    return min(schedule.stages[max(phase - 1 - provider_limit.lag, 0)], target) * provider_limit.share


def slowed(volume: int, mix: Mapping[str, float], throttle_factors: Mapping[str, float]) -> int:
    """What is left of a volume when some providers, or all (`*`), are slowed; at least 1 of what was more than 0."""
    kept = 1 - sum(
        min(mix.get(name, 0.0), 1.0) * (1 - pace) for name, pace in throttle_factors.items() if name != "*"
    )
    return max(int(volume * max(kept, 0.0) * throttle_factors.get("*", 1.0)), min(volume, 1))


def provider_allowances(
    allowance: int,
    share: int,
    schedule: Schedule,
    phase: int | None,
    target: int,
    provider_limits: Mapping[str, ProviderLimit],
    mix: Mapping[str, float],
    throttle_factors: Mapping[str, float],
) -> dict[str, int]:
    """Messages a UTC day for those providers that may not have the whole `allowance`; `share`: what that was before it was
    slowed.

    `phase`: None for an IP that does not warm, which only `throttle_factors` bound."""
    found: dict[str, int] = {}
    if not allowance:
        return found
    if phase is not None:
        found = {
            name: ceil(_rung(schedule, phase, target, provider_limit))
            for name, provider_limit in provider_limits.items()
        }
    for name, pace in throttle_factors.items():
        if name != "*":
            found[name] = min(found.get(name, allowance), ceil(share * mix.get(name, 1.0) * pace))
    return {name: max(messages, 1) for name, messages in sorted(found.items()) if messages < allowance}
