"""A draft as a fleet whose blanks have stand-ins, to judge its mail by; nobody writes it anywhere."""

from collections.abc import Sequence
from datetime import date
from ipaddress import IPv6Address

from email_engine.adoption.draft import Blank, FleetDraft, Sender
from email_engine.fleet.model import (
    Fleet,
    IpState,
    MailwizzInstance,
    Mode,
    MtaHost,
    RiskClass,
    SendingIp,
    Stream,
    Tenant,
)

_STAND_IN = int(IPv6Address("fd00::"))
"""Addresses that no mail can come from, for those that are not known."""
_TARGET = 10_000
State = tuple[IpState, int, date | None]
"""State, phase and `warmed_on`."""


def as_fleet(draft: FleetDraft, states: Sequence[State] | None = None) -> Fleet:
    """The IPs in the order of the draft. `states`: those instead of its own."""
    tenants, streams, ips = [], [], []
    number = 0
    for t, tenant in enumerate(draft.tenants, 1):
        name = tenant.name if isinstance(tenant.name, str) else f"tenant-{t}"
        mailwizz = tenant.mailwizz or f"mailwizz-{t}"
        total = 0
        for s, stream in enumerate(tenant.streams, 1):
            stream_name = stream.name if isinstance(stream.name, str) else f"stream-{s}"
            pool = stream.pool if isinstance(stream.pool, str) else f"{name}-pool-{s}"
            streams.append(Stream(name, stream_name, "", "", RiskClass.STANDARD, pool, mailwizz))
            for sender in stream.senders:
                state = states[number] if states is not None else _state(sender)
                ip = _ip(draft, sender, number, (name, stream_name, pool, mailwizz), stream.schedule, state)
                ips.append(ip)
                total += ip.daily_target
                number += 1
        quota = tenant.daily_quota or max(total, 1)
        tenants.append(Tenant(name, name, Mode.OBSERVE, quota))
    hosts = tuple(MtaHost(host.name, host.connection) for host in draft.hosts)
    instances = tuple(MailwizzInstance(s.mailwizz, s.tenant, "", "") for s in streams)
    return Fleet(tuple(tenants), tuple(streams), hosts, instances, tuple(ips))


def _state(sender: Sender) -> State:
    state = sender.state if isinstance(sender.state, IpState) else IpState.STANDBY
    return state, sender.phase, sender.warmed_on


def _ip(
    draft: FleetDraft,
    sender: Sender,
    number: int,
    names: tuple[str, str, str, str],
    schedule: str,
    state: State,
) -> SendingIp:
    tenant, stream, pool, mailwizz = names
    address = IPv6Address(_STAND_IN + number + 1) if isinstance(sender.address, Blank) else sender.address
    return SendingIp(
        address=address,
        hostname="",
        domain=sender.domain if isinstance(sender.domain, str) else f"ip-{number}.invalid",
        tenant=tenant,
        stream=stream,
        vmta=sender.known_as or f"ip-{number}",
        pool=pool,
        mta_host=sender.host or draft.host,
        mailwizz=mailwizz,
        mailwizz_server_id=sender.server if isinstance(sender.server, int) else None,
        dkim_selector="",
        dkim_key_path="",
        schedule=schedule,
        daily_target=sender.target if isinstance(sender.target, int) else _TARGET,
        initial_state=state[0],
        initial_phase=state[1],
        warmed_on=state[2],
        bind_address=sender.bind_address,
    )
