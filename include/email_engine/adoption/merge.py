"""Drafts of several hosts as one: a pool that two hosts have under one name is one stream."""

from collections.abc import Sequence
from dataclasses import replace

from email_engine.adoption.doubles import own_keys
from email_engine.adoption.draft import FleetDraft, StreamDraft, TenantDraft


def merge_drafts(drafts: Sequence[FleetDraft], made_by: str) -> FleetDraft:
    """At least one; each of one host. Every IP knows its host afterwards."""
    several = len(drafts) > 1  # whose files mostly have the same path
    sources = [f"{draft.source} of {draft.host}" if several else draft.source for draft in drafts]
    merged = FleetDraft([], ", ".join(sources), [], made_by=made_by)
    for draft in drafts:
        merged.hosts += draft.hosts
        merged.kept += [
            replace(one, file=f"{draft.host}, {one.file}") if several else one for one in draft.kept
        ]
        merged.notes += [f"{draft.host}: {note}" if several else note for note in draft.notes]
        for tenant in draft.tenants:
            _tenant(merged, tenant, draft.host)
    named = [tenant for tenant in merged.tenants if tenant.streams]
    merged.tenants = named or merged.tenants[:1]
    merged.notes += own_keys(merged.tenants)
    return merged


def _tenant(merged: FleetDraft, tenant: TenantDraft, host: str) -> None:
    mine = next((one for one in merged.tenants if one.name == tenant.name), None)
    if mine is None:
        mine = TenantDraft(tenant.name)
        merged.tenants.append(mine)
    mine.submitters |= {
        address: origin for address, origin in tenant.submitters.items() if address not in mine.submitters
    }
    for stream in tenant.streams:
        there = next(
            (one for one in mine.streams if (one.name, one.pool) == (stream.name, stream.pool)), None
        )
        if there is None:
            there = StreamDraft(stream.name, stream.pool)
            mine.streams.append(there)
        there.senders += [replace(sender, host=host) for sender in stream.senders]
