"""`make bench`: how often a rule stops healthy IPs and how late it stops bad ones, for ours and for the rules of others.

Every rule looks at the same drawn days, once each evening. Formulas of the others: facts on deliverability, sections 1 and 3."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from statistics import median

from email_engine.fleet.model import IpRecord, IpState
from email_engine.fleet.traffic import DayCounts, Days
from email_engine.gc_pause import gc_paused
from email_engine.simulation.chance import binomial
from email_engine.simulation.tally import STOPS
from email_engine.warmup.decide import decide_days
from email_engine.warmup.observation import PROVIDER_DAYS, WINDOW_DAYS, DnsHealth, IpObservation, midnight
from email_engine.warmup.policy import Policy
from email_engine.warmup.policy_file import load_policy
from tests.core.warmup.worlds import DAY, record

VOLUMES = (50, 500, 5_000)
COMPLAINT_VOLUMES = (140, 500, 5_000)
RUNS = 300
FAIR_RUNS = 100
SEED = 20261121
COMPLAINTS, DEFERRALS, PRESSURE = 0.0002, 0.03, 0.01
"""Of an IP whose complaints and deferrals are not the question."""
History = Sequence[DayCounts]
Rule = Callable[[Sequence[History]], list["Met"]]
"""What becomes of IPs with as many days each."""


@dataclass(frozen=True, slots=True)
class Met:
    """The day on which a rule stopped the IP, and the first on which it slowed it, 1 first; None if never."""

    stopped: int | None
    slowed: int | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """An IP whose true bounce rate is `rate`, and `turned` after `turn` days, watched for `days` days. `deviation`: standard deviation
    of the day's rate (Gamma)."""

    name: str
    rate: float
    days: int
    turn: int = 0
    turned: float = 0.0
    complaint: float = COMPLAINTS
    deviation: float = 0.0


HEALTHY = Assessment("2 % IP, 90 days", 0.02, 90)
LIMIT = Assessment("5 % IP, 30 days", 0.05, 30)
BAD = Assessment("10 % IP, 30 days", 0.10, 30)
WORST = Assessment("20 % IP, 30 days", 0.20, 30)
TURN = Assessment("1.5 %, then 10 %", 0.015, 90, turn=60, turned=0.10)
CASES = (HEALTHY, LIMIT, BAD, WORST, TURN)
LIKED = Assessment("0.05 % complaints, 90 days", 0.015, 90, complaint=0.0005)
VARYING = tuple(
    Assessment(f"2 %, days vary by {deviation:.1%}", 0.02, 90, deviation=deviation)
    for deviation in (0.006, 0.01, 0.015)
)
VARYING_VOLUMES = (50, 140, 500, 5_000)
HATED = Assessment("0.5 % complaints, 30 days", 0.015, 30, complaint=0.005)


def histories(case: Assessment, volume: int, runs: int = RUNS, seed: int = SEED) -> Iterator[History]:
    """The days of `runs` IPs that send `volume` messages a day."""
    for number in range(runs):
        dice = random.Random(f"{seed}/{case.name}/{volume}/{number}")
        yield [_drawn(dice, case, volume, number) for number in range(1, case.days + 1)]


def _drawn(dice: random.Random, case: Assessment, volume: int, number: int) -> DayCounts:
    rate = case.turned if case.turn and number > case.turn else case.rate
    if case.deviation:
        shape = (rate / case.deviation) ** 2
        rate = min(dice.gammavariate(shape, rate / shape), 1.0)
    bounced = binomial(dice, volume, rate)
    throttling_deferrals = binomial(dice, volume, PRESSURE)
    return DayCounts(
        day=DAY + timedelta(days=number),
        delivered=volume - bounced,
        bounced=bounced,
        deferred=throttling_deferrals + binomial(dice, volume, DEFERRALS),
        complained=binomial(dice, volume - bounced, case.complaint),
        throttling_deferrals=throttling_deferrals,
    )


def engine(policy: Policy) -> Rule:
    """`decide_days`, score and all, on active IPs whose daily target is the volume, each up to its first pause or quarantine."""

    def meet(histories: Sequence[History]) -> list[Met]:
        met = [Met(None) for _ in histories]
        known = [Days.of(days) for days in histories]
        throttle_factors: dict[int, Mapping[str, float]] = {number: {} for number in range(len(histories))}
        for number, on_day in enumerate(zip(*histories, strict=True), 1):
            day = on_day[0].day
            seen = [_seen(known[one], number, throttle_factors[one]) for one in throttle_factors]
            choices = decide_days(seen, policy, day, day + timedelta(days=1))
            for one, proposal in zip(tuple(throttle_factors), choices, strict=True):
                if proposal.action in STOPS:
                    met[one] = Met(number, met[one].slowed)
                    del throttle_factors[one]
                else:
                    throttle_factors[one] = proposal.throttle_factors
                    met[one] = Met(None, met[one].slowed or (number if proposal.throttle_factors else None))
        return met

    return meet


def _seen(days: Days, number: int, throttle_factors: Mapping[str, float]) -> IpObservation:
    """An active IP on the evening of the day `number` (1 first) of its days."""
    day, sent = days.day[number - 1], days.sent[number - 1]
    return IpObservation(
        _active(sent),
        days[max(number - WINDOW_DAYS, 0) : number],
        given=sent,
        standing=sent,
        fresh_through=midnight(day + timedelta(days=1)),
        dns=DnsHealth.OK,
        phase_started_on=DAY,
        blocklists_known=True,
        providers={"gmail": days[max(number - PROVIDER_DAYS, 0) : number]},
        peers=_good(days.day[max(number - WINDOW_DAYS, 0) : number]),
        throttle_factors=throttle_factors,
    )


@cache
def _good(on: tuple[date, ...]) -> Days:
    """The mail of the others of its stream."""
    return Days.of(DayCounts(day, 10_000) for day in on)


@cache
def _active(daily_target: int) -> IpRecord:
    return record(state=IpState.ACTIVE, phase=6, daily_target=daily_target)


def each(rule: Callable[[History], Met]) -> Rule:
    """A rule that looks at one IP."""
    return lambda histories: [rule(days) for days in histories]


def raw(days: History) -> Met:
    """The notes, taken at their word: more than 5 % of a day's messages bounced."""
    return Met(next((number for number, day in enumerate(days, 1) if day.bounced > 0.05 * day.sent), None))


def sparkpost(days: History) -> Met:
    """A day holds unless more than 90 % of the stage was delivered; ten days without progress turn the warm-up off."""
    held = 0
    for number, day in enumerate(days, 1):
        held = 0 if day.delivered > 0.9 * day.sent else held + 1
        if held == 10:
            return Met(number)
    return Met(None)


def billionmail(days: History) -> Met:
    """Each hour the last 7 days change the score, which starts at 50 here; below 20 the warm-up steps back."""
    score = 50.0
    for number in range(1, len(days) + 1):
        week = days[max(number - 7, 0) : number]
        hard = sum(day.bounced for day in week) / sum(day.sent for day in week)
        score = min(max(score + 24 * (max(0.0, 1 - hard - 0.8) * 30 - hard * 10), 0.0), 100.0)
        if score < 20:
            return Met(number)
    return Met(None)


def rules() -> dict[str, Rule]:
    return {
        "email-engine": engine(load_policy()),
        "raw 5 %": each(raw),
        "SparkPost 90 %": each(sparkpost),
        "BillionMail": each(billionmail),
    }


@dataclass(frozen=True, slots=True)
class Found:
    """`early`: share stopped while nothing was wrong (before the turn; at all, for IPs that stay within the limit).
    `late`: median days from the first bad day to the stop, that day included; None if most were never stopped.
    `slowed`: share slowed and not stopped."""

    early: float
    stopped: float
    late: float | None
    slowed: float = 0.0


@gc_paused()
def measure(rule: Rule, case: Assessment, volume: int, runs: int = RUNS) -> Found:
    found = rule([*histories(case, volume, runs)])
    stops = [met.stopped for met in found]
    caught = sorted(stop - case.turn for stop in stops if stop is not None and stop > case.turn)
    rest = sum(stop is None or stop > case.turn for stop in stops)
    middle = median([*caught, *[float("inf")] * (rest - len(caught))]) if rest else float("inf")
    return Found(
        early=1 - rest / runs,
        stopped=len(caught) / runs,
        late=None if middle == float("inf") else middle,
        slowed=sum(met.stopped is None and met.slowed is not None for met in found) / runs,
    )


def _delay(one: Found) -> str:
    return "never" if one.late is None else f"{one.late:g}"


def _cells(found: dict[str, Found]) -> list[str]:
    return [
        f"{found[HEALTHY.name].stopped:.1%}",
        f"{found[HEALTHY.name].slowed:.1%}",
        f"{found[LIMIT.name].stopped:.1%}",
        _delay(found[BAD.name]),
        _delay(found[WORST.name]),
        f"{found[TURN.name].early:.1%}",
        _delay(found[TURN.name]),
    ]


def goals(volume: int, found: dict[str, Found]) -> dict[str, bool]:
    """What the engine promises at this volume, and whether it holds."""
    days = 5 if volume < 500 else 1
    bad, turn = found[BAD.name].late, found[TURN.name].late
    return {
        "a 2 % IP is stopped in 90 days: under 1 %": found[HEALTHY.name].stopped < 0.01,
        "a 2 % IP is slowed in 90 days: under 1 %": found[HEALTHY.name].slowed < 0.01,
        "a 5 % IP is stopped or slowed in 30 days: under 10 %": found[LIMIT.name].stopped
        + found[LIMIT.name].slowed
        < 0.10,
        f"a 10 % IP is stopped: median day {days}": bad is not None and bad <= days,
        f"a turn to 10 % after 60 good days: median day {days}": turn is not None and turn <= days,
        "before the turn: under 1 %": found[TURN.name].early < 0.01,
    }


def complaint_goals(liked: Found, hated: Found, volume: int) -> dict[str, bool]:
    """The same for complaints: they are rarer, so small volumes take longer."""
    days = 7 if volume < 500 else 3 if volume < 5_000 else 1
    return {
        "0.05 % complaints are stopped in 90 days: under 5 %": liked.stopped < 0.05,
        f"0.5 % complaints are stopped: median day {days}": hated.late is not None and hated.late <= days,
    }


def main() -> None:
    start = time.perf_counter()
    print(f"\nJudgement: {RUNS} IPs a row, seen once a day. Stopped falsely; median days to stop.\n")
    head = (
        "a day",
        "rule",
        "2 % in 90 d",
        "slowed",
        "5 % in 30 d",
        "10 % after",
        "20 % after",
        "before turn",
        "turn after",
    )
    widths = (6, 14, 11, 7, 11, 10, 10, 11, 10)
    print("  ".join(f"{cell:>{width}}" for cell, width in zip(head, widths, strict=True)))
    missed = []
    for volume in VOLUMES:
        for name, rule in rules().items():
            found = {case.name: measure(rule, case, volume) for case in CASES}
            cells = [f"{volume:,}", name, *_cells(found)]
            print("  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))
            if name == "email-engine":
                missed += [f"at {volume:,}: {goal}" for goal, met in goals(volume, found).items() if not met]
    print("\nFairness: a mean of 2 % whose days vary, stopped in 90 days, by standard deviation.\n")
    for volume in VARYING_VOLUMES:
        for name, rule in rules().items():
            shares = [measure(rule, case, volume, FAIR_RUNS).stopped for case in VARYING]
            cells = "  ".join(
                f"{case.deviation:.1%}: {share:>6.1%}" for case, share in zip(VARYING, shares, strict=True)
            )
            print(f"{volume:>6,}  {name:>14}  {cells}")
    print("\nComplaints, email-engine: 0.05 % stopped in 90 days; 0.5 % stopped after a median of days.\n")
    rule = engine(load_policy())
    for volume in COMPLAINT_VOLUMES:
        liked, hated = measure(rule, LIKED, volume), measure(rule, HATED, volume)
        print(f"{volume:>6,}  {liked.stopped:>6.1%}  {_delay(hated):>5}")
        met = complaint_goals(liked, hated, volume)
        missed += [f"at {volume:,}: {goal}" for goal, good in met.items() if not good]
    print("\nGoals: " + ("all met." if not missed else "MISSED " + "; ".join(missed) + "."))
    print(f"{time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
