"""A simulation: allowances bind, outcomes are drawn, decisions are fed back, day after day."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta

from email_engine.fleet.model import SENDING_STATES, Fleet
from email_engine.gc_pause import gc_paused
from email_engine.reputation.named import NamedList
from email_engine.simulation.days import IpDay, close_day, tell
from email_engine.simulation.life import LISTED, begin, listed_on, sent_on, told_of, with_new_domain
from email_engine.simulation.scenario import Begin, Scenario
from email_engine.simulation.truth import Report, World, assign, new_domains
from email_engine.warmup.observation import midnight
from email_engine.warmup.policy import Policy

FIRST = date(2026, 1, 5)
"""A Monday; any day would do, the same one keeps runs comparable."""


def played(fleet: Fleet, scenario: Scenario) -> Fleet:
    """The part of the fleet that a scenario plays: all, or the first sending IPs of each stream."""
    if not scenario.pool:
        return fleet
    taken: Counter[tuple[str, str]] = Counter()
    ips = []
    for ip in fleet.ips:
        sends = scenario.begin is Begin.WARMING or ip.initial_state in SENDING_STATES
        if sends and taken[ip.tenant, ip.stream] < scenario.pool:
            taken[ip.tenant, ip.stream] += 1
            ips.append(ip)
    return replace(fleet, ips=tuple(ips))


@gc_paused()
def simulate(
    fleet: Fleet, policy: Policy, scenario: Scenario, days: int, seed: int, first: date = FIRST
) -> tuple[IpDay, ...]:
    """Every IP's every day, in order. The same arguments give the same days; the day before `first` deals the first
    allowances, as a first run of `warmup_advance` does.

    Raises `InputError` if an IP's schedule is not in the policy."""
    fleet = played(fleet, scenario)
    hosts = [host.name for host in fleet.mta_hosts]
    eve = first - timedelta(days=1)
    lives = begin(fleet, first, scenario.begin is Begin.WARMING)
    lives = tuple(
        life for life, _ in close_day(lives, fleet, policy, eve, dict.fromkeys(hosts, midnight(first)))
    )
    truths = assign(scenario, [str(life.ip.address) for life in lives], seed)
    world = World(truths, seed, first, scenario.demand, scenario.reports, scenario.bounce_deviation)
    moved = new_domains(scenario, [str(life.ip.address) for life in lives], seed)
    waiting: dict[tuple[str, date], list[Report]] = defaultdict(list)
    told: list[IpDay] = []
    for number in range(1, days + 1):
        day = first + timedelta(days=number - 1)
        if met := moved.get(number):
            lives = tuple(
                with_new_domain(life, day, policy) if str(life.ip.address) in met else life for life in lives
            )
        evening, demands = [], []
        for life in lives:
            subject = str(life.ip.address)
            mail = world.mail(subject, day, life.may_send, life.bounds)
            demands.append(mail.demand)
            named = [NamedList(LISTED, day, mail.named, mail.counts.sent)] if mail.named else ()
            life = sent_on(life, mail.counts, mail.providers, named)
            for report in mail.reports:
                waiting[subject, report.known].append(report)
            life = told_of(life, waiting.pop((subject, day), ()), day)
            trapped = truths[subject].trap(number)
            evening.append(listed_on(life, day, trapped, policy.quarantine_days) if trapped else life)
        fresh = dict.fromkeys(hosts, midnight(day + timedelta(days=1)))
        closed = close_day(evening, fleet, policy, day, fresh)
        for morning, dusk, (_, ip_decision), demand in zip(lives, evening, closed, demands, strict=True):
            subject = str(morning.ip.address)
            told.append(
                replace(
                    tell(morning, ip_decision, policy, day),
                    demand=demand,
                    bad=truths[subject].is_bad(number),
                    listed=dusk.ip.state is not morning.ip.state,
                )
            )
        lives = tuple(life for life, _ in closed)
    return tuple(told)
