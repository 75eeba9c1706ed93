"""A draft filled in with what MailWizz, accounting and a person know; what nobody knows stays a blank."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from email_engine.adoption.answers import Answers
from email_engine.adoption.draft import Blank, FleetDraft, Number, Sender, StreamDraft, TenantDraft, Text
from email_engine.adoption.evidence import IpEvidence, StateProposal, propose_state
from email_engine.adoption.servers import InstanceSeen, ServerFound, ServerJoin, tenants_of
from email_engine.adoption.tenant_quota import give_quotas
from email_engine.fleet.entries import HIGHEST_TARGET
from email_engine.warmup.policy import Policy


@dataclass(frozen=True, slots=True)
class AdoptionFacts:
    """`evidence`: by number of the IP in the draft, from 0; `versions`: PowerMTA's by host; `accounting_dirs` likewise."""

    servers: ServerJoin
    instances: Sequence[InstanceSeen]
    evidence: Mapping[int, IpEvidence]
    policy: Policy
    head_room_percent: int
    answers: Answers = field(default_factory=Answers)
    versions: Mapping[str, str] = field(default_factory=dict)


def fill(draft: FleetDraft, facts: AdoptionFacts) -> list[StateProposal]:
    """Changes the draft; gives what was proposed for each IP, in its order."""
    for host in draft.hosts:
        if host.name in facts.versions:
            host.version = facts.versions[host.name]
    instances = tenants_of(facts.instances)
    proposals: list[StateProposal] = []
    for tenant in draft.tenants:
        name = tenant.name if isinstance(tenant.name, str) else ""
        if name in instances:
            tenant.mailwizz = instances[name].name
        elif len(facts.instances) == 1 == len(draft.tenants):
            tenant.mailwizz = facts.instances[0].name
        for stream in tenant.streams:
            _answer(tenant, stream, facts)
            first = len(proposals)
            joined = [_joined(sender, facts) for sender in stream.senders]
            proposed = [
                _propose(sender, stream, facts.evidence.get(first + n), facts)
                for n, sender in enumerate(joined)
            ]
            proposed = _usual_targets(proposed)
            stream.senders = [
                _with(sender, proposal) for sender, proposal in zip(joined, proposed, strict=True)
            ]
            proposals += proposed
    give_quotas(draft, facts.servers, facts.instances)
    return proposals


def _answer(tenant: TenantDraft, stream: StreamDraft, facts: AdoptionFacts) -> None:
    answers = facts.answers
    tenant_name = tenant.name if isinstance(tenant.name, str) else ""
    unnamed = [one for one in tenant.streams if isinstance(one.name, Blank)]
    if isinstance(stream.name, Blank) and answers.stream and unnamed == [stream]:
        stream.name = answers.stream
        if isinstance(stream.pool, Blank) and tenant_name:
            stream.pool = f"{tenant_name}-{answers.stream}"
    name = stream.name if isinstance(stream.name, str) else ""
    said: dict[str, Text | None] = {
        key: answers.of(key, tenant_name, name) for key in ("purpose", "consent", "risk_class", "schedule")
    }
    for key, value in said.items():
        if value is not None:
            setattr(stream, key, value)


def _joined(sender: Sender, facts: AdoptionFacts) -> Sender:
    """With its server and its public address."""
    found = facts.servers.found.get(sender.known_as)
    remarks = dict(sender.remarks)
    server: int | None = None
    domain = sender.domain
    if found is not None and isinstance(sender.vmta, str):
        server = found.server.server_id
        remarks["mailwizz_server_id"] = found.remark
        if isinstance(domain, Blank) and (sends_as := found.instance.domains.get(server)):
            domain = Blank(
                f"{domain.hint}; its delivery server sends as {sends_as} where a campaign has no From of its own"
            )
    elif sender.known_as in facts.servers.unknown:
        remarks["mailwizz_server_id"] = f"{facts.servers.unknown[sender.known_as]}; found by its header later"
    address = sender.address
    if isinstance(address, Blank) and sender.bind_address is not None:
        public = facts.answers.public_of(sender.host, sender.bind_address)
        address = public or address
    return replace(sender, server=server, address=address, domain=domain, remarks=remarks)


def _propose(
    sender: Sender, stream: StreamDraft, evidence: IpEvidence | None, facts: AdoptionFacts
) -> StateProposal:
    found = facts.servers.found.get(sender.known_as)
    target, why = _target(sender, found, facts.head_room_percent)
    proposal = propose_state(
        evidence, facts.policy, facts.policy.schedules[stream.schedule], target, found.held if found else ""
    )
    if why and "daily_target" not in proposal.remarks:
        return replace(proposal, remarks={"daily_target": why, **proposal.remarks})
    return proposal


def _target(sender: Sender, found: ServerFound | None, head_room_percent: int) -> tuple[Number, str]:
    """Messages a UTC day fully warmed: by its cap, else by MailWizz's quota; with why, where the cap does not say it in days."""
    if isinstance(sender.target, int):
        return sender.target, ""
    if sender.cap is not None and (target := sender.cap * 100 // head_room_percent) in range(
        1, HIGHEST_TARGET + 1
    ):
        return target, f"PowerMTA lets out {sender.cap} a day at most, less head-room"
    quota = found.server.setting.daily_quota if found else 0
    if found and 1 < quota <= HIGHEST_TARGET:
        return quota, f"daily_quota of server {found.server.server_id}; PowerMTA has no cap"
    return sender.target, ""


def _usual_targets(proposals: list[StateProposal]) -> list[StateProposal]:
    """Where nothing tells an IP's own target, what most of its stream have."""
    known = Counter(proposal.target for proposal in proposals if isinstance(proposal.target, int))
    if not known:
        return proposals
    usual = known.most_common(1)[0][0]
    return [
        proposal
        if isinstance(proposal.target, int)
        else replace(
            proposal, target=usual, remarks={**proposal.remarks, "daily_target": "as most of its stream"}
        )
        for proposal in proposals
    ]


def _with(sender: Sender, proposal: StateProposal) -> Sender:
    return replace(
        sender,
        state=proposal.state,
        phase=proposal.phase,
        warmed_on=proposal.warmed_on,
        target=proposal.target,
        remarks={**sender.remarks, **proposal.remarks},
    )
