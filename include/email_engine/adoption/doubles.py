"""What only one IP, or only one tenant, may have: where several share it, the draft leaves it open."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from email_engine.adoption.draft import Blank, Sender, TenantDraft
from email_engine.adoption.gaps import Gaps, printable
from email_engine.adoption.reading import Found


def without_doubles(senders: list[tuple[Found, Sender]], gaps: Gaps) -> list[tuple[Found, Sender]]:
    """Domains and host names that several IPs share become blanks: each IP needs its own."""
    found = senders
    for what, attribute in (("sending domain", "domain"), ("host name", "hostname")):
        owners: dict[str, list[Found]] = {}
        for vmta, sender in found:
            value = getattr(sender, attribute)
            if isinstance(value, str):
                owners.setdefault(value, []).append(vmta)
        shared = {value: those for value, those in owners.items() if len(those) > 1}
        for value, those in shared.items():
            named = f"{those[0].name}, {those[1].name}" + (
                f" and {len(those) - 2} more" if len(those) > 2 else ""
            )
            why = f"{what} of {printable(named)}: receivers judge one by the others"
            gaps.add(those[0].place, value, why, f"give each IP a {what} of its own")
        found = [(vmta, _blanked(sender, what, attribute, shared)) for vmta, sender in found]
    return found


def own_keys(tenants: Sequence[TenantDraft]) -> list[str]:
    """A private DKIM key stays the first tenant's that signs with it; the IPs of others need one of their own. Notes for people."""
    owner: dict[str, TenantDraft] = {}
    notes: dict[str, None] = {}
    for tenant in tenants:
        for stream in tenant.streams:
            for number, sender in enumerate(stream.senders):
                path = sender.key_path
                if isinstance(path, Blank) or owner.setdefault(path, tenant) is tenant:
                    continue
                told = f"{printable(path)} is another tenant's, who would be signed for"
                stream.senders[number] = replace(
                    sender, key_path=Blank(f"a private DKIM key of the tenant's own; today's {told}")
                )
                first, other = (printable(str(_called(one))) for one in (owner[path], tenant))
                notes[
                    f"the DKIM key {printable(path)} signs for {first} and {other}: {other} needs keys of its own"
                ] = None
    return list(notes)


def _called(tenant: TenantDraft) -> str:
    return tenant.name if isinstance(tenant.name, str) else "a tenant without a name yet"


def _blanked(sender: Sender, what: str, attribute: str, shared: Mapping[str, list[Found]]) -> Sender:
    value = getattr(sender, attribute)
    if value not in shared:
        return sender
    blank = Blank(f"a {what} of its own; {printable(value)} is shared by {len(shared[value])} IPs")
    if attribute == "domain":
        return replace(sender, domain=blank)
    return replace(sender, hostname=blank)
