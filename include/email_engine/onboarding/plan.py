"""A request against the fleet file: the lines to add, proven by reading the whole file again, or what stands in the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from itertools import groupby

from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.mistakes import FileInvalid, one_of
from email_engine.fleet.model import Fleet, RiskClass, SendingIp, Stream
from email_engine.fleet.parse import parse_fleet
from email_engine.fleet.providers import shipped_providers
from email_engine.onboarding.file_entries import as_regex, entries_of, patch
from email_engine.onboarding.placement import IPS_PER_HOST, Part, place, rooms
from email_engine.onboarding.request import IN_THE_FORM, OnboardRequest
from email_engine.plural import excerpt

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class OnboardPlan:
    """What the fleet file becomes. `added`: its new lines; empty where a run before this one wrote them (`ips` are then those that
    stand there). `notes`: what a person must do or know beside."""

    request: OnboardRequest
    text: str
    fleet: Fleet
    ips: tuple[SendingIp, ...]
    added: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def done_before(self) -> bool:
        return not self.added

    @property
    def digest(self) -> str:
        """Names this plan: the same IPs, names and hosts."""
        rows = (
            f"{ip.address} {ip.hostname} {ip.domain} {ip.vmta} {ip.mta_host} {ip.stream}" for ip in self.ips
        )
        return sha256("\n".join([*self.added, *rows]).encode()).hexdigest()[:12]


def plan_onboarding(
    text: str, source: str, request: OnboardRequest, today: date, per_host: int = IPS_PER_HOST
) -> OnboardPlan:
    """Plans one request against the fleet file `text`.

    A request that the file fulfils already, to the last name, is found and not made twice; hosts are left as they were dealt then.

    Raises:
        FleetInvalid: the file itself is wrong, before anything is added.
        InputError: addresses or names that others have, no room, another risk class, a tenant or stream that nobody described."""
    fleet = parse_fleet(text, source, today=today)
    if found := _found(fleet, request):
        return OnboardPlan(
            request, text, fleet, found, (), ("it is in the fleet file already, and nothing is added twice",)
        )
    _refuse_known_addresses(fleet, request)
    _refuse_mailbox_providers(request)
    stream, notes = _stream(fleet, request)
    _refuse_names_of_others(fleet, request)
    parts = place(len(request.addresses), rooms(fleet, stream.risk_class, per_host), request.hosts, per_host)
    _know_bounces(fleet, request, parts)
    entries = entries_of(fleet, request, parts)
    patched, added = patch(text, source, fleet, request, entries, notes)
    wanted = _proven(patched, source, fleet, request, today)
    if len(request.addresses) > 1 and "{" not in request.key_path:
        notes.append(
            f"all of them sign with one key file, {request.key_path}: with {{domain}} in its name each domain has its own"
        )
    if request.stepped_over:
        out = f"{request.stepped_over} address{'' if request.stepped_over == 1 else 'es'}"
        notes.append(
            f"{out} of the range left out, .0 and .255, which some filters distrust; a form with one alone takes it"
        )
    new = {ip.address for ip in fleet.ips}
    ips = tuple(ip for ip in wanted.ips if ip.address not in new)
    return OnboardPlan(request, patched, wanted, ips, tuple(added), tuple(notes))


def _found(fleet: Fleet, request: OnboardRequest) -> tuple[SendingIp, ...]:
    """The IPs of a run before this one: all addresses there, in this stream, with names that its patterns give."""
    known = {ip.address: ip for ip in fleet.ips}
    ips = tuple(known[address] for address in request.addresses if address in known)
    if len(ips) < len(request.addresses):
        return ()
    patterns = [
        (name, as_regex(getattr(request, name), request.prefixes)) for name in ("hostname", "domain", "vmta")
    ]
    same = all(
        (ip.tenant, ip.stream) == (request.tenant, request.stream)
        and all(pattern.fullmatch(getattr(ip, name)) for name, pattern in patterns)
        for ip in ips
    )
    return ips if same else ()


def _refuse_known_addresses(fleet: Fleet, request: OnboardRequest) -> None:
    wanted = set(request.addresses)
    there = [ip for ip in fleet.ips if ip.address in wanted]
    if not there:
        return
    shown = ", ".join(f"{ip.address} ({ip.tenant}/{ip.stream})" for ip in there[:MOST_SHOWN])
    more = f" and {len(there) - MOST_SHOWN} more" if len(there) > MOST_SHOWN else ""
    raise InputError(
        "range", f"{len(there)} of its addresses are in the fleet already: {shown}{more}",
        "addresses that are new to the fleet", "leave them out; an IP keeps the stream and the history that it has",
    )  # fmt: skip


def _refuse_mailbox_providers(request: OnboardRequest) -> None:
    """Nobody but the provider publishes records there: waiting for its DNS would never end, and it takes nobody's bounces."""
    brands = request.new_tenant.brand_domains if request.new_tenant else ()
    for what, name in (
        ("domain", request.domain), ("hostname", request.hostname), *(("mx", host) for host in request.mx),
        *(("brand_domains", brand) for brand in brands),
    ):  # fmt: skip
        for provider in shipped_providers().all:
            for domain in provider.domains:
                if f".{name.lower()}".endswith(f".{domain}"):
                    raise InputError(
                        f"{what} ({IN_THE_FORM[what]} of the form)", f"{name} belongs to the mailbox provider {provider.title}",
                        "a domain of the sender's own", "nothing was written; correct it",
                    )  # fmt: skip


def _refuse_names_of_others(fleet: Fleet, request: OnboardRequest) -> None:
    """In words of the form; what only the whole file shows is refused when it is read again."""
    sends = {names.organisational_domain(ip.domain): ip.tenant for ip in fleet.ips if ip.domain}
    brands = {
        names.organisational_domain(brand): tenant.name
        for tenant in fleet.tenants
        for brand in tenant.brand_domains
    }
    claimed = request.new_tenant.brand_domains if request.new_tenant else ()
    for key, pattern in (
        ("domain", request.domain), ("hostname", request.hostname), *(("brand_domains", brand) for brand in claimed),
    ):  # fmt: skip
        for prefix in request.prefixes or ("mail",):
            name = names.fill(pattern, n=1, prefix=prefix)
            root = names.organisational_domain(name)
            for owners, what in ((sends, "sends from names below it"), (brands, "declares it as its brand")):
                owner = owners.get(root, request.tenant)
                if owner != request.tenant:
                    raise InputError(
                        f"{key} ({IN_THE_FORM[key]} of the form)", f"{pattern}: {root} belongs to tenant {owner}, which {what}",
                        f"a domain of {request.tenant}'s own: receivers judge all names below one registered name together",
                        "nothing was written; correct the tenant or the pattern",
                    )  # fmt: skip


def _stream(fleet: Fleet, request: OnboardRequest) -> tuple[Stream, list[str]]:
    """The stream as it is or is to be."""
    tenants = [tenant.name for tenant in fleet.tenants]
    notes: list[str] = []
    if request.tenant in tenants and request.new_tenant is not None:
        notes.append(
            f"tenant {request.tenant} is there already and stays as it is: title, quota and brands of the form are not used"
        )
    if request.tenant not in tenants and request.new_tenant is None:
        raise InputError(
            "tenant", f"{excerpt(request.tenant)} is not in the fleet", one_of(tenants, request.tenant),
            "correct it; for a new tenant give daily_quota (and title, brand_domains) and the fields of its first stream",
        )  # fmt: skip
    known = {(stream.tenant, stream.name): stream for stream in fleet.streams}
    found = known.get((request.tenant, request.stream))
    if found is not None:
        if request.new_stream is not None:
            notes.append(
                f"stream {request.tenant}/{request.stream} is there already and stays as it is: its fields in the form are not used"
            )
        else:
            unused = [
                f"{key} {excerpt(value)}" for key, value in request.of_a_new_stream
                if (key, value) not in (("risk_class", RiskClass.STANDARD.value), ("risk_class", found.risk_class.value))
            ]  # fmt: skip
            if unused:
                notes.append(
                    f"stream {request.tenant}/{request.stream} stays as it is, {found.risk_class.value}, pool {found.pool}: the form's "
                    f"{', '.join(unused)} is not used"
                )
        return found, notes
    if request.new_stream is None:
        own = [name for tenant, name in known if tenant == request.tenant]
        raise InputError(
            "stream", f"{excerpt(request.stream)} is no stream of {request.tenant}", one_of(own, request.stream),
            "correct it; for a new stream give consent, risk_class, mailwizz and daily_target",
        )  # fmt: skip
    new = request.new_stream
    return (
        Stream(request.tenant, request.stream, new.purpose, new.consent, new.risk_class, new.pool, new.mailwizz), notes
    )  # fmt: skip


def _know_bounces(fleet: Fleet, request: OnboardRequest, parts: Sequence[Part]) -> None:
    """A domain without MX is no sending domain: waiting for its DNS would never end."""
    bases = {host.name: host.base for host in fleet.mta_hosts}
    silent = [part.host for part in parts if not ((base := bases[part.host]) and base.reports)]
    if silent and not request.mx:
        raise InputError(
            "mx", f"where bounces of the new domains come is not known: {', '.join(silent)} has no bounce_addresses in fleet.yaml",
            "a host that takes mail, such as bounces.example.com", "name it (Bounce host of the form, --mx)",
        )  # fmt: skip


def _proven(patched: str, source: str, before: Fleet, request: OnboardRequest, today: date) -> Fleet:
    """The patched file as a whole, and nothing in it but what was there and what was asked for."""
    try:
        wanted = parse_fleet(patched, source, today=today)
    except FileInvalid as error:
        seen = "; ".join(
            f"{mistake.observed} (allowed: {mistake.allowed})" for mistake in error.mistakes[:MOST_SHOWN]
        )
        raise InputError(
            f"onboarding of {request.tenant}/{request.stream}", seen, "a fleet that keeps every rule of fleet.yaml",
            "nothing was written; correct the form",
        ) from None  # fmt: skip
    old = {ip.address for ip in before.ips}
    kept = tuple(ip for ip in wanted.ips if ip.address in old)
    new = {ip.address for ip in wanted.ips} - old
    if kept != before.ips or new != set(request.addresses) or wanted.mta_hosts != before.mta_hosts:
        raise InputError(
            source, "adding these lines would change others too (is an anchor or alias used there?)",
            "a file in which each stream has its own list of ips", "add the lines by hand",
        )  # fmt: skip
    return wanted


def host_counts(ips: Sequence[SendingIp]) -> list[tuple[str, int]]:
    """Hosts and how many of these IPs each takes, in their order."""
    return [(host, len(list(those))) for host, those in groupby(ips, key=lambda ip: ip.mta_host)]
