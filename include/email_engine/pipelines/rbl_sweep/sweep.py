"""The first round of a sweep: every list is asked about every IP; what is new waits to be asked again."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from email_engine.blocklists.config import load_blocklists, load_confirm_after
from email_engine.blocklists.decide import OpenListing
from email_engine.blocklists.model import BlockList, Listed, NotKnown, NotListed
from email_engine.blocklists.sweep import BlastRadius, FirstRound, believed, first_round
from email_engine.fleet.model import IpRecord, IpState
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.reputation.named import ListAnswer
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips, mark_swept
from email_engine.store.stops.listings import open_listings
from email_engine.store.stops.named_lists import to_ask, write_answers
from email_engine.warmup.policy_file import load_policy

log = logging.getLogger(__name__)


def sweep(store: Store, clients: Clients, health: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """Asks every list that `probe` found healthy about every IP. What is new is to be asked again after param
    `confirm_after` (seconds) or, where that is empty, after what the block-list file says: `confirm` does it.

    Returns what `confirm` needs, however much later and on whichever worker:

    - `due`: when what is new may be asked again (ISO, UTC); None where nothing is new.
    - `tenants`: one dict for each tenant that something was found for: `tenant`, `listed`, `clean` (open listings that were
      answered "not listed"), `unknown` (list to number of its IPs). A listing with `ask_again` (an address) is new.
    - `swept`: ids of IPs with something new about which a list answered for good. The others are marked as swept already.
    - `lists`: `asked`, `unknown` and `held` (numbers by list), `faults` (texts by list)."""
    wait = _confirm_after(run)
    lists = believed(load_blocklists()[0], health["healthy"], health["ipv6"])
    with store.session(tenant="*") as conn:
        records, standing = load_ips(conn, day=run.as_of.date()), open_listings(conn)
    records = tuple(ip for ip in records if ip.state is not IpState.ABANDONED)
    by_id = {ip.ip_id: ip.address for ip in records}
    first = first_round(
        [ip.address for ip in records],
        lists,
        clients.blocklist_keys(),
        {(by_id[x.ip_id], x.list_name): x.codes for x in standing if x.ip_id in by_id},
        clients.resolver().resolve_many,
        BlastRadius(share_rate=float(run.params.get("blast_radius_rate", 0.10))),
    )
    due = datetime.now(UTC) + wait if first.new else None
    log.info("%d IPs, asked %s, unknown %s", len(records), dict(first.asked), first.unknown())
    if due is not None:
        log.info("new: %d; they are asked again at %s", len(first.new), f"{due:%H:%M:%S} UTC")
    new, answered = {address for address, _ in first.new}, first.answered()
    swept = [ip for ip in records if ip.address in answered]
    if not run.dry_run:
        with store.session(tenant="*") as conn:
            mark_swept(conn, [ip.ip_id for ip in swept if ip.address not in new], run.as_of)
            _note_answers(conn, records, first, run)
    return {
        "due": due.isoformat() if due is not None else None,
        "tenants": _by_tenant(records, {x.name: x for x in lists}, standing, first),
        "swept": [ip.ip_id for ip in swept if ip.address in new],
        "lists": {
            "asked": dict(first.asked),
            "unknown": first.unknown(),
            "held": dict(first.held),
            "faults": dict(first.faults),
        },
    }


def _note_answers(conn: Connection, records: Sequence[IpRecord], first: FirstRound, run: Run) -> None:
    """What lists said about IPs for which receivers named them: a suspicion ends with it. A listing is asked for twice first."""
    asked = to_ask(conn, run.as_of.date(), load_policy().named_lists.days, load_blocklists()[0])
    ids = {ip.address: ip.ip_id for ip in records}
    said = [
        (ids[address], name, ListAnswer.LISTED if isinstance(verdict, Listed) else ListAnswer.NOT_LISTED)
        for (address, name), verdict in first.verdicts.items()
        if ids[address] in asked.get(name, ())
        and (
            isinstance(verdict, NotListed)
            or (isinstance(verdict, Listed) and (address, name) not in first.new)
        )
    ]
    write_answers(conn, said, datetime.now(UTC))


def _confirm_after(run: Run) -> timedelta:
    asked = run.params.get("confirm_after")
    return load_confirm_after() if asked is None else timedelta(seconds=float(asked))


def _by_tenant(
    records: Sequence[IpRecord],
    lists: Mapping[str, BlockList],
    standing: Sequence[OpenListing],
    first: FirstRound,
) -> list[dict[str, Any]]:
    by_address = {ip.address: ip for ip in records}
    known = {(x.ip_id, x.list_name) for x in standing}
    found: dict[str, dict[str, Any]] = {}
    for pair, verdict in first.verdicts.items():
        ip = by_address[pair[0]]
        item = found.setdefault(ip.tenant, {"tenant": ip.tenant, "listed": [], "clean": [], "unknown": {}})
        if isinstance(verdict, Listed):
            again = {"ask_again": str(ip.address)} if pair in first.new else {}
            item["listed"].append(_listing(ip.ip_id, lists[pair[1]], verdict) | again)
        elif isinstance(verdict, NotListed) and (ip.ip_id, pair[1]) in known:
            item["clean"].append({"ip_id": ip.ip_id, "list": pair[1]})
        elif isinstance(verdict, NotKnown):
            item["unknown"][pair[1]] = item["unknown"].get(pair[1], 0) + 1
    return [found[t] for t in sorted(found) if found[t]["listed"] or found[t]["clean"]]


def _listing(ip_id: int, blocklist: BlockList, verdict: Listed) -> dict[str, Any]:
    return {
        "ip_id": ip_id,
        "list": blocklist.name,
        "zone": blocklist.zone,
        "codes": list(verdict.codes),
        "sublists": list(verdict.sublists),
        "class": verdict.list_class.value,
        "severity": verdict.severity.value,
        "severe": verdict.severe,
        "reason": "",
    }
