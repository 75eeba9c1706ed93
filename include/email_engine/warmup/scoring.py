"""What the score of each IP is made of: its own mail, that of its stream and that of its sender elsewhere."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from email_engine.fleet.traffic import Column, Days, sums
from email_engine.reputation.complaints import astray, on_days_of_mail
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
    levels = _levels(observations, counted, judged, policy, day)
    return scores(levels, listed, broken, policy.gates.scored, policy.score)


def _levels(
    observations: Sequence[IpObservation],
    counted: Sequence[Days],
    judged: Sequence[Judged],
    policy: Policy,
    day: date,
) -> npt.NDArray[np.int64]:
    """By IP, gate and level (domain, stream, IP) the bad messages and those that they are of; bounces are those of days that
    nothing excuses."""
    first = day - timedelta(days=policy.score.days - 1)
    parts = [(seen.domain, seen.peers, own) for seen, own in zip(observations, counted, strict=True)]
    every = {id(days): days for levels in parts for days in levels}
    place_of = {name: place for place, name in enumerate(every)}
    places = np.array([place_of[id(days)] for levels in parts for days in levels], np.int64)
    complained_of = _complaints(observations, counted, policy.gates.complaint_days)
    table = _sums_since(first, every.values(), complained_of)[places].reshape(len(parts), 3, 4)
    failed, sent, complained, blocked = np.moveaxis(table, 2, 0)
    delivered = sent - failed - blocked
    columns_of = {
        BOUNCES: (failed, sent),
        COMPLAINTS: (np.minimum(complained, delivered), delivered),
        BLOCKS: (blocked, sent),
    }
    found: npt.NDArray[np.int64] = np.stack([np.stack(columns_of[gate], 2) for gate in SCORED], 1)
    for place, verdicts in enumerate(judged):
        if verdicts.excused:
            found[place, SCORED.index(BOUNCES)] -= [
                _unfair(days, first, verdicts.excused) for days in parts[place]
            ]
    return found


def _complaints(
    observations: Sequence[IpObservation], counted: Sequence[Days], late_days: int
) -> dict[int, Column]:
    """By id of days, their complaints on the days of the mail that they are about, where they do not stand there. Reports that come
    while an IP stands still are about mail from before."""
    moved: dict[int, Column] = {}
    for place in astray([seen.days for seen in observations]):
        days, own = observations[place].days, counted[place]
        if own:
            at = days.since(own.day[0])
            moved[id(own)] = on_days_of_mail(days, late_days)[at : at + len(own)]
    others = {id(days): days for seen in observations for days in (seen.domain, seen.peers)}
    around = list(others.values())
    for place in astray(around):
        moved[id(around[place])] = on_days_of_mail(around[place], late_days)
    return moved


def _sums_since(
    first: date, several: Collection[Days], complained_of: Mapping[int, Column]
) -> npt.NDArray[np.int64]:
    """Failed, sent, complained and blocked of each; IPs of one sender share the days of its other streams."""
    columns: list[Column] = []
    for days in several:
        columns += days.failed, days.sent, complained_of.get(id(days), days.complained), days.blocked
    starts = np.repeat(np.array([days.since(first) for days in several], np.int64), 4)
    return sums(columns, starts).reshape(-1, 4)


def _unfair(days: Days, first: date, excused: Collection[date]) -> tuple[int, int]:
    """Bounces and messages of the days that are excused."""
    unfair = [counts for counts in days[days.since(first) :] if counts.day in excused]
    return sum(counts.bounced - counts.blocked for counts in unfair), sum(counts.sent for counts in unfair)
