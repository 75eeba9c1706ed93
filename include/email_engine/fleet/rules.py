"""What a fleet may never be, checked over the whole file (DESIGN.md section 2)."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from email_engine.fleet import names
from email_engine.fleet.entries import Sender
from email_engine.fleet.mistakes import MistakePlace, Mistakes, one_of
from email_engine.fleet.model import IpState, MailwizzInstance, MtaHost, RiskClass, Stream, Tenant
from email_engine.fleet.ownership import Use, owned_once, shared
from email_engine.plural import brief

Item = TypeVar("Item")

UNWARMED_MOST = 10_000
"""Messages a UTC day above which nobody may say that an IP is warm without saying since when."""


@dataclass(frozen=True, slots=True)
class Placed(Generic[Item]):
    """A noun and where it stands."""

    item: Item
    place: MistakePlace


@dataclass(frozen=True, slots=True)
class Draft:
    """All that was read, before anybody knows whether it fits together."""

    tenants: tuple[Placed[Tenant], ...]
    streams: tuple[Placed[Stream], ...]
    mta_hosts: tuple[Placed[MtaHost], ...]
    mailwizz: tuple[Placed[MailwizzInstance], ...]
    senders: tuple[Sender, ...]

    @property
    def risk(self) -> dict[tuple[str, str], RiskClass]:
        """The risk class of each (tenant, stream)."""
        return {(s.item.tenant, s.item.name): s.item.risk_class for s in self.streams}


def check_all(draft: Draft, mistakes: Mistakes, today: date | None = None) -> None:
    """Notes every breach; empty values (already noted as mistakes) are passed over. `today` (UTC): None where nobody asks
    whether its dates are over."""
    _check_names(draft, mistakes)
    _check_senders(draft, mistakes)
    _check_references(draft, mistakes)
    _check_risk_classes(draft, mistakes)
    _check_brands(draft, mistakes)
    _check_organisational_domains(draft, mistakes)
    _check_strangers_names(draft, mistakes)
    _check_key_files(draft, mistakes)
    _check_quotas(draft, mistakes)
    _check_warmed(draft, mistakes, today)


def _check_names(draft: Draft, mistakes: Mistakes) -> None:
    for what, uses in (
        ("tenant", [Use(t.item.name, "", "", t.place) for t in draft.tenants]),
        ("MTA host", [Use(h.item.name, "", "", h.place) for h in draft.mta_hosts]),
        ("MailWizz instance", [Use(m.item.name, "", "", m.place) for m in draft.mailwizz]),
        (
            "connection",
            [
                *(Use(h.item.connection, "", "", h.place) for h in draft.mta_hosts),
                *(Use(m.item.api_connection, "", "", m.place) for m in draft.mailwizz),
                *(Use(m.item.db_connection, "", "", m.place) for m in draft.mailwizz),
            ],
        ),
    ):
        owned_once(what, uses, mistakes)
    addresses = [
        Use(a, m.item.tenant, m.item.name, m.place) for m in draft.mailwizz for a in m.item.addresses
    ]
    for there, here in shared(addresses):
        seen = f"address {here.value} belongs to MailWizz instance {there.stream} ({there.place.short})"
        mistakes.add(here.place, seen, "addresses that no other instance submits from")
    streams = [Use(f"{s.item.tenant}/{s.item.name}", "", "", s.place) for s in draft.streams if s.item.name]
    owned_once("stream", streams, mistakes)
    pools = [Use(s.item.pool, s.item.tenant, s.item.name, s.place) for s in draft.streams]
    owned_once("pool", pools, mistakes)


def _check_senders(draft: Draft, mistakes: Mistakes) -> None:
    def uses(values: Iterable[Hashable]) -> list[Use]:
        pairs = zip(values, draft.senders, strict=True)
        return [Use(value, s.ip.tenant, s.ip.stream, s.place) for value, s in pairs]

    senders = draft.senders
    addresses = uses(s.ip.address if int(s.ip.address) else "" for s in senders)
    owned_once(
        "IP",
        addresses,
        mistakes,
        "once: an IP has one sending domain and one virtual MTA; give the other an IP of its own",
    )
    _check_bound(senders, mistakes)
    owned_once("domain", uses(s.ip.domain for s in senders), mistakes)
    owned_once("hostname", uses(s.ip.hostname for s in senders), mistakes)
    owned_once("vmta", uses(s.ip.vmta for s in senders), mistakes)
    servers = uses(
        f"{s.ip.mailwizz} #{s.ip.mailwizz_server_id}" if s.ip.mailwizz and s.ip.mailwizz_server_id else ""
        for s in senders
    )
    owned_once("MailWizz server", servers, mistakes)
    pools = {stream.item.pool: stream.place for stream in draft.streams if stream.item.pool}
    for sender in senders:
        if sender.ip.vmta in pools:
            seen = f"vmta {sender.ip.vmta} is the name of the pool at {pools[sender.ip.vmta].short}"
            mistakes.add(sender.place, seen, "different names: PowerMTA has one name space for both")


def _check_bound(senders: tuple[Sender, ...], mistakes: Mistakes) -> None:
    """A host has an address once; behind different NATs two hosts may have the same one."""
    bound = [s for s in senders if s.ip.bind_address]
    uses = [Use(f"{s.ip.bind_address} on {s.ip.mta_host}", s.ip.tenant, s.ip.stream, s.place) for s in bound]
    owned_once("bind address", uses, mistakes)
    public = {s.ip.address: s for s in senders}
    for sender in bound:
        other = public.get(sender.ip.local_address)
        if other is not None and other.ip is not sender.ip:
            seen = f"bind address {sender.ip.bind_address} is the public address at {other.place.short}"
            mistakes.add(sender.place, seen, "an address that is no IP of the fleet")


def _check_references(draft: Draft, mistakes: Mistakes) -> None:
    hosts = {host.item.name for host in draft.mta_hosts}
    for name, place in {(s.ip.mta_host, s.place): None for s in draft.senders}:
        if name and name not in hosts:
            mistakes.add(place, f"unknown MTA host {name!r}", one_of(hosts, name))
    tenants = {tenant.item.name for tenant in draft.tenants}
    owner = {instance.item.name: instance.item.tenant for instance in draft.mailwizz}
    for instance in draft.mailwizz:
        if instance.item.tenant and instance.item.tenant not in tenants:
            seen = f"unknown tenant {instance.item.tenant!r}"
            mistakes.add(instance.place, seen, one_of(tenants, instance.item.tenant))
    for stream in draft.streams:
        name, tenant = stream.item.mailwizz, stream.item.tenant
        if name and name not in owner:
            mistakes.add(stream.place, f"unknown MailWizz instance {name!r}", one_of(owner, name))
        elif name and tenant and owner[name] and owner[name] != tenant:
            seen = f"MailWizz instance {name} shared between tenants: belongs to tenant {owner[name]}"
            mistakes.add(stream.place, seen, f"an instance of tenant {tenant}")


def _one_class(what: str, uses: Iterable[tuple[str, RiskClass, MistakePlace]], mistakes: Mistakes) -> None:
    first: dict[str, tuple[RiskClass, MistakePlace]] = {}
    noted = set()
    for name, risk, place in uses:
        before, there = first.setdefault(name, (risk, place))
        if name and before is not risk and (name, place) not in noted:
            noted.add((name, place))
            seen = f"{what} {name} shared between risk classes: {risk} here, {before} at {there.short}"
            mistakes.add(
                place, seen, f"a {what} for each risk class, so that trouble in one cannot reach the other"
            )


def _check_risk_classes(draft: Draft, mistakes: Mistakes) -> None:
    risk = draft.risk
    _one_class(
        "MTA host",
        ((s.ip.mta_host, risk[s.ip.tenant, s.ip.stream], s.place) for s in draft.senders),
        mistakes,
    )
    _one_class(
        "MailWizz instance", ((s.item.mailwizz, s.item.risk_class, s.place) for s in draft.streams), mistakes
    )


def _check_brands(draft: Draft, mistakes: Mistakes) -> None:
    """A brand domain, or the name that was registered for it, never sends. Names below it may carry only the
    protected streams of the tenant that owns it, since receivers judge them together."""
    risk = draft.risk
    brands = [
        (names.organisational_domain(b), b, t.item.name) for t in draft.tenants for b in t.item.brand_domains
    ]
    roots = {root: (brand, tenant) for root, brand, tenant in reversed(brands)}
    forbidden = {name: tenant for root, brand, tenant in brands for name in (root, brand)}
    noted: set[tuple[str, MistakePlace]] = set()
    for sender in draft.senders:
        own_and_protected = risk[sender.ip.tenant, sender.ip.stream] is RiskClass.PROTECTED
        for what, name in (("domain", sender.ip.domain), ("hostname", sender.ip.hostname)):
            root = names.organisational_domain(name)
            if not name or root not in roots or (what, sender.place) in noted:
                continue
            brand, tenant = roots[root]
            shown, root = brief(name), brief(root)
            if name in forbidden:
                seen = f"{what} {shown} is the brand of tenant {forbidden[name]}"
            elif not own_and_protected or tenant != sender.ip.tenant:
                seen = f"{what} {shown} lies under {root}, which tenant {tenant} declares as its brand ({brief(brand)})"
            else:
                continue
            noted.add((what, sender.place))
            mistakes.add(sender.place, seen, "a domain registered for sending only")


def _check_organisational_domains(draft: Draft, mistakes: Mistakes) -> None:
    """Receivers judge subdomains by the name that was registered, so that one belongs to one tenant and one risk
    class; streams of the same class may have subdomains of the same name."""
    risk = draft.risk
    first: dict[str, Sender] = {}
    noted = set()
    for sender in draft.senders:
        if not sender.ip.domain:
            continue
        root = names.organisational_domain(sender.ip.domain)
        before = first.setdefault(root, sender)
        if (root, sender.place) in noted or before.ip.domain == sender.ip.domain:
            continue
        if before.ip.tenant != sender.ip.tenant:
            seen = f"{brief(root)} shared between tenants: {before.ip.tenant} sends from below it ({before.place.short})"
        elif risk[before.ip.tenant, before.ip.stream] is not risk[sender.ip.tenant, sender.ip.stream]:
            seen = f"{brief(root)} shared between risk classes: stream {before.ip.stream} sends from it ({before.place.short})"
        else:
            continue
        noted.add((root, sender.place))
        mistakes.add(sender.place, seen, "a registered domain for each tenant and risk class")


def _check_strangers_names(draft: Draft, mistakes: Mistakes) -> None:
    """A host name below a name from which another tenant sends would be published in that tenant's zone."""
    sends = {
        names.organisational_domain(s.ip.domain): s.ip.tenant for s in reversed(draft.senders) if s.ip.domain
    }
    noted = set()
    for sender in draft.senders:
        if not sender.ip.hostname:
            continue
        root = names.organisational_domain(sender.ip.hostname)
        owner = sends.get(root, sender.ip.tenant)
        if owner != sender.ip.tenant and (root, sender.place) not in noted:
            noted.add((root, sender.place))
            seen = f"hostname {brief(sender.ip.hostname)} lies under {brief(root)}, from which tenant {owner} sends"
            mistakes.add(
                sender.place, seen, "a host name below a domain of the tenant's own, or of nobody's mail"
            )


def _check_key_files(draft: Draft, mistakes: Mistakes) -> None:
    """Who signs with another tenant's key signs in their name."""
    owner: dict[str, Sender] = {}
    noted = set()
    for sender in draft.senders:
        path = sender.ip.dkim_key_path
        first = owner.setdefault(path, sender)
        if path and first.ip.tenant != sender.ip.tenant and sender.place not in noted:
            noted.add(sender.place)
            seen = f"key file {path} shared between tenants: belongs to tenant {first.ip.tenant} ({first.place.short})"
            mistakes.add(
                sender.place, seen, "a key file of the tenant's own, such as one with {domain} in its name"
            )


def _check_quotas(draft: Draft, mistakes: Mistakes) -> None:
    """Promises: the streams' `daily_quota` together, and what one IP alone is to reach. The sum of all daily targets
    is no promise: the tenant's quota is dealt day by day among the IPs that it can keep warm."""
    shares: dict[str, dict[str, int | None]] = {}
    for stream in draft.streams:
        shares.setdefault(stream.item.tenant, {})[stream.item.name] = stream.item.daily_quota
    whose: dict[str, list[Sender]] = {}
    for sender in draft.senders:
        whose.setdefault(sender.ip.tenant, []).append(sender)
    for tenant in draft.tenants:
        quota, name = tenant.item.daily_quota, tenant.item.name
        if not quota:
            continue
        own = shares.get(name, {})
        promised = sum(share or 0 for share in own.values())
        without = [stream for stream, share in own.items() if share is None]
        if promised > quota:
            seen = f"its streams are promised {promised} a day together"
            mistakes.add(tenant.place, seen, f"at most the tenant's daily_quota, {quota}")
        elif without and promised == quota:
            seen = f"stream {without[0]} is left nothing of the tenant's daily_quota {quota}"
            mistakes.add(tenant.place, seen, "a share (daily_quota) for each stream, or something left over")
        noted = set()
        for sender in whose.get(name, ()):
            if sender.place in noted:
                continue
            limit = own.get(sender.ip.stream) or quota
            if sender.ip.daily_target > limit:
                noted.add(sender.place)
                seen = f"daily_target {sender.ip.daily_target} promises one IP more than there is"
                mistakes.add(sender.place, seen, f"at most {limit}, the daily quota of its stream or tenant")


def _check_warmed(draft: Draft, mistakes: Mistakes, today: date | None) -> None:
    """Who comes aboard as active with a high target says since when it sends so much: nothing else shows that it was
    ever warmed, and nothing was warmed on a day that is still to come."""
    noted = set()
    for sender in draft.senders:
        ip, place = sender.ip, sender.place
        if place in noted:
            continue
        if ip.warmed_on is not None and today is not None and ip.warmed_on > today:
            noted.add(place)
            mistakes.add(place, f"warmed_on {ip.warmed_on} is still to come", f"a day up to today, {today}")
        elif ip.warmed_on is None and ip.initial_state is IpState.ACTIVE and ip.daily_target > UNWARMED_MOST:
            noted.add(place)
            seen = f"active with daily_target {ip.daily_target}, and nothing shows that it was ever warmed"
            mistakes.add(
                place, seen,
                f"warmed_on: the day since which it really sends so much; or at most {UNWARMED_MOST}; or state warming or standby",
            )  # fmt: skip
