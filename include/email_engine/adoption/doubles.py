"""What only one IP may have: where several share it, it is nobody's."""

from collections.abc import Mapping
from dataclasses import replace

from email_engine.adoption.draft import Blank, Sender
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


def _blanked(sender: Sender, what: str, attribute: str, shared: Mapping[str, list[Found]]) -> Sender:
    value = getattr(sender, attribute)
    if value not in shared:
        return sender
    blank = Blank(f"a {what} of its own; {printable(value)} is shared by {len(shared[value])} IPs")
    if attribute == "domain":
        return replace(sender, domain=blank)
    return replace(sender, hostname=blank)
