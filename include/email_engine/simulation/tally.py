"""What a policy did to a fleet whose truth is known: the numbers by which policies are compared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from math import ceil
from statistics import median

from email_engine.fleet.model import IpState
from email_engine.simulation.days import IpDay
from email_engine.warmup.observation import WINDOW_DAYS
from email_engine.warmup.proposal import Action
from email_engine.warmup.provider_limits import WHOLE

STOPS = frozenset({Action.PAUSE, Action.QUARANTINE})


@dataclass(frozen=True, slots=True)
class Tally:
    """`warming`: IPs that were ever warming; `sent_days`: of each that graduated, the days on which it really sent its stage.

    `false_stops`: stops by rates of IPs that were not truly bad in the 30 days before; `false_stopped`: how many IPs met one.
    `bad`: IPs that were truly bad on a day on which they sent; `stop_days`: of each that was stopped (or listed) since, days
    from the first such day to the stop, that day included. `withheld`: messages that waited for an IP while a false stop kept
    it at 0 (up to its allowance before): mail that good IPs could not carry. `bad_sent`: messages sent by truly bad IPs.

    `list_stopped`: IPs that a bad list paused with their whole stream, which is held against none of them. `slowed`: IPs that
    their score slowed; `false_slowed`: those of them that were not truly bad in the 30 days before; `provider_slowed`: IPs that
    were slowed at a provider. `good_scores`, `bad_scores`: the last known score of each IP up to its first stop, of those that
    never were bad and of those that were."""

    ips: int
    warming: int
    graduated: int
    sent_days: tuple[int, ...]
    healthy: int
    false_stops: int
    false_stopped: int
    bad: int
    stop_days: tuple[int, ...]
    sent: int
    bounced: int
    complained: int
    withheld: int
    bad_sent: int
    list_stopped: int
    slowed: int
    false_slowed: int
    provider_slowed: int
    good_scores: tuple[int, ...]
    bad_scores: tuple[int, ...]

    @property
    def median_good_score(self) -> float | None:
        return median(self.good_scores) if self.good_scores else None

    @property
    def median_bad_score(self) -> float | None:
        return median(self.bad_scores) if self.bad_scores else None

    @property
    def median_sent_days(self) -> float | None:
        return median(self.sent_days) if self.sent_days else None

    @property
    def median_stop_days(self) -> float | None:
        return median(self.stop_days) if self.stop_days else None


@dataclass(slots=True)
class _One:
    """One IP's story."""

    graduated: bool = False
    warming: bool = False
    sent_days: int = 0
    false_stops: int = 0
    withheld: int = 0
    first_bad: date | None = None
    stop_days: int | None = None
    list_stopped: bool = False
    slowed: bool = False
    false_slowed: bool = False
    provider_slowed: bool = False
    score: int | None = None


def _story(days: Sequence[IpDay], sent_day_rate: float) -> _One:
    one = _One()
    last_bad: date | None = None
    kept_back = 0
    for today in days:
        warming = today.state == IpState.WARMING
        one.warming = one.warming or warming
        if today.bad and today.counts.sent:
            one.first_bad = one.first_bad or today.day
        last_bad = today.day if today.bad else last_bad
        if warming and not one.graduated and today.allowance:
            one.sent_days += today.counts.sent >= ceil(sent_day_rate * today.allowance)
        one.graduated = one.graduated or today.action is Action.GRADUATE
        if kept_back and today.allowance:
            kept_back = 0
        one.withheld += min(today.demand, kept_back)
        stopped = today.action in STOPS and today.blames
        one.list_stopped = one.list_stopped or (today.action in STOPS and not today.blames)
        if one.false_stops == 0 and one.stop_days is None and today.score.known:
            one.score = today.score.value
        if (stopped or today.listed) and one.first_bad and one.stop_days is None:
            one.stop_days = (today.day - one.first_bad).days + 1
        recent = last_bad is not None and last_bad > today.day - timedelta(days=WINDOW_DAYS)
        by_score = WHOLE in today.throttle_factors
        one.slowed = one.slowed or by_score
        one.false_slowed = one.false_slowed or (by_score and not recent)
        one.provider_slowed = one.provider_slowed or any(name != WHOLE for name in today.throttle_factors)
        if stopped and not recent:
            one.false_stops += 1
            kept_back = today.allowance
    return one


def tally(days: Iterable[IpDay], sent_day_rate: float) -> Tally:
    """Counts over every day of every IP; `sent_day_rate`: part of an allowance that makes a day a sent day."""
    every = sorted(days, key=lambda one: (one.address, one.day))
    stories = [_story(list(group), sent_day_rate) for _, group in groupby(every, key=lambda one: one.address)]
    bad = [one for one in stories if one.first_bad]
    return Tally(
        ips=len(stories),
        warming=sum(one.warming for one in stories),
        graduated=sum(one.graduated for one in stories),
        sent_days=tuple(sorted(one.sent_days for one in stories if one.graduated)),
        healthy=len(stories) - len(bad),
        false_stops=sum(one.false_stops for one in stories),
        false_stopped=sum(one.false_stops > 0 for one in stories),
        bad=len(bad),
        stop_days=tuple(sorted(one.stop_days for one in bad if one.stop_days is not None)),
        sent=sum(one.counts.sent for one in every),
        bounced=sum(one.counts.bounced for one in every),
        complained=sum(one.counts.complained for one in every),
        withheld=sum(one.withheld for one in stories),
        bad_sent=sum(one.counts.sent for one in every if one.bad),
        list_stopped=sum(one.list_stopped for one in stories),
        slowed=sum(one.slowed for one in stories),
        false_slowed=sum(one.false_slowed for one in stories),
        provider_slowed=sum(one.provider_slowed for one in stories),
        good_scores=_scores(one for one in stories if not one.first_bad),
        bad_scores=_scores(bad),
    )


def _scores(stories: Iterable[_One]) -> tuple[int, ...]:
    return tuple(sorted(one.score for one in stories if one.score is not None))
