"""Volumes by mailbox provider: a provider may take a share of a stage, climb some stages behind, or be slowed.

PowerMTA keeps what a provider may not have yet in its queue, and MailWizz cannot send by provider. So where a provider's part
of the mail is greater than its share, the whole volume shrinks with it, and no queue grows."""

from collections.abc import Mapping
from datetime import date, timedelta
from math import ceil

import numpy as np

from email_engine.fleet.traffic import Days
from email_engine.reputation.provider_days import ProviderDays
from email_engine.warmup.observation import PROVIDER_DAYS
from email_engine.warmup.policy import ProviderLimit, Schedule

WHOLE = "*"
"""Under this name: all of an IP's mail."""

SUSPENDED = 0.0
"""The throttle factor of a provider whose queues are paused for the IP."""
PROBING = 0.01
"""That of a provider which gets the policy's few messages a day, to see whether it takes them."""
MIX_MESSAGES = 100
"""Fewer messages do not tell how an IP's mail is mixed."""
UNBOUND = 10_000_000
"""Stands where a provider's bound ended."""
_STEPS = 20
SMALLEST_PART = 1 / (2 * _STEPS)
"""What a provider may have at most whose part is rounded to nothing."""


def provider_mix(providers: Mapping[str, Days], last: date) -> dict[str, float]:
    """Parts of the mail of the last 14 days by provider, in twentieths that sum to 1 (largest remainder; a small provider's may
    be 0); empty when there was too little."""
    return provider_mixes(ProviderDays([providers]), last)[0]


def provider_mixes(rows: ProviderDays, last: date) -> list[dict[str, float]]:
    """The same of each IP of a fleet."""
    first = last - timedelta(days=PROVIDER_DAYS - 1)
    sent = rows.between(rows.table("sent"), first, last).sum(1, keepdims=True)
    whole = rows.together(sent)[:, 0]
    mixed = np.flatnonzero((sent[:, 0] > 0) & (whole >= MIX_MESSAGES)[rows.places])
    place = rows.places[mixed]
    parts = sent[mixed, 0] * _STEPS / whole[place]
    steps = parts.astype(np.int64)
    left = _STEPS - np.bincount(place, steps, len(whole))
    by_remainder = np.lexsort((steps - parts, place))
    rank = np.arange(len(place)) - np.searchsorted(place, place)
    steps[by_remainder] += rank < left[place]
    found: list[dict[str, float]] = [{} for _ in whole]
    for row, ip, part in zip(mixed.tolist(), place.tolist(), (steps / _STEPS).tolist(), strict=True):
        found[ip][rows.name[row]] = part
    return found


def stage_volume(
    schedule: Schedule,
    phase: int,
    target: int,
    provider_limits: Mapping[str, ProviderLimit],
    mix: Mapping[str, float],
) -> int:
    """Messages a UTC day of a phase: the stage, at most the target, and so few that no provider gets more than its ladder."""
    least: float = min(schedule.stages[phase - 1], target)
    for name, part in mix.items():
        provider_limit = provider_limits.get(name)
        if part and provider_limit is not None:
            least = min(least, _rung(schedule, phase, target, provider_limit) / part)
    return max(int(least), 1)


def _rung(schedule: Schedule, phase: int, target: int, provider_limit: ProviderLimit) -> float:
    return min(schedule.stages[max(phase - 1 - provider_limit.lag, 0)], target) * provider_limit.share


def kept_rate(mix: Mapping[str, float], throttle_factors: Mapping[str, float], least: float) -> float:
    """Part of a volume that is left (0..1) when some providers, or all (`*`), are slowed; never below the policy's `least`."""
    taken = sum(
        mix.get(name, 0.0) * (1 - factor) for name, factor in throttle_factors.items() if name != WHOLE
    )
    return max((1 - taken) * throttle_factors.get(WHOLE, 1.0), least)


def slowed(volume: int, mix: Mapping[str, float], throttle_factors: Mapping[str, float], least: float) -> int:
    """What is left of a volume; at least 1 of what was more than 0."""
    return max(round(volume * kept_rate(mix, throttle_factors, least)), min(volume, 1))


def provider_allowances(
    allowance: int,
    share: int,
    schedule: Schedule,
    phase: int | None,
    target: int,
    provider_limits: Mapping[str, ProviderLimit],
    mix: Mapping[str, float],
    throttle_factors: Mapping[str, float],
    probe: int,
) -> dict[str, int]:
    """Messages a UTC day for those providers that may not have the whole `allowance`; `share`: what that was before it was
    slowed; 0 for a suspended one, at most `probe` for one that is probed.

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
        if name != WHOLE:
            part = max(mix.get(name, 1.0), SMALLEST_PART)
            most = probe if pace == PROBING else ceil(share * part * pace)
            found[name] = min(found.get(name, allowance), most)
    return {
        name: 0 if throttle_factors.get(name) == SUSPENDED else max(messages, 1)
        for name, messages in sorted(found.items())
        if messages < allowance
    }
