"""Which delivery server is an adopted IP's: the one whose header names its virtual MTA; a disabled copy of it is told, and does not hide it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from email_engine.adoption.findings import AdoptionFinding, Topic
from email_engine.adoption.gaps import printable
from email_engine.mailer.learning import Unlearned, server_of, servers_naming
from email_engine.mailer.model import GOVERNED, RUNNING, DeliveryServer, Warmup
from email_engine.mailer.policy import QuotaPolicy
from email_engine.mailer.senders import NOBODY_KNOWN, Senders

MOST_NAMED = 5
MOST_NAMELESS = 100
"""Servers of no virtual MTA that one finding lists: a slip of the pen is to be found among those of a host that was not read."""


@dataclass(frozen=True, slots=True)
class InstanceSeen:
    """One MailWizz, whose database is on `host`: `servers` None where they could not be read, which `why` tells; `tenant` None: nobody says whose it is;
    `domains`: what each server sends as unless a campaign says otherwise, by server id."""

    name: str
    tenant: str | None = None
    servers: tuple[DeliveryServer, ...] | None = None
    senders: Senders = NOBODY_KNOWN
    why: str = ""
    host: str = ""
    domains: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServerFound:
    """The server of a virtual MTA. `held`: why its IP may not count as warm, a clause."""

    server: DeliveryServer
    instance: InstanceSeen
    remark: str
    held: str = ""


@dataclass(slots=True)
class ServerJoin:
    """By virtual MTA: `found`, and why nothing was found; `without`: those that surely no server names."""

    found: dict[str, ServerFound] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)
    findings: list[AdoptionFinding] = field(default_factory=list)


def owners_of(instances: Sequence[InstanceSeen]) -> dict[str, str]:
    """Tenant by virtual MTA in lower case, where only servers of one tenant's instances name it; running ones before others."""
    named: dict[str, dict[bool, set[str]]] = {}
    for instance in instances:
        for server in instance.servers or ():
            for vmta in server.vmtas or ():
                if instance.tenant:
                    runs = server.setting.status in RUNNING
                    named.setdefault(vmta.lower(), {}).setdefault(runs, set()).add(instance.tenant)
    best = {vmta: by_run.get(True) or by_run.get(False) or set() for vmta, by_run in named.items()}
    return {vmta: next(iter(tenants)) for vmta, tenants in best.items() if len(tenants) == 1}


def join_servers(
    vmtas: Sequence[str], pools: Collection[str], instances: Sequence[InstanceSeen], policy: QuotaPolicy
) -> ServerJoin:
    """`vmtas`: all virtual MTAs that were read, of every host; `pools`: names of pools."""
    join = ServerJoin()
    readable = [instance for instance in instances if instance.servers is not None]
    for instance in instances:
        if instance.servers is None:
            step = (
                "mend it and run fleet_adopt again; until then its servers are found by their headers later"
            )
            join.findings.append(
                AdoptionFinding(Topic.UNREAD, f"MailWizz {instance.name}", instance.why, step)
            )
    unread = any(server.vmtas is None for instance in readable for server in instance.servers or ())
    partial = unread or len(readable) < len(instances) or not instances
    for vmta in dict.fromkeys(vmtas):
        _join_one(vmta, readable, partial, policy, join)
    join.findings += _without(join, readable)
    join.findings += _several_customers(join)
    known = {vmta.casefold() for vmta in vmtas}
    for instance in readable:
        join.findings += _strangers(instance, known, {pool.casefold() for pool in pools}, policy)
    return join


def _join_one(
    vmta: str, instances: Sequence[InstanceSeen], partial: bool, policy: QuotaPolicy, join: ServerJoin
) -> None:
    named = [
        (instance, server)
        for instance in instances
        for server in servers_naming(vmta, instance.servers or ())
    ]
    usable = [(instance, server) for instance, server in named if server.setting.status in GOVERNED]
    running = [(instance, server) for instance, server in usable if server.setting.runs]
    chosen = running if len(running) == 1 else usable
    subject = f"virtual MTA {printable(vmta)}"
    if len(chosen) != 1 or not usable:
        told, step = _undecided(vmta, named, usable, policy)
        if not named:
            told = (
                told
                if not partial
                else "not all delivery servers could be read"
                if instances
                else "no MailWizz was read"
            )
            if not partial:
                join.without.append(vmta)
        else:
            join.findings.append(AdoptionFinding(Topic.SERVERS, subject, told, step))
        join.unknown[vmta] = told
        return
    instance, server = chosen[0]
    found = server_of(vmta, [server], policy)
    if isinstance(found, Unlearned):
        join.unknown[vmta] = found.observed
        join.findings.append(AdoptionFinding(Topic.SERVERS, subject, found.observed, found.next_step))
        return
    remark = f"{printable(server.name)} of {instance.name}, by its header"
    others = [
        f"{other.server_id} of {where.name} ({other.setting.status})"
        for where, other in named
        if other is not server
    ]
    if others:
        remark += ", the only one in service"
        told = f"server {found} is its own; {', '.join(others[:MOST_NAMED])} has the same header, as a copy keeps it"
        step = "remove the header x-virtual-mta there, or delete the copy"
        join.findings.append(AdoptionFinding(Topic.SERVERS, subject, told, step))
    join.found[vmta] = ServerFound(server, instance, remark, _held(server))
    join.findings += _about(vmta, server, instance)


def _without(join: ServerJoin, instances: Sequence[InstanceSeen]) -> Iterator[AdoptionFinding]:
    """One finding for all of them."""
    if not join.without:
        return
    listed = listed_briefly([printable(vmta) for vmta in join.without])
    name = "virtual MTA" if len(join.without) == 1 else "virtual MTAs"
    told = f"no delivery server of {', '.join(instance.name for instance in instances)} has the header x-virtual-mta with its name"
    step = "create one in MailWizz with the additional header x-virtual-mta: NAME for each that is to send; it is found by that"
    yield AdoptionFinding(Topic.SERVERS, f"{name} {listed}", told, step)


def _several_customers(join: ServerJoin) -> Iterator[AdoptionFinding]:
    """An instance is one tenant's: its customers become one."""
    owners: dict[str, set[int]] = {}
    for found in join.found.values():
        if found.server.limits.customer_id is not None:
            owners.setdefault(found.instance.name, set()).add(found.server.limits.customer_id)
    for name, customers in sorted(owners.items()):
        if len(customers) > 1:
            told = f"its servers belong to {len(customers)} customers ({listed_briefly([*map(str, sorted(customers))])}), who become one tenant"
            step = "nothing if they are one sender; else give each its own MailWizz, for quota, stops and suppression are a tenant's"
            yield AdoptionFinding(Topic.SERVERS, f"MailWizz {name}", told, step)


def listed_briefly(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """The first few."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _undecided(
    vmta: str,
    named: Sequence[tuple[InstanceSeen, DeliveryServer]],
    usable: Sequence[tuple[InstanceSeen, DeliveryServer]],
    policy: QuotaPolicy,
) -> tuple[str, str]:
    if named and not usable:
        _, server = named[0]
        return (
            f"server {server.server_id} names it, and its status is {server.setting.status}",
            "confirm or restore the server in MailWizz; it is found by its header then",
        )
    if len({instance.name for instance, _ in usable}) > 1:
        told = ", ".join(f"{server.server_id} of {instance.name}" for instance, server in usable[:MOST_NAMED])
        return f"servers {told} all name it", "leave the header on one of them"
    found = server_of(vmta, [server for _, server in usable], policy)
    return (found.observed, found.next_step) if isinstance(found, Unlearned) else ("", "")


def _held(server: DeliveryServer) -> str:
    if server.warmup is Warmup.RUNNING:
        progress = server.limits.plan
        return "MailWizz's own warm-up plan still runs" + (f" ({progress})" if progress else "")
    return ""


def _about(vmta: str, server: DeliveryServer, instance: InstanceSeen) -> Iterator[AdoptionFinding]:
    subject = f"server {server.server_id} of {instance.name} (virtual MTA {printable(vmta)})"
    if held := _held(server):
        step = "end the plan before this tenant may act: at its end it sets all quotas to unlimited, and the engine writes none beside it"
        yield AdoptionFinding(Topic.SERVERS, subject, held, step)
    if doubt := server.limits.doubt():
        yield AdoptionFinding(Topic.SERVERS, subject, *doubt)
    if not server.setting.runs:
        step = "enable it in MailWizz if its IP is to send: the engine enables only what it disabled itself"
        yield AdoptionFinding(Topic.SERVERS, subject, f"status is {server.setting.status}", step)


def _strangers(
    instance: InstanceSeen, vmtas: Collection[str], pools: Collection[str], policy: QuotaPolicy
) -> Iterator[AdoptionFinding]:
    """Servers whose mail goes to no virtual MTA that was read."""
    without: list[int] = []
    unread: list[int] = []
    nameless: list[tuple[int, str]] = []
    for server in instance.servers or ():
        if not server.setting.runs or server.type not in policy.server_types:
            continue
        subject = f"server {server.server_id} of {instance.name}"
        if server.vmtas is None:
            unread.append(server.server_id)
        elif not server.vmtas:
            without.append(server.server_id)
        for vmta in server.vmtas or ():
            if vmta.casefold() in vmtas:
                continue
            if vmta.casefold() not in pools:
                nameless.append((server.server_id, printable(vmta)))
                continue
            told = f"its header names the pool {printable(vmta)}: PowerMTA chooses among its IPs, and no quota bounds one of them"
            step = "make one delivery server for each virtual MTA, with its name in the header"
            yield AdoptionFinding(Topic.SERVERS, subject, told, step)
    if len(nameless) == 1:
        ((server_id, vmta),) = nameless
        told = f"its header names {vmta}, which no configuration that was read has"
        step = "correct the header, or read that host's configuration too"
        yield AdoptionFinding(Topic.SERVERS, f"server {server_id} of {instance.name}", told, step)
    elif nameless:
        listed = listed_briefly([f"{server_id} ({vmta})" for server_id, vmta in nameless], MOST_NAMELESS)
        told = f"the headers of {len(nameless)} servers name virtual MTAs that no configuration that was read has: {listed}"
        step = "read the configuration of their host too, or correct the headers"
        yield AdoptionFinding(Topic.SERVERS, f"MailWizz {instance.name}", told, step)
    for ids, told, step in (
        (without, "no header x-virtual-mta: its mail goes wherever its source says", "set the header to the virtual MTA of its IP"),
        (unread, "its additional headers cannot be read", "grant SELECT on meta_data: `email-engine mailwizz grants` prints the statement"),
    ):  # fmt: skip
        if ids:
            listed = listed_briefly([*map(str, ids)])
            name = "server" if len(ids) == 1 else "servers"
            yield AdoptionFinding(Topic.SERVERS, f"{name} {listed} of {instance.name}", told, step)


def tenants_of(instances: Sequence[InstanceSeen]) -> Mapping[str, InstanceSeen]:
    """The first instance of each tenant that has a name."""
    found: dict[str, InstanceSeen] = {}
    for instance in instances:
        if instance.tenant:
            found.setdefault(instance.tenant, instance)
    return found
