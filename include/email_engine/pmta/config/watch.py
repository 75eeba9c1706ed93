"""Whether a host is well after a deployment: what its queues did before and what they do since. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from email_engine.errors import EngineError

NAMED = 5
IN_A_ROW = 2
"""So many samples in a row must be bad before the window ends; at its end the last one decides."""


class WorseThanBefore(EngineError):
    """A host did worse after a deployment, which was undone."""


class WatchVerdict(StrEnum):
    WELL = "well"
    WORSE = "worse"
    GO_ON = "go_on"


@dataclass(frozen=True, slots=True)
class WatchPolicy:
    """deploy.yaml, section `watch`.

    Args:
        minutes: length of the window; 0: nothing is watched.
        sample_seconds: how often the host is looked at.
        queue_factor_percent: queued recipients as a share of those before that is too much, if less leaves as well.
        queue_minimum: queued recipients below which no growth and no share counts.
        backoff_queues: so many queues that newly went to backoff mode are too many.
        deferral_percent: share of queued recipients in queues that wait for another attempt, above the share before.
    """

    minutes: float
    sample_seconds: int
    queue_factor_percent: int
    queue_minimum: int
    backoff_queues: int
    deferral_percent: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a host's queues that are not paused and whose virtual MTAs the deployment did not slow down.

    `waiting`: recipients in those of them in backoff mode or with a time of their next attempt. `sent`: recipients that
    left since PowerMTA started, `sent_last_hour` in the hour before; None where the host does not tell."""

    at: datetime
    recipients: int
    waiting: int
    backoff: frozenset[str]
    sent: int | None
    sent_last_hour: int | None

    def document(self) -> dict[str, Any]:
        """Plain JSON for table `deployments`."""
        return {
            "at": self.at.isoformat(),
            "recipients": self.recipients,
            "waiting": self.waiting,
            "backoff": sorted(self.backoff),
            "sent": self.sent,
            "sent_last_hour": self.sent_last_hour,
        }


def read_sample(document: Mapping[str, Any]) -> Sample:
    """The opposite of `Sample.document`."""
    values = dict(document)
    values |= {"at": datetime.fromisoformat(values["at"]), "backoff": frozenset(values["backoff"])}
    return Sample(**values)


@dataclass(frozen=True, slots=True)
class WatchJudgement:
    """`reasons`: the numbers behind a `worse`, for people."""

    verdict: WatchVerdict
    reasons: tuple[str, ...] = ()


def judge_watch(
    baseline: Sample | None, samples: Sequence[Sample | None], policy: WatchPolicy, *, over: bool
) -> WatchJudgement:
    """Judges what was seen since the deployment. A sample is None where the host could not be read.

    Worse: `IN_A_ROW` bad samples, or a bad or unreadable last one when the window is `over`. Well only when it is over and
    the host was read at its end: what nobody saw is not good."""
    if baseline is None:
        return WatchJudgement(WatchVerdict.WORSE, ("nobody knows what the host did before",))
    found = [None if sample is None else _complaints(baseline, sample, policy) for sample in samples]
    last = found[-IN_A_ROW:]
    if len(last) == IN_A_ROW and all(last):
        return WatchJudgement(WatchVerdict.WORSE, last[-1] or ())
    if not over:
        return WatchJudgement(WatchVerdict.GO_ON)
    if not found or found[-1] is None:
        return WatchJudgement(WatchVerdict.WORSE, ("the host could not be read at the end of the window",))
    return WatchJudgement(WatchVerdict.WORSE, found[-1]) if found[-1] else WatchJudgement(WatchVerdict.WELL)


def _complaints(before: Sample, now: Sample, policy: WatchPolicy) -> tuple[str, ...]:
    checks = (_growth(before, now, policy), _backoff(before, now, policy), _deferrals(before, now, policy))
    return tuple(complaint for complaint in checks if complaint)


def _growth(before: Sample, now: Sample, policy: WatchPolicy) -> str | None:
    """More mail waits and less leaves: a campaign that begins fills queues too, but then more leaves."""
    limit = max(policy.queue_minimum, before.recipients * policy.queue_factor_percent // 100)
    if now.recipients <= limit:
        return None
    pace, usual = _per_hour(before, now), before.sent_last_hour
    if pace is not None and usual is not None and pace > usual:
        return None
    said = "unknown" if pace is None else f"{pace} an hour"
    asked = "unknown" if usual is None else f"{usual} an hour"
    return (
        f"{now.recipients} recipients are queued ({before.recipients} before, limit {limit}) "
        f"and {said} leave ({asked} before)"
    )


def _per_hour(before: Sample, now: Sample) -> int | None:
    seconds = (now.at - before.at).total_seconds()
    if before.sent is None or now.sent is None or now.sent < before.sent or seconds <= 0:
        return None
    return int((now.sent - before.sent) * 3600 / seconds)


def _backoff(before: Sample, now: Sample, policy: WatchPolicy) -> str | None:
    new = sorted(now.backoff - before.backoff)
    if len(new) < policy.backoff_queues:
        return None
    named = ", ".join(new[:NAMED]) + (" ..." if len(new) > NAMED else "")
    return f"{len(new)} queues newly in backoff mode (limit {policy.backoff_queues}): {named}"


def _deferrals(before: Sample, now: Sample, policy: WatchPolicy) -> str | None:
    if now.recipients < policy.queue_minimum:
        return None
    share, usual = _share(now), _share(before)
    if share <= usual + policy.deferral_percent:
        return None
    return (
        f"{share} % of the queued recipients wait for another attempt ({usual} % before, "
        f"limit {policy.deferral_percent} points more)"
    )


def _share(sample: Sample) -> int:
    return 100 * sample.waiting // sample.recipients if sample.recipients else 0
