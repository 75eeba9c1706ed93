"""`email-engine sweep`: files of IPs and domains against the block lists of a file; nothing is stored and nothing is changed."""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from email_engine.adapters.dns_resolver import Resolver
from email_engine.adapters.nameservers import refuse_public
from email_engine.blocklists.asking import Subject, may_ask
from email_engine.blocklists.config import LONGEST_WAIT, load_blocklists
from email_engine.blocklists.model import BlockList, Health, Listed, Lists, ListStatus, NotKnown, NotListed
from email_engine.blocklists.sweep import BlastRadius, SweepResult, believed, probe_blocklists, sweep
from email_engine.commands.output import add_json, emit
from email_engine.commands.resolver import add_resolver, resolver_of, within
from email_engine.commands.subject_files import read_addresses, read_domains
from email_engine.errors import InputError
from email_engine.fleet.model import IpAddress
from email_engine.plural import amount

KEYS = "EMAIL_ENGINE_LIST_API_KEYS"


def configure(parser: argparse.ArgumentParser) -> None:
    """--zones, --ips, --domains and the resolver."""
    parser.add_argument(
        "--zones", metavar="FILE", type=Path, help="block lists (YAML); default: the file in force"
    )
    parser.add_argument("--ips", metavar="FILE", type=Path, help="one IP a line, # begins a comment")
    parser.add_argument(
        "--domains", metavar="FILE", type=Path, help="one domain or host name a line, for lists of domains"
    )
    parser.add_argument(
        "--confirm-after", type=float, default=0.0, help="seconds before a listing is asked again (default 0)"
    )
    parser.add_argument("--all", action="store_true", help="show every pair, not the listings alone")
    add_resolver(parser)
    add_json(parser)


@dataclass(frozen=True, slots=True)
class _Swept:
    """`lists` in file order; `why_not`: lists that were not asked, by name."""

    subjects: Sequence[Subject]
    lists: Sequence[BlockList]
    healths: Mapping[str, Health]
    why_not: Mapping[str, str]
    result: SweepResult
    seconds: float

    def verdict(self, subject: Subject, blocklist: BlockList) -> Listed | NotListed | NotKnown:
        """Of every pair; what could not be asked is unknown, with the reason."""
        found = self.result.verdicts.get((subject, blocklist.name))
        if found is not None:
            return found
        if blocklist.name in self.why_not:
            return NotKnown(f"not asked: {self.why_not[blocklist.name]}")
        health = self.healths[blocklist.name]
        if not health.healthy:
            return NotKnown(f"not asked: {health.reason}")
        if blocklist.name in self.result.left_out:
            return NotKnown("not asked: the limit of questions a day is reached")
        if blocklist.ipv6:
            return NotKnown("not asked: the list's IPv6 test points failed")
        return NotKnown("not asked: the list has no IPv6 addresses")

    def pairs(self) -> list[tuple[Subject, BlockList]]:
        return [(subject, x) for subject in self.subjects for x in self.lists if _of_kind(subject, x)]

    def listed(self) -> list[tuple[Subject, BlockList, Listed]]:
        found = [(subject, x, self.result.verdicts.get((subject, x.name))) for subject, x in self.pairs()]
        return [(subject, x, verdict) for subject, x, verdict in found if isinstance(verdict, Listed)]


def _of_kind(subject: Subject, blocklist: BlockList) -> bool:
    return isinstance(subject, str) is (blocklist.lists is Lists.DOMAINS)


def run(args: argparse.Namespace) -> int:
    """Exit 0: everything that can be asked was asked, and nothing is listed. Lists that are retired, lack their key or list
    something else count only when nothing was asked at all."""
    resolver = resolver_of(args)
    refuse_public("--resolver", resolver.nameservers[0][0])
    within("--confirm-after", args.confirm_after, 0, LONGEST_WAIT, "seconds", zero=True)
    subjects = _subjects(args)
    swept = _sweep(args, resolver, load_blocklists(args.zones)[0], subjects)
    emit(args, _export(swept), _render(swept, args.all))
    whole = _whole(swept)
    if not swept.result.verdicts:
        print(f"nothing was asked: {_why_nothing(swept)}", file=sys.stderr)
    return 0 if whole and not swept.listed() else 1


def _subjects(args: argparse.Namespace) -> list[Subject]:
    if args.ips is None and args.domains is None:
        raise InputError("sweep", "neither --ips nor --domains", "a file of either, or both", "name a file")
    ips: list[IpAddress] = [] if args.ips is None else read_addresses(args.ips)
    return [*ips, *([] if args.domains is None else read_domains(args.domains))]


def _sweep(
    args: argparse.Namespace, resolver: Resolver, lists: Sequence[BlockList], subjects: Sequence[Subject]
) -> _Swept:
    keys = read_keys(os.environ.get(KEYS, ""))
    why_not = {x.name: why for x in lists if (why := _why_not(x, keys, subjects))}
    healths = probe_blocklists(
        [x for x in lists if x.name not in why_not], keys, resolver.resolve_many, token_hex(12)
    )
    healthy = {health.list_name for health in healths if health.healthy}
    began = time.monotonic()
    result = sweep(
        subjects,
        believed(lists, healthy, {health.list_name for health in healths if health.ipv6}),
        keys,
        {},
        resolver.resolve_many,
        resolver.resolve_many,
        lambda: time.sleep(args.confirm_after),
        BlastRadius(share_rate=1.0),
    )
    by_name = {health.list_name: health for health in healths}
    return _Swept(subjects, lists, by_name, why_not, result, time.monotonic() - began)


def _why_not(blocklist: BlockList, keys: Mapping[str, str], subjects: Sequence[Subject]) -> str:
    if blocklist.status is ListStatus.RETIRED:
        return f"retired: {blocklist.message}"
    if blocklist.zone_to_ask(keys) is None:
        return f"it needs the key {blocklist.key}, see {KEYS}"
    if not any(_of_kind(subject, blocklist) for subject in subjects):
        kind = blocklist.lists.value
        return f"it lists {kind if kind == 'domains' else 'IPs'}, and no --{kind} were given"
    return ""


def _whole(swept: _Swept) -> bool:
    """Was everything asked that can be, and every subject of at least one list?"""
    sure = {
        subject
        for (subject, _), verdict in swept.result.verdicts.items()
        if not isinstance(verdict, NotKnown)
    }
    could = [
        (subject, x) for subject, x in swept.pairs()
        if x.name not in swept.why_not and may_ask(x, subject)
    ]  # fmt: skip
    asked = all(not isinstance(swept.verdict(subject, x), NotKnown) for subject, x in could)
    return asked and sure == set(swept.subjects)


def _why_nothing(swept: _Swept) -> str:
    reasons = [f"{name}: {why}" for name, why in swept.why_not.items()]
    reasons += [f"{name}: {health.reason}" for name, health in swept.healths.items() if not health.healthy]
    reasons += [f"{name}: no IPv6" for name, health in swept.healths.items() if health.healthy]
    return "; ".join(reasons) or "the file has no list"


def read_keys(text: str) -> dict[str, str]:
    """`spamhaus=KEY,abusix=KEY`, as the environment holds it; what is no pair is left out, so that no key is shown."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): key.strip() for name, equals, key in pairs if equals}


def _export(swept: _Swept) -> dict[str, Any]:
    return {
        "lists": [{"name": x.name, **_health(swept, x)} for x in swept.lists],
        "results": [_row(swept, subject, x) for subject, x in swept.pairs()],
        "seconds": round(swept.seconds, 3),
    }


def _health(swept: _Swept, blocklist: BlockList) -> dict[str, str]:
    if blocklist.status is ListStatus.RETIRED:
        return {"health": "retired", "reason": blocklist.message}
    if blocklist.name in swept.why_not:
        return {"health": "not_asked", "reason": swept.why_not[blocklist.name]}
    health = swept.healths[blocklist.name]
    fault = swept.result.faults.get(blocklist.name, "")
    return {"health": "healthy" if health.healthy and not fault else "sick", "reason": health.reason or fault}


def _row(swept: _Swept, subject: Subject, blocklist: BlockList) -> dict[str, Any]:
    verdict = swept.verdict(subject, blocklist)
    row: dict[str, Any] = {
        "domain" if isinstance(subject, str) else "ip": str(subject),
        "list": blocklist.name,
        "verdict": "not_listed",
        "codes": [],
        "sublists": [],
        "classes": [],
        "severity": None,
        "reason": "",
    }
    match verdict:
        case Listed():
            return row | {
                "verdict": "listed",
                "codes": list(verdict.codes),
                "sublists": list(verdict.sublists),
                "classes": [one.value for one in verdict.classes],
                "severity": verdict.severity.value,
                "reason": swept.result.reasons.get((subject, blocklist.name), ""),
            }
        case NotKnown(reason=reason):
            return row | {"verdict": "unknown", "reason": reason}
        case _:
            return row


def _render(swept: _Swept, every: bool) -> str:
    asked = sum(swept.result.asked.values())
    lines = [f"{_counted(swept.subjects)}, {amount(asked, 'question')} in {swept.seconds:.1f} s"]
    unknown = swept.result.unknown()
    for x in swept.lists:
        if x.name in swept.why_not:
            lines.append(f"  {x.name}: not asked: {swept.why_not[x.name]}")
            continue
        health, count = swept.healths[x.name], unknown.get(x.name, 0)
        fault = swept.result.faults.get(x.name)
        state = f"healthy, {count} unknown" if count else "healthy"
        state += f" (it refused us: {fault})" if fault else ""
        lines.append(f"  {x.name}: {state if health.healthy else 'NOT BELIEVED: ' + health.reason}")
    found = swept.listed()
    lines.append(_headline(swept, len(found)))
    lines += [_line(swept, subject, x, verdict) for subject, x, verdict in found]
    rest = [(subject, x, swept.verdict(subject, x)) for subject, x in swept.pairs()]
    for subject, x, verdict in rest:
        if isinstance(verdict, NotKnown) and (
            every or (x.name not in swept.why_not and swept.healths[x.name].healthy)
        ):
            lines.append(f"  {subject} on {x.name}: UNKNOWN: {verdict.reason}")
        elif every and isinstance(verdict, NotListed):
            lines.append(f"  {subject} on {x.name}: not listed")
    return "\n".join(lines)


def _counted(subjects: Sequence[Subject]) -> str:
    domains = sum(isinstance(subject, str) for subject in subjects)
    parts = [amount(len(subjects) - domains, "IP")] if len(subjects) > domains else []
    return ", ".join(parts + ([amount(domains, "domain")] if domains else []))


def _headline(swept: _Swept, listings: int) -> str:
    if listings:
        return amount(listings, "listing")
    if not swept.result.verdicts:
        told = "no list can be believed through this resolver" if swept.healths else "nothing was asked"
        return f"nothing is known: {told}"
    if not any(not isinstance(verdict, NotKnown) for verdict in swept.result.verdicts.values()):
        return "nothing is known: no question was answered"
    return "no listing" if _whole(swept) else "no listing among what was answered; the rest is unknown"


def _line(swept: _Swept, subject: Subject, blocklist: BlockList, verdict: Listed) -> str:
    reason = swept.result.reasons.get((subject, blocklist.name), "")
    what = f"{', '.join(verdict.sublists)} ({', '.join(verdict.codes)}; {verdict.list_class}, {verdict.severity})"
    return f"  {subject} on {blocklist.name}: {what}{'  ' + reason if reason else ''}"
