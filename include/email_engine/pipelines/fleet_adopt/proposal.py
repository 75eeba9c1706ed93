"""What was read to one proposal: a fleet file, what the engine would have done, and what a person should look at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from email_engine.adoption.as_fleet import State, as_fleet
from email_engine.adoption.conflicts import (
    CampaignOutlook,
    campaign_findings,
    campaign_outlooks,
    customer_findings,
    quota_findings,
)
from email_engine.adoption.draft import FleetDraft, Sender
from email_engine.adoption.evidence import IpEvidence, StateProposal, opening_state
from email_engine.adoption.fill import AdoptionFacts, fill
from email_engine.adoption.findings import AdoptionFinding, Topic
from email_engine.adoption.gaps import Gap, printable
from email_engine.adoption.merge import merge_drafts
from email_engine.adoption.reading import POOL, VMTA
from email_engine.adoption.request import AdoptRequest
from email_engine.adoption.servers import join_servers
from email_engine.adoption.write import blanks_in, write_fleet
from email_engine.errors import InputError
from email_engine.fleet.mistakes import FILL_IN, FleetInvalid
from email_engine.fleet.model import Fleet, SendingIp
from email_engine.fleet.parse import parse_fleet
from email_engine.fleet.traffic import Days, by_day
from email_engine.mailer.policy import shipped_quota_policy
from email_engine.pipelines.fleet_adopt.look import (
    STALE,
    HostSeen,
    OpenDatabase,
    Seen,
    look_at_accounting,
    look_at_hosts,
    look_at_instances,
    look_for_message_ids,
)
from email_engine.pipelines.fleet_adopt.sources import HostSource
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.simulation.hindsight import Hindsight, hindsight
from email_engine.simulation.replay import Accounting, replay
from email_engine.warmup.policy import Policy
from email_engine.warmup.policy_file import load_policy

MADE_BY = "fleet_adopt"
MOST_MISTAKES = 50
"""Of the fleet file that are told."""


@dataclass(frozen=True, slots=True)
class AdoptionProposal:
    """`fleet`: the text of a fleet file; `fill_in`: its blanks by key. `senders`, `proposals`, `past` by IP, in the order of the draft;
    `mistakes`: what `fleet check` would find beside the blanks. `past` None where nothing is known of an IP's days. `first`, `last`: the UTC days that were looked at."""

    fleet: str
    fill_in: Mapping[str, int]
    draft: FleetDraft
    senders: tuple[Sender, ...]
    proposals: tuple[StateProposal, ...]
    past: tuple[Hindsight | None, ...]
    mistakes: int
    findings: tuple[AdoptionFinding, ...]
    campaigns: tuple[CampaignOutlook, ...]
    gaps: tuple[Gap, ...]
    hosts: tuple[HostSeen, ...]
    first: date
    last: date

    @property
    def blanks(self) -> int:
        return sum(self.fill_in.values())


def _nothing_there(request: AdoptRequest, seen: Seen) -> InputError:
    names = ", ".join(host.name for host in seen.hosts)
    return InputError(
        f"{request.config_file or 'the configuration'} of {names}", "no <virtual-mta> in it or in what it includes",
        "a configuration that sends", "name PowerMTA's main configuration file (`config_file`), and run fleet_adopt again",
    )  # fmt: skip


def propose_adoption(
    request: AdoptRequest,
    sources: Sequence[HostSource],
    open_database: OpenDatabase,
    now: datetime,
) -> AdoptionProposal:
    """Reads everything that was asked for, and proposes. `now`: aware UTC, whose day is not over and does not count.

    Raises EngineError where no host could be read at all, InputError where none has a virtual MTA; whatever else fails is a finding."""
    policy = load_policy()
    last = now.date() - timedelta(days=1)
    first = last - timedelta(days=request.days - 1)
    seen = Seen()
    look_at_instances(request, open_database, seen)
    look_at_hosts(request, sources, seen)
    vmtas = [name for host in seen.hosts for name in host.read.configuration.blocks[VMTA]]
    if not vmtas:
        raise _nothing_there(request, seen)
    draft = merge_drafts([host.read.draft for host in seen.hosts], MADE_BY)
    fleet = as_fleet(draft)
    look_at_accounting(seen, fleet, first, now)
    look_for_message_ids(request, open_database, seen)
    pools = {name for host in seen.hosts for name in host.read.configuration.blocks[POOL]}
    quotas = shipped_quota_policy()
    join = join_servers(vmtas, pools, seen.instances, quotas)
    evidence = {
        number: found
        for number, ip in enumerate(fleet.ips)
        if (found := _evidence(ip, seen.hosts, first, last)) is not None
    }
    facts = AdoptionFacts(
        join, seen.instances, evidence, policy, deploy_policy().head_room_percent, request.answers,
        {host.name: host.version for host in seen.hosts if host.version},
    )  # fmt: skip
    proposals = fill(draft, facts)
    senders = tuple(sender for _, _, sender in draft.senders())
    past = _past(draft, fleet, seen.hosts, proposals, evidence, policy)
    outlooks = campaign_outlooks(draft, join, seen.waiting, (policy, quotas), now.date())
    findings = [
        *seen.findings,
        *_unused(request, draft),
        *join.findings,
        *quota_findings(draft, join, policy),
        *customer_findings(draft, join),
        *campaign_findings(outlooks),
    ]
    _note(draft, senders, past)
    text = write_fleet(draft, ranges=False)
    mistakes = _mistakes(text, now.date(), policy)
    return AdoptionProposal(
        fleet=text,
        fill_in=blanks_in(text),
        draft=draft,
        senders=senders,
        proposals=tuple(proposals),
        past=past,
        mistakes=len(mistakes),
        findings=tuple(
            sorted([*findings, *mistakes[:MOST_MISTAKES]], key=lambda one: [*Topic].index(one.topic))
        ),
        campaigns=tuple(outlooks),
        gaps=tuple(gap for host in seen.hosts for gap in host.read.gaps),
        hosts=tuple(seen.hosts),
        first=first,
        last=last,
    )


def _unused(request: AdoptRequest, draft: FleetDraft) -> Iterator[AdoptionFinding]:
    """What a person said of streams and addresses that are not there: a slip of the pen."""
    streams = {str(stream.name) for _, stream, _ in draft.senders() if isinstance(stream.name, str)}
    named = {f"{tenant.name}/{stream.name}" for tenant, stream, _ in draft.senders()} | streams
    bound = {(sender.host, sender.bind_address) for _, _, sender in draft.senders() if sender.bind_address}
    for key, name in request.answers.strangers(named, bound):
        allowed = (
            "an address that a host binds"
            if key == "public"
            else f"one of {', '.join(sorted(streams)) or 'none'}"
        )
        yield AdoptionFinding(
            Topic.CONFIGURATION,
            f"answer {key}",
            f"names {printable(name)}, which the draft does not have",
            f"write {allowed}",
        )


def _mistakes(text: str, today: date, policy: Policy) -> list[AdoptionFinding]:
    """What no fleet may be and this one is, beside its blanks."""
    try:
        parse_fleet(text, "draft", frozenset(policy.schedules), today)
    except FleetInvalid as error:
        return [
            AdoptionFinding(
                Topic.CONFIGURATION, f"line {mistake.place.line} of the draft", mistake.observed, f"the fleet file allows {mistake.allowed}"
            )
            for mistake in error.mistakes
            if mistake.observed != FILL_IN
        ]  # fmt: skip
    return []


def _evidence(ip: SendingIp, hosts: Sequence[HostSeen], first: date, last: date) -> IpEvidence | None:
    """Whole days of its host that are known; None where nothing of them is."""
    host = next((one for one in hosts if one.name == ip.mta_host), None)
    if host is None or host.traffic is None or host.files is None:
        return None
    if host.files.first is None or host.files.last is None:
        return None
    begun = max(first, host.files.first.date())
    if last - host.files.last.date() >= STALE:
        last = host.files.last.date()
    if last < begun:
        return None
    mail = host.traffic.counts.get(str(ip.address), {})
    days = by_day([Days.of([counts]) for by_provider in mail.values() for counts in by_provider.values()])
    return IpEvidence(days.between(begun, last), begun, last)


def _past(
    draft: FleetDraft,
    fleet: Fleet,
    hosts: Sequence[HostSeen],
    proposals: Sequence[StateProposal],
    evidence: Mapping[int, IpEvidence],
    policy: Policy,
) -> tuple[Hindsight | None, ...]:
    """What the engine would have done with each, begun as it stood on the first of the days."""
    if not evidence:
        return tuple(None for _ in fleet.ips)
    schedules = [policy.schedules[stream.schedule] for _, stream, _ in draft.senders()]
    states: list[State] = [
        opening_state(evidence.get(number), proposal, policy, schedules[number])
        for number, proposal in enumerate(proposals)
    ]
    stood = as_fleet(draft, states)
    ips = tuple(replace(ip, address=known.address) for ip, known in zip(stood.ips, fleet.ips, strict=True))
    last = max(found.last for found in evidence.values())
    days = [
        one for one in replay(replace(stood, ips=ips), policy, _accounting(hosts, last)) if one.day <= last
    ]
    by_address = {one.address: one for one in hindsight(days)}
    return tuple(
        by_address.get(str(ip.address)) if number in evidence else None for number, ip in enumerate(fleet.ips)
    )


def _accounting(hosts: Sequence[HostSeen], last: date) -> Accounting:
    """Of all hosts, up to the UTC day `last`; what came after it is known to be there, so that the last day is whole."""
    parts = [host.traffic.accounting() for host in hosts if host.traffic is not None]
    traffic = {
        address: {day: mail for day, mail in days.items() if day <= last}
        for part in parts
        for address, days in part.traffic.items()
    }
    return Accounting(
        traffic,
        {host: days for part in parts for host, days in part.known.items()},
        {address: named for part in parts for address, named in part.named.items()},
        {address: reports for part in parts for address, reports in part.reports.items()},
    )


def _note(draft: FleetDraft, senders: Sequence[Sender], past: Sequence[Hindsight | None]) -> None:
    """What the engine thinks of an IP, where it would have stopped it."""
    for sender, one in zip(senders, past, strict=True):
        if one is not None and one.stopped:
            grave = [told for told in one.told if told.day == one.first_stop]
            why = grave[0] if grave else one.words()
            draft.notes.append(f"{sender.known_as}: the engine would have stopped it on {why}")
