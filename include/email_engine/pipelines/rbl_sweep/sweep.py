"""The first round of a sweep: every list is asked about every IP; what is new waits to be asked again."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from email_engine.blocklists.asking import LONGEST_PACED, Pair
from email_engine.blocklists.config import load_blocklists, load_confirm_after, load_every_hours
from email_engine.blocklists.decide import OpenListing
from email_engine.blocklists.domains import all_names, names_of
from email_engine.blocklists.model import BlockList, Listed, ListVerdict, NotKnown, NotListed
from email_engine.blocklists.named import as_watched, unwatched
from email_engine.blocklists.sweep import BlastRadius, FirstRound, believed, first_round
from email_engine.fleet.model import IpRecord, IpState
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.reputation.named import ListAnswer
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips, mark_swept
from email_engine.store.stops.domain_listings import open_domain_listings
from email_engine.store.stops.list_questions import add_questions, asked_before
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
      answered "not listed"), `unknown` (list to number of its IPs), `domains` (its own `listed` and `clean`). A listing with
      `ask_again` (an address or a domain) is new.
    - `swept`: ids of IPs with something new about which a list answered for good. The others are marked as swept already.
    - `lists`: `asked`, `unknown`, `held` and `left_out` (numbers by list; of a list whose limits are too small for the fleet),
      `faults` (texts by list)."""
    wait = _confirm_after(run)
    all_lists = load_blocklists()[0]
    lists = believed(all_lists, health["healthy"], health["ipv6"])
    with store.session(tenant="*") as conn:
        records, standing = load_ips(conn, day=run.as_of.date()), as_watched(open_listings(conn), all_lists)
        of_domains, today = open_domain_listings(conn), asked_before(conn, datetime.now(UTC).date())
    of_domains = {key: as_watched(some, all_lists) for key, some in of_domains.items()}
    records = tuple(ip for ip in records if ip.state is not IpState.ABANDONED)
    by_id = {ip.ip_id: ip.address for ip in records}
    codes: dict[Pair, tuple[str, ...]] = {
        (domain, x.list_name): x.codes for (_, domain), some in of_domains.items() for x in some
    }
    codes |= {(by_id[x.ip_id], x.list_name): x.codes for x in standing if x.ip_id in by_id}
    first = first_round(
        [*(ip.address for ip in records), *all_names(records)],
        lists,
        clients.blocklist_keys(),
        codes,
        clients.resolver().resolve_many,
        BlastRadius(share_rate=float(run.params.get("blast_radius_rate", 0.10))),
        today,
    )
    due = datetime.now(UTC) + wait if first.new else None
    log.info("%d IPs, asked %s, unknown %s", len(records), dict(first.asked), first.unknown())
    if due is not None:
        log.info("new: %d; they are asked again at %s", len(first.new), f"{due:%H:%M:%S} UTC")
    new, answered = {address for address, _ in first.new}, first.answered()
    swept = [ip for ip in records if ip.address in answered]
    if not run.dry_run:
        with store.session(tenant="*") as conn:
            add_questions(conn, datetime.now(UTC).date(), first.asked)
            mark_swept(conn, [ip.ip_id for ip in swept if ip.address not in new], run.as_of)
            _note_answers(conn, records, first, run)
    return {
        "due": due.isoformat() if due is not None else None,
        "tenants": _by_tenant(records, all_lists, standing, of_domains, first),
        "swept": [ip.ip_id for ip in swept if ip.address in new],
        "lists": {
            "asked": dict(first.asked),
            "unknown": first.unknown(),
            "held": dict(first.held),
            "left_out": {
                x.name: first.left_out[x.name]
                for x in lists
                if first.left_out.get(x.name, 0) and _too_small(x, len(records))
            },
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
        if ids.get(address) in asked.get(name, ())
        and (
            isinstance(verdict, NotListed)
            or (isinstance(verdict, Listed) and (address, name) not in first.new)
        )
    ]
    write_answers(conn, said, datetime.now(UTC))


def _too_small(blocklist: BlockList, subjects: int) -> bool:
    """Is a whole day of its limits too little to ask about everything once?"""
    a_day, a_second = blocklist.limits.a_day, blocklist.limits.a_second
    sweeps = 24 // load_every_hours()
    return (a_day is not None and a_day < subjects) or (
        a_second is not None and a_second * LONGEST_PACED * sweeps < subjects
    )


def _confirm_after(run: Run) -> timedelta:
    asked = run.params.get("confirm_after")
    return load_confirm_after() if asked is None else timedelta(seconds=float(asked))


def _by_tenant(
    records: Sequence[IpRecord],
    all_lists: Sequence[BlockList],
    standing: Sequence[OpenListing],
    of_domains: Mapping[tuple[str, str], Sequence[OpenListing]],
    first: FirstRound,
) -> list[dict[str, Any]]:
    lists, by_address = {x.name: x for x in all_lists}, {ip.address: ip for ip in records}
    owners: dict[str, set[str]] = {}
    for ip in records:
        for name in names_of(ip):
            owners.setdefault(name, set()).add(ip.tenant)
    known: set[tuple[Any, str]] = {(x.ip_id, x.list_name) for x in standing}
    known |= {((tenant, name), x.list_name) for (tenant, name), some in of_domains.items() for x in some}
    found: dict[str, dict[str, Any]] = {}
    for pair, verdict in first.verdicts.items():
        again = {"ask_again": str(pair[0])} if pair in first.new else {}
        if isinstance(pair[0], str):
            for tenant in owners[pair[0]]:
                of_domain = _of_tenant(found, tenant)["domains"]
                key = (tenant, pair[0])
                _sort(of_domain, {"domain": pair[0]}, lists[pair[1]], verdict, again, (key, pair[1]) in known)
            continue
        ip = by_address[pair[0]]
        item = _of_tenant(found, ip.tenant)
        _sort(item, {"ip_id": ip.ip_id}, lists[pair[1]], verdict, again, (ip.ip_id, pair[1]) in known)
        if isinstance(verdict, NotKnown):
            item["unknown"][pair[1]] = item["unknown"].get(pair[1], 0) + 1
    tenants = {ip.ip_id: ip.tenant for ip in records}
    for x in unwatched(standing, all_lists):
        if x.ip_id in tenants:
            _of_tenant(found, tenants[x.ip_id])["clean"].append(
                {"ip_id": x.ip_id, "list": x.list_name, "unwatched": True}
            )
    for (tenant, name), some in of_domains.items():
        _of_tenant(found, tenant)["domains"]["clean"] += [
            {"domain": name, "list": x.list_name, "unwatched": True} for x in unwatched(some, all_lists)
        ]
        if tenant not in owners.get(
            name, ()
        ):  # nobody has the name any more: `decide` closes what stands about it
            left = _of_tenant(found, tenant)["domains"]
            left["clean"] += [{"domain": name, "list": x.list_name} for x in some]
    return [found[t] for t in sorted(found) if something(found[t]) or something(found[t]["domains"])]


def _of_tenant(found: dict[str, dict[str, Any]], tenant: str) -> dict[str, Any]:
    empty = {
        "tenant": tenant,
        "listed": [],
        "clean": [],
        "unknown": {},
        "domains": {"listed": [], "clean": []},
    }
    return found.setdefault(tenant, empty)


def something(found: Mapping[str, Any]) -> bool:
    """Is anything listed, or off a list on which it stood?"""
    return bool(found["listed"] or found["clean"])


def _sort(
    into: dict[str, Any],
    subject: Mapping[str, Any],
    blocklist: BlockList,
    verdict: ListVerdict,
    again: dict[str, str],
    known: bool,
) -> None:
    if isinstance(verdict, Listed):
        into["listed"].append(_listing(subject, blocklist, verdict) | again)
    elif isinstance(verdict, NotListed) and known:
        into["clean"].append({**subject, "list": blocklist.name})


def _listing(subject: Mapping[str, Any], blocklist: BlockList, verdict: Listed) -> dict[str, Any]:
    return {
        **subject,
        "list": blocklist.name,
        "zone": blocklist.zone,
        "codes": list(verdict.codes),
        "sublists": list(verdict.sublists),
        "class": verdict.list_class.value,
        "severity": verdict.severity.value,
        "severe": verdict.severe,
        "reason": "",
    }
