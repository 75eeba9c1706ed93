"""Can the signals about an IP's closed day be trusted? Nothing advances and no speed comes back on those that cannot."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from email_engine.plural import amount
from email_engine.warmup.observation import IpObservation, midnight
from email_engine.warmup.parked import obstacle
from email_engine.warmup.policy import Policy

OVERRUN = "overrun"
SMALL_OVERRUN = 20
"""So many messages above an allowance are no overrun: what was on its way when it changed."""


@dataclass(frozen=True, slots=True)
class SignalProblem:
    """`cause`: one word or two for each kind; `reason`: a clause."""

    cause: str
    reason: str


def signal_problem(seen: IpObservation, policy: Policy, day: date, mailed: bool) -> SignalProblem | None:
    """The first reason to advance nothing at the end of the UTC `day`; None if there is none.

    `mailed`: did it send anything that counts now? One that never had an allowance and never sent has no accounting yet."""
    if blocked := obstacle(seen):
        return SignalProblem("obstacle", blocked)
    if seen.trouble:
        return SignalProblem("bad signals", seen.trouble)
    if not seen.given and not mailed:
        return None
    return _overrun(seen, policy, day) or _stale(seen, policy, day)


def _overrun(seen: IpObservation, policy: Policy, day: date) -> SignalProblem | None:
    sent = seen.days.sent_on(day)
    if not (seen.given or seen.ip.dealt):
        return None
    if sent < seen.given * policy.overrun_rate or sent <= seen.given + SMALL_OVERRUN:
        return None
    told = f"it sent {amount(sent, 'message')} on {day} where {seen.given} were allowed: its mail does not go by the engine's caps"
    return SignalProblem(OVERRUN, told)


@lru_cache(maxsize=100)
def _needed(day: date, lag_hours: int) -> datetime:
    """Up to when accounting must be known for the day to be."""
    return midnight(day + timedelta(days=1)) - timedelta(hours=lag_hours)


def _stale(seen: IpObservation, policy: Policy, day: date) -> SignalProblem | None:
    newest = seen.fresh_through
    if newest is not None and newest >= _needed(day, policy.accounting_lag_hours):
        return None
    age = f"is known up to {newest:%Y-%m-%d %H:%M} UTC only" if newest else "never came"
    return SignalProblem("accounting", f"the accounting of {seen.ip.mta_host} {age}")
