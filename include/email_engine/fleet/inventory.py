"""Desired inventory and existing inventory to a plan: creates, updates and removals as values, with a guard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from email_engine.errors import GuardBreach
from email_engine.fleet.model import Fleet, IpAddress, MailwizzInstance, MtaHost, SendingIp, Stream, Tenant

LARGEST_REMOVAL_RATE = 0.30
SMALLEST_GUARDED_FLEET = 10
"""Below so many IPs a share says nothing: removing one of three is a third."""

Noun = Tenant | MtaHost | MailwizzInstance | Stream | SendingIp
_ONLY_AT_FIRST = frozenset({"initial_state", "initial_phase", "warmed_on"})
_FILE_ALONE = frozenset({"room_for", "server_learned"})
"""What the database does not hold: it counts when new IPs are planned, against the file."""


class FleetChangeKind(StrEnum):
    """What the inventory is made of, in the order in which it must be made."""

    TENANT = "tenant"
    MTA_HOST = "MTA host"
    MAILWIZZ = "MailWizz instance"
    STREAM = "stream"
    IP = "IP"


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class FleetChange:
    """One step of a plan. `wanted` is None for removals; `fields` maps a changed field to (old, new)."""

    action: Action
    kind: FleetChangeKind
    key: str
    wanted: Noun | None = None
    existing: Noun | None = None
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def ip(self) -> SendingIp:
        """The IP that a change of kind IP wants."""
        if not isinstance(self.wanted, SendingIp):
            raise TypeError(f"{self.action} {self.kind} {self.key} wants no IP")
        return self.wanted

    def __str__(self) -> str:
        sign = {Action.CREATE: "+", Action.UPDATE: "~", Action.REMOVE: "-"}[self.action]
        details = ", ".join(
            f"{name}: {_text(old)} -> {_text(new)}" for name, (old, new) in self.fields.items()
        )
        if self.action is Action.CREATE and isinstance(self.wanted, SendingIp):
            ip = self.wanted
            details = f"{ip.tenant}/{ip.stream}, {ip.vmta} on {ip.mta_host}, {ip.initial_state}"
        return f"{sign} {self.kind} {self.key}" + (f" ({details})" if details else "")


@dataclass(frozen=True, slots=True)
class InventoryPlan:
    """What brings the existing inventory to the wanted one; `existing_ips` is what the guard measures against.
    `moved` names what would change its tenant; `notes`: what a change does not do, or does beyond what it says."""

    changes: tuple[FleetChange, ...]
    existing_ips: int = 0
    moved: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.changes and not self.moved

    def of(self, action: Action, kind: FleetChangeKind | None = None) -> tuple[FleetChange, ...]:
        return tuple(c for c in self.changes if c.action is action and kind in (None, c.kind))

    def raise_if_unsafe(self, *, force: bool = False) -> None:
        """Raises GuardBreach if something would change its tenant (its history belongs to the old one: never
        allowed), or, without `force`, if more than 30 % of 10 or more IPs would disappear."""
        if self.moved:
            raise GuardBreach(
                "fleet plan",
                f"would change tenant: {', '.join(self.moved[:5])}{', ...' if len(self.moved) > 5 else ''}",
                "nothing that moves between tenants, since history and reputation stay with the first",
                "give the other tenant addresses and instances of its own",
            )
        gone = len(self.of(Action.REMOVE, FleetChangeKind.IP))
        limit = int(self.existing_ips * LARGEST_REMOVAL_RATE)
        if not force and self.existing_ips >= SMALLEST_GUARDED_FLEET and gone > limit:
            raise GuardBreach(
                "fleet plan",
                f"{gone} of {self.existing_ips} IPs would be removed",
                f"at most {limit} at once ({LARGEST_REMOVAL_RATE:.0%})",
                "see `email-engine fleet plan`; if it is meant, `email-engine fleet apply --force`",
            )


def plan_inventory(
    fleet: Fleet,
    existing: Fleet,
    removed: Mapping[IpAddress, str] | None = None,
    signing: Mapping[str, str] | None = None,
) -> InventoryPlan:
    """Compares the wanted fleet with the one in the database.

    Args:
        fleet: from the fleet file.
        existing: what the database holds now, without removed things.
        removed: tenant of each address that was there once.
        signing: selector of the key that signs, of each domain whose key is known.
    """
    changes: list[FleetChange] = []
    for kind in FleetChangeKind:
        changes.extend(_compare(kind, _by_key(kind, fleet), _by_key(kind, existing)))
    owner_before = dict(removed or {}) | {ip.address: ip.tenant for ip in existing.ips}
    moved = [
        f"IP {ip.address} ({owner_before[ip.address]} -> {ip.tenant})"
        for ip in fleet.ips
        if owner_before.get(ip.address, ip.tenant) != ip.tenant
    ]
    instance_owner = {instance.name: instance.tenant for instance in existing.mailwizz_instances}
    moved += [
        f"MailWizz instance {instance.name} ({instance_owner[instance.name]} -> {instance.tenant})"
        for instance in fleet.mailwizz_instances
        if instance_owner.get(instance.name, instance.tenant) != instance.tenant
    ]
    notes = tuple(_about_selectors(changes, signing or {}))
    return InventoryPlan(tuple(changes), len(existing.ips), tuple(moved), notes)


def _about_selectors(changes: Iterable[FleetChange], signing: Mapping[str, str]) -> Iterable[str]:
    """What another selector in the file means; it never moves signatures to a key that nobody has seen in DNS."""
    for change in changes:
        if change.kind is not FleetChangeKind.IP or "dkim_selector" not in change.fields:
            continue
        domain, wanted = change.ip.domain, change.ip.dkim_selector
        signs = signing.get(domain)
        if signs is None:
            yield (
                f"{domain} signs with {wanted} from the next deployment on, published or not; `dkim_rotate` would wait until its "
                "record is seen, once it knows the key that signs today"
            )
        elif signs != wanted:
            yield (
                f"{domain} goes on signing with {signs}: the selector in the file is that of the first key. To change over to "
                f"{wanted}, start `dkim_rotate` for this domain: it takes this selector, waits for its record, then signs"
            )


def _by_key(kind: FleetChangeKind, fleet: Fleet) -> dict[str, Noun]:
    nouns: Iterable[Noun]
    match kind:
        case FleetChangeKind.TENANT:
            nouns = fleet.tenants
        case FleetChangeKind.MTA_HOST:
            nouns = fleet.mta_hosts
        case FleetChangeKind.MAILWIZZ:
            nouns = fleet.mailwizz_instances
        case FleetChangeKind.STREAM:
            nouns = fleet.streams
        case FleetChangeKind.IP:
            nouns = fleet.ips
    return {key_of(noun): noun for noun in nouns}


def key_of(noun: Noun) -> str:
    """What a thing is known by: it stays the same thing as long as this stays the same."""
    if isinstance(noun, SendingIp):
        return str(noun.address)
    if isinstance(noun, Stream):
        return f"{noun.tenant}/{noun.name}"
    return noun.name


def _compare(
    kind: FleetChangeKind, wanted: Mapping[str, Noun], existing: Mapping[str, Noun]
) -> Iterable[FleetChange]:
    given = {(ip.mailwizz, ip.mailwizz_server_id) for ip in wanted.values() if isinstance(ip, SendingIp)}
    for key, noun in wanted.items():
        if key not in existing:
            yield FleetChange(Action.CREATE, kind, key, wanted=noun)
            continue
        before = existing[key]
        noun = _as_learned(noun, before, given)
        changed = {
            f.name: (getattr(before, f.name), getattr(noun, f.name))
            for f in fields(noun)
            if f.name not in _ONLY_AT_FIRST | _FILE_ALONE and getattr(before, f.name) != getattr(noun, f.name)
        }
        if changed:
            yield FleetChange(Action.UPDATE, kind, key, wanted=noun, existing=before, fields=changed)
    for key, before in existing.items():
        if key not in wanted:
            yield FleetChange(Action.REMOVE, kind, key, existing=before)


def _as_learned(wanted: Noun, existing: Noun, given: Set[tuple[str, int | None]]) -> Noun:
    """What a fleet file leaves to be learned is not forgotten because the file is read again; but a server that the file gives to
    another IP is that one's."""
    if (
        isinstance(wanted, SendingIp)
        and isinstance(existing, SendingIp)
        and wanted.mailwizz_server_id is None
        and (wanted.mailwizz, wanted.vmta) == (existing.mailwizz, existing.vmta)
        and (existing.mailwizz, existing.mailwizz_server_id) not in given
    ):
        return replace(wanted, mailwizz_server_id=existing.mailwizz_server_id, server_learned=True)
    return wanted


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def render_plan(plan: InventoryPlan, longest: int = 40) -> str:
    """The plan for people: counts first, then at most `longest` lines of each action and kind."""
    if plan.empty:
        return "The database has exactly this inventory; nothing to do."
    counts = ", ".join(f"{len(plan.of(action))} to {action}" for action in Action if plan.of(action))
    lines = [f"Plan: {counts or 'nothing to change'}."]
    for action in Action:
        for kind in FleetChangeKind:
            found = plan.of(action, kind)
            lines += [str(change) for change in found[:longest]]
            if len(found) > longest:
                lines.append(f"  ... and {len(found) - longest} more of kind {kind}")
    lines += [f"  note: {note}" for note in plan.notes[:longest]]
    if len(plan.notes) > longest:
        lines.append(f"  ... and {len(plan.notes) - longest} more notes")
    lines += [f"! {moved} would change tenant: refused" for moved in plan.moved]
    return "\n".join(lines)


def export_plan(plan: InventoryPlan) -> dict[str, Any]:
    """The plan as plain JSON."""
    return {
        "existing_ips": plan.existing_ips,
        "moved": list(plan.moved),
        "notes": list(plan.notes),
        "changes": [
            {
                "action": change.action.value,
                "kind": change.kind.value,
                "key": change.key,
                "fields": {name: [_text(old), _text(new)] for name, (old, new) in change.fields.items()},
            }
            for change in plan.changes
        ],
    }
