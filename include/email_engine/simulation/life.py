"""One IP between two days, as the engine's database would know it, and the step from one day to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from email_engine.fleet.model import PARKED_STATES, SENDING_STATES, Fleet, IpRecord, IpState
from email_engine.fleet.traffic import NO_DAYS, DayCounts, Days, by_day
from email_engine.lifecycle.machine import Event, next_state
from email_engine.reputation.named import ListAnswer, NamedList
from email_engine.simulation.truth import Report
from email_engine.warmup.carried_state import carried_state_after
from email_engine.warmup.domain_warmup import domain_changed, domain_volume
from email_engine.warmup.observation import (
    EARLIER_DAYS,
    PROVIDER_DAYS,
    WINDOW_DAYS,
    DnsHealth,
    IpObservation,
    RateStop,
    midnight,
)
from email_engine.warmup.peers import Peers
from email_engine.warmup.plan import IpDecision, Quotas
from email_engine.warmup.policy import Policy

LISTED = "a block list"
MOST_NAMED = 50


@dataclass(frozen=True, slots=True)
class Life:
    """`ip`: inventory and state; `allowance`: messages a UTC day, as last decided (pauses aside), `bounds`: those to providers
    that may not have all of it; `days`: its accounting of the last 30 days, `providers`: of the last 14 by provider,
    `earlier`: of the 7 before, since reports that name no day came; `outages`, `down`: see IpObservation."""

    ip: IpRecord
    allowance: int = 0
    bounds: Mapping[str, int] = field(default_factory=dict)
    days: Days = NO_DAYS
    providers: Mapping[str, Days] = field(default_factory=dict)
    throttle_factors: Mapping[str, float] = field(default_factory=dict)
    slowed_on: Mapping[str, date] = field(default_factory=dict)
    last_stream_stop_at: datetime | None = None
    phase_started_on: date | None = None
    last_stop_at: datetime | None = None
    last_listed_at: datetime | None = None
    listed_until: date | None = None
    stops: tuple[RateStop, ...] = ()
    named: tuple[NamedList, ...] = ()
    earlier: Mapping[str, Days] = field(default_factory=dict)
    undated: bool = False
    outages: Mapping[str, Days] = field(default_factory=dict)
    down: tuple[str, ...] = ()

    @property
    def may_send(self) -> int:
        """Messages that may leave today."""
        stands = self.ip.state in PARKED_STATES or self.ip.pause is not None
        return 0 if stands else self.allowance


def begin(fleet: Fleet, day: date, all_warming: bool = False) -> tuple[Life, ...]:
    """The fleet on the morning of the UTC `day`, in the states of its file or all in phase 1 of their schedules."""
    tenants = {tenant.name: tenant for tenant in fleet.tenants}
    risks = {(stream.tenant, stream.name): stream.risk_class for stream in fleet.streams}
    return tuple(
        Life(
            IpRecord(
                ip_id=number,
                address=ip.address,
                bind_address=ip.bind_address,
                hostname=ip.hostname,
                domain=ip.domain,
                tenant=ip.tenant,
                mode=tenants[ip.tenant].mode,
                stream=ip.stream,
                risk_class=risks[ip.tenant, ip.stream],
                vmta=ip.vmta,
                pool=ip.pool,
                mta_host=ip.mta_host,
                mailwizz=ip.mailwizz,
                mailwizz_server_id=ip.mailwizz_server_id or number,
                dkim_selector=ip.dkim_selector,
                dkim_key_path=ip.first_key_file,
                state=IpState.WARMING if all_warming else ip.initial_state,
                state_since=midnight(day),
                allowance=0,
                daily_target=ip.daily_target,
                schedule=ip.schedule,
                phase=1 if all_warming else ip.initial_phase,
                sent_days_in_phase=0,
                dealt=False,
                warmed_to=0 if all_warming else ip.warmed_to,
            )
        )
        for number, ip in enumerate(fleet.ips, 1)
    )


def quotas(fleet: Fleet, tenant: str) -> Quotas:
    """The tenant's daily quota and the shares of its streams."""
    whole = next(one.daily_quota for one in fleet.tenants if one.name == tenant)
    shares = {
        stream.name: stream.daily_quota
        for stream in fleet.streams
        if stream.tenant == tenant and stream.daily_quota is not None
    }
    return Quotas(whole, shares)


def sent_on(
    life: Life,
    counts: DayCounts,
    providers: Mapping[str, DayCounts] | None = None,
    named: Sequence[NamedList] = (),
) -> Life:
    """With the day's accounting; days without any leave no row, as in the database. `named`: block lists that replies named."""
    met = providers or {}
    return replace(
        life,
        earlier=_earlier(life, counts.day) if life.undated else {},
        named=(*life.named, *named)[-MOST_NAMED:],
        days=_with(life.days, counts, counts.day, WINDOW_DAYS),
        providers={
            name: days
            for name in sorted({*life.providers, *met})
            if (days := _with(life.providers.get(name, NO_DAYS), met.get(name), counts.day, PROVIDER_DAYS))
        },
    )


def _earlier(life: Life, day: date) -> dict[str, Days]:
    """With the days that leave `providers` at the end of `day`."""
    last = day - timedelta(days=PROVIDER_DAYS)
    found = {
        name: by_day([life.earlier.get(name, NO_DAYS), days.between(date.min, last)])
        for name, days in life.providers.items()
    }
    return {name: _with(days, None, last, EARLIER_DAYS) for name, days in found.items()}


def told_of(life: Life, reports: Sequence[Report], day: date) -> Life:
    """With complaints that became known on the UTC `day`: on the day of their mail where that is told, on this day elsewhere."""
    if not reports:
        return life
    days, providers = life.days, dict(life.providers)
    for one in reports:
        more = (one.sent, one.complaints) if one.dated else (day, one.complaints, one.complaints)
        days = days.complained_on(*more)
        providers[one.provider] = providers.get(one.provider, NO_DAYS).complained_on(*more)
    return replace(
        life,
        undated=life.undated or not all(one.dated for one in reports),
        days=days,
        providers=dict(sorted(providers.items())),
    )


def late_mail(
    life: Life,
    counts: DayCounts,
    providers: Mapping[str, DayCounts],
    named: Sequence[NamedList],
    day: date,
) -> Life:
    """With accounting of an earlier day that arrived on the UTC `day`; what is older than an IP's windows is forgotten."""
    met = {
        name: by_day([life.providers.get(name, NO_DAYS), Days.of([some])]) for name, some in providers.items()
    }
    return replace(
        life,
        named=(*life.named, *named)[-MOST_NAMED:],
        days=_with(by_day([life.days, Days.of([counts])]), None, day, WINDOW_DAYS),
        providers={
            name: kept
            for name, days in sorted({**life.providers, **met}.items())
            if (kept := _with(days, None, day, PROVIDER_DAYS))
        },
    )


def _with(days: Days, counts: DayCounts | None, last: date, window: int) -> Days:
    kept = days.between(last - timedelta(days=window - 1), last)
    some = counts is not None and (counts.sent or counts.deferred or counts.complained)
    return kept.then(counts) if counts is not None and some else kept


def listed_on(life: Life, day: date, days: int, quarantine_days: int) -> Life:
    """A block list holds it from the UTC `day` on for `days` days: it goes to quarantine at once, as `rbl_sweep` does it."""
    ip = replace(life.ip, blacklisted_on=(LISTED,))
    if ip.state in SENDING_STATES:
        now = midnight(day + timedelta(days=1))
        ip = replace(
            ip,
            state=next_state(ip.state, Event.LISTED),
            state_since=now,
            quarantine_until=now + timedelta(days=quarantine_days),
            pause=None,
        )
    return replace(life, ip=ip, allowance=0, bounds={}, listed_until=day + timedelta(days=days))


def observe(
    life: Life,
    day: date,
    fresh_through: datetime | None,
    around: Peers,
    given: int,
    *,
    ask: bool = True,
    many_named: bool = False,
    reporting: frozenset[str] | None = None,
) -> IpObservation:
    """What `warmup_advance` would know of it at the end of the UTC `day`: DNS right, block lists answering.

    `given`: the allowance that was in force. `ask`: can lists that replies name be asked about it? `reporting`: see IpObservation."""
    listed = life.listed_until is not None and life.listed_until >= day
    return IpObservation(
        ip=replace(life.ip, blacklisted_on=()) if life.ip.blacklisted_on and not listed else life.ip,
        days=life.days,
        given=given,
        standing=life.allowance,
        fresh_through=fresh_through,
        dns=DnsHealth.OK,
        phase_started_on=life.phase_started_on,
        last_stop_at=life.last_stop_at,
        last_listed_at=midnight(day) if listed else life.last_listed_at,
        blocklists_known=True,
        providers=life.providers,
        earlier=life.earlier,
        peers=around.peers,
        domain=around.domain,
        throttle_factors=life.throttle_factors,
        slowed_on=life.slowed_on,
        last_stream_stop_at=life.last_stream_stop_at,
        bounds=life.bounds,
        risen=around.risen,
        named=tuple(_answered(one, listed) if ask else one for one in life.named),
        many_named=many_named,
        reporting=reporting,
        stops=life.stops,
        outages=life.outages,
        down=life.down,
    )


def with_new_domain(life: Life, day: date, policy: Policy) -> Life:
    """Another domain comes on the morning of the UTC `day`: what the IP may send follows at once, as the fleet file's apply does it."""
    since = day - timedelta(days=1)
    ip = domain_changed(life.ip, since)
    if ip.domain_warmup is None or not life.allowance:
        return replace(life, ip=ip)
    return replace(life, ip=ip, allowance=min(life.allowance, domain_volume(ip, ip.domain_warmup, policy)))


def _answered(named: NamedList, listed: bool) -> NamedList:
    """The list is asked at once, and tells the truth."""
    return replace(named, answer=ListAnswer.LISTED if listed else ListAnswer.NOT_LISTED)


def after(life: Life, ip_decision: IpDecision, effective: date) -> Life:
    """Where the decision leaves the IP on the morning of the UTC day `effective`."""
    seen, proposal = ip_decision.observation, ip_decision.proposal
    carried = carried_state_after(ip_decision, effective)
    ip = replace(
        seen.ip,
        phase=carried.phase,
        sent_days_in_phase=carried.sent_days,
        pause=carried.pause,
        allowance=ip_decision.allowance,
        domain_warmup=carried.domain_warmup,
        dealt=seen.ip.dealt or ip_decision.allowance != seen.standing,
    )
    if proposal.event is not None:
        ip = replace(
            ip,
            state=next_state(ip.state, proposal.event),
            state_since=midnight(effective),
            quarantine_until=proposal.quarantine_until,
        )
    return replace(
        life,
        ip=ip,
        allowance=ip_decision.allowance,
        bounds=ip_decision.bounds,
        throttle_factors=carried.throttle_factors,
        slowed_on=carried.slowed_on,
        last_stream_stop_at=carried.last_stream_stop_at,
        phase_started_on=carried.phase_started_on,
        last_stop_at=carried.last_stop_at,
        last_listed_at=seen.last_listed_at,
        stops=carried.stops,
    )
