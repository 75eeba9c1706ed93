"""`make bench`: a day's decisions for a fleet, without I/O: every IP with 30 days, five mailbox providers and neighbours."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

from email_engine.fleet.model import IpState
from email_engine.fleet.traffic import DayCounts, Days, by_day
from email_engine.simulation.chance import binomial
from email_engine.warmup.observation import PROVIDER_DAYS, WINDOW_DAYS, IpObservation
from email_engine.warmup.peers import peers_of
from email_engine.warmup.plan import Quotas, plan_tenant
from email_engine.warmup.policy import Policy
from email_engine.warmup.policy_file import load_policy
from tests.core.warmup.worlds import DAY, NEXT, observation

SIZES = (1_000, 10_000)
GOAL = 1.0
TURNS = 5
PROVIDERS = ("apple", "gmail", "microsoft", "other", "yahoo")
STREAM_IPS = 50
_STAGES = (50, 100, 250, 500, 1_000, 2_000, 5_000)


def _day(dice: random.Random, number: int, sent: int) -> DayCounts:
    bounced, throttling_deferrals = binomial(dice, sent, 0.02), binomial(dice, sent, 0.01)
    return DayCounts(
        day=DAY - timedelta(days=WINDOW_DAYS - 1 - number),
        delivered=sent - bounced,
        bounced=bounced,
        deferred=throttling_deferrals + binomial(dice, sent, 0.03),
        complained=binomial(dice, sent - bounced, 0.0002),
        blocked=binomial(dice, bounced, 0.1),
        throttling_deferrals=throttling_deferrals,
    )


def fleet(count: int) -> list[IpObservation]:
    """Healthy IPs of all phases in streams of 50, no two days alike."""
    seen: list[IpObservation] = []
    for number in range(count):
        dice, place = random.Random(number), number % len(_STAGES)
        part = _STAGES[place] // len(PROVIDERS)
        days = {
            name: Days.of(_day(dice, n, part - dice.randrange(part // 10 + 1)) for n in range(WINDOW_DAYS))
            for name in PROVIDERS
        }
        whole = by_day(days.values())
        warming = place < len(_STAGES) - 1
        one = observation(
            whole,
            ip={"state": IpState.WARMING if warming else IpState.ACTIVE, "phase": min(place + 1, 6)},
            given=whole[-1].sent,
            standing=whole[-1].sent,
            providers={name: some[-PROVIDER_DAYS:] for name, some in days.items()},
        )
        ip = replace(
            one.ip,
            ip_id=number + 1,
            address=ip_address("10.0.0.1") + number,
            stream=f"stream-{number // STREAM_IPS}",
        )
        seen.append(replace(one, ip=ip))
    around = peers_of([one.ip for one in seen], {one.ip.ip_id: one.days for one in seen}, load_policy().gates)
    return [
        replace(one, peers=around[one.ip.ip_id].peers, domain=around[one.ip.ip_id].domain) for one in seen
    ]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    result = work()
    taken = time.perf_counter() - start
    del result  # is no part of the work
    return taken


def measure(seen: Sequence[IpObservation], policy: Policy) -> tuple[list[float], float]:
    """Seconds of each turn of deciding, and of the quickest of summing the neighbours."""
    ips, days = [one.ip for one in seen], {one.ip.ip_id: one.days for one in seen}
    deciding = [_seconds(lambda: plan_tenant(seen, policy, Quotas(10**9), DAY, NEXT)) for _ in range(TURNS)]
    return deciding, min(_seconds(lambda: peers_of(ips, days, policy.gates)) for _ in range(TURNS))


def main() -> None:
    policy, seconds = load_policy(), {}
    print("\nA day's decisions without I/O: 30 days, 5 providers, peers and domain of every IP.\n")
    print(f"{'':11}{'decisions':>10}{'each':>8}{'the first time':>16}{'sums of neighbours':>20}")
    for count in SIZES:
        deciding, around = measure(fleet(count), policy)
        best = seconds[count] = min(deciding)
        print(
            f"{count:>7,} IPs{best:>8.2f} s{best / count * 1e6:>5.0f} us{deciding[0]:>14.2f} s{around:>18.2f} s"
        )
    small, large = SIZES
    print(f"Goal: {large:,} in {GOAL:g} s: {'met' if seconds[large] <= GOAL else 'MISSED'}.")
    print(f"Linear: {seconds[large] / large / (seconds[small] / small):.2f} times as much for each.")


if __name__ == "__main__":
    main()
