"""The dossier of one listing: what a person needs to find the cause and to ask the list, as one page."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from email_engine.blocklists.likely_causes import ProviderTraffic, likely_causes
from email_engine.quoted import unmarked

LONGEST_RULES = 600
DAYS = 14
"""UTC days of traffic before now."""
SHOWN = 8
"""Rows of each table on the page."""


@dataclass(frozen=True, slots=True)
class PastListing:
    """An earlier or other listing of the IP; `closed_on` None while it stands."""

    list_name: str
    opened_on: date
    closed_on: date | None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Dossier:
    """`reason`: the list's TXT record, "" if it has none. `page`, `rules`: where a person asks and what the operator says about it.
    `campaigns`, `replies`: the most frequent of bad mail with their number, fit to be shown. `neighbours`: own IPs of the same /24
    (IPv6: /64) that are listed now, of `neighbours_in_all`. `waiting`: a line, "" where nothing waits."""

    address: str
    hostname: str
    domain: str
    tenant: str
    stream: str
    pool: str
    state: str
    quarantine_until: datetime | None
    list_name: str
    title: str
    zone: str
    codes: tuple[str, ...]
    sublists: tuple[str, ...]
    reason: str
    opened_at: datetime
    page: str
    rules: str
    first_day: date
    last_day: date
    traffic: tuple[ProviderTraffic, ...] = ()
    campaigns: tuple[tuple[str, int], ...] = ()
    replies: tuple[tuple[str, int], ...] = ()
    history: tuple[PastListing, ...] = ()
    neighbours: tuple[str, ...] = ()
    neighbours_in_all: int = 0
    waiting: str = ""

    @property
    def causes(self) -> tuple[str, ...]:
        return likely_causes(self.sublists, self.traffic, len(self.neighbours))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, with `causes`."""
        return {key: _plain_json(value) for key, value in asdict(self).items()} | {
            "causes": list(self.causes)
        }


def _plain_json(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain_json(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain_json(each) for key, each in value.items()}
    return value


def render_dossier(dossier: Dossier) -> str:
    """The page as Markdown, short enough for a phone; nothing that a stranger wrote becomes markup."""
    d = dossier
    held = f" until {d.quarantine_until:%Y-%m-%d} at least" if d.quarantine_until else ""
    parts = [
        f"**{unmarked(d.address)}** ({unmarked(d.hostname)}) is on **{unmarked(d.title)}** since {d.opened_at:%Y-%m-%d %H:%M} UTC. "
        f"Stream {unmarked(d.tenant)}/{unmarked(d.stream)}, now in {unmarked(d.state)}{held}.",
        f"**What the list says**: {unmarked(', '.join(d.sublists) or 'no sub-list')} ({unmarked(', '.join(d.codes))})"
        + (f": {unmarked(d.reason)}" if d.reason else "; it gives no text"),
        _section("Likely causes, not proven", map(unmarked, d.causes)),
        _section(f"Mail from {d.first_day} to {d.last_day} (UTC) by provider", map(_traffic, d.traffic)),
        _section("Campaigns of the bad mail", (f"{unmarked(name)}: {n}" for name, n in d.campaigns)),
        _section("What receivers said", (f"{unmarked(said)}: {n}" for said, n in d.replies)),
        _section("Listings of this IP before", map(_past, d.history)),
        _around(d),
        unmarked(d.waiting),
        f"**Where to ask**: {d.page or 'the operator names no page'} {unmarked(d.rules, LONGEST_RULES)}".rstrip(),
        "The engine submits nothing: a person asks, once, after the cause is mended.",
    ]
    return "\n\n".join(part for part in parts if part)


def _around(d: Dossier) -> str:
    if not d.neighbours:
        return (
            f"Of {d.neighbours_in_all} more IPs of ours around it none is listed."
            if d.neighbours_in_all
            else ""
        )
    shown = ", ".join(map(unmarked, d.neighbours[:SHOWN]))
    return f"**{len(d.neighbours)} of {d.neighbours_in_all} more IPs of ours around it are listed**: {shown}"


def _traffic(x: ProviderTraffic) -> str:
    return (
        f"{unmarked(x.provider)}: {x.delivered:,} delivered, {x.bounced:,} bounced ({x.unknown_users:,} to nobody, {x.blocked:,} "
        f"refused for reputation), {x.deferred:,} deferrals, {x.complained:,} complaints"
    )


def _past(past: PastListing) -> str:
    end = f"to {past.closed_on}" if past.closed_on else "and still"
    return f"{unmarked(past.list_name)} from {past.opened_on} {end}" + (
        f": {unmarked(past.cause)}" if past.cause else ""
    )


def _section(title: str, lines: Iterable[str]) -> str:
    every = list(lines)
    if not every:
        return ""
    more = [f"- and {len(every) - SHOWN} more"] if len(every) > SHOWN else []
    return "\n".join([f"**{title}**", "", *(f"- {line}" for line in every[:SHOWN]), *more])
