"""What the score of each IP is made of: its own mail, that of its stream and that of its sender elsewhere."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from email_engine.fleet.traffic import Column, Days, sums
from email_engine.reputation.gates import BLOCKS, BOUNCES, COMPLAINTS, SCORED, Judged
from email_engine.reputation.score import Score, scores
from email_engine.warmup.observation import DnsHealth, IpObservation
from email_engine.warmup.policy import Policy


def score_fleet(
    observations: Sequence[IpObservation],
    counted: Sequence[Days],
    judged: Sequence[Judged],
    policy: Policy,
    day: date,
) -> list[Score]:
    """The score of each IP at the end of the UTC `day`; `counted`: the days that count for or against it."""
    listed = [bool(seen.ip.blacklisted_on) for seen in observations]
    broken = [seen.dns is DnsHealth.BROKEN for seen in observations]
    levels = _levels(observations, counted, judged, policy.score.days, day)
    return scores(levels, listed, broken, policy.gates.scored, policy.score)


def _levels(
    observations: Sequence[IpObservation],
    counted: Sequence[Days],
    judged: Sequence[Judged],
    score_days: int,
    day: date,
) -> npt.NDArray[np.int64]:
    """By IP, gate and level (domain, stream, IP) the bad messages and those that they are of; bounces are those of days that
    nothing excuses."""
    first = day - timedelta(days=score_days - 1)
    parts = [(seen.domain, seen.peers, own) for seen, own in zip(observations, counted, strict=True)]
    columns: list[Column] = []
    for levels in parts:
        for days in levels:
            at = days.since(first)
            columns += days.failed[at:], days.sent[at:], days.complained[at:], days.blocked[at:]
    failed, sent, complained, blocked = np.moveaxis(sums(columns).reshape(len(parts), 3, 4), 2, 0)
    delivered = sent - failed - blocked
    columns_of = {
        BOUNCES: (failed, sent),
        COMPLAINTS: (np.minimum(complained, delivered), delivered),
        BLOCKS: (blocked, sent),
    }
    found = np.stack([np.stack(columns_of[gate], 2) for gate in SCORED], 1)
    for place, verdicts in enumerate(judged):
        if verdicts.excused:
            found[place, SCORED.index(BOUNCES)] -= [
                _unfair(days, first, verdicts.excused) for days in parts[place]
            ]
    return found


def _unfair(days: Days, first: date, excused: Collection[date]) -> tuple[int, int]:
    """Bounces and messages of the days that are excused."""
    unfair = [counts for counts in days[days.since(first) :] if counts.day in excused]
    return sum(counts.bounced - counts.blocked for counts in unfair), sum(counts.sent for counts in unfair)
