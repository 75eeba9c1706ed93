"""`email-engine sweep`: a file of IPs against the block lists of a file; nothing is stored and nothing is changed."""

import argparse
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from secrets import token_hex
from typing import Any

from email_engine.adapters.dns_resolver import Resolver
from email_engine.adapters.nameservers import parse_nameserver, refuse_public
from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.model import BlockList, Health, Listed, ListStatus
from email_engine.blocklists.sweep import BlastRadius, SweepResult, believed, probe_blocklists, sweep
from email_engine.commands.output import add_json, emit
from email_engine.errors import InputError
from email_engine.fleet.model import IpAddress
from email_engine.plural import amount

RESOLVER = "EMAIL_ENGINE_RESOLVER"
KEYS = "EMAIL_ENGINE_LIST_API_KEYS"


def add_resolver(parser: argparse.ArgumentParser) -> None:
    """The flags `--resolver`, `--timeout` and `--tries`."""
    default = os.environ.get(RESOLVER, "127.0.0.1:53")
    parser.add_argument(
        "--resolver", metavar="ADDRESS:PORT", default=default, help=f"default: {RESOLVER}, else 127.0.0.1:53"
    )
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds for one try (default 2)")
    parser.add_argument("--tries", type=int, default=3, help="before an answer is unknown (default 3)")


def configure(parser: argparse.ArgumentParser) -> None:
    """--zones, --ips and the resolver."""
    parser.add_argument(
        "--zones", metavar="FILE", type=Path, help="block lists (YAML); default: the file in force"
    )
    parser.add_argument(
        "--ips", metavar="FILE", type=Path, required=True, help="one IP a line, # begins a comment"
    )
    parser.add_argument(
        "--confirm-after", type=float, default=0.0, help="seconds before a listing is asked again (default 0)"
    )
    add_resolver(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Exit 1 if an IP is listed or a list could not be believed."""
    nameserver = parse_nameserver(args.resolver, "--resolver")
    refuse_public("--resolver", nameserver[0])
    resolver = Resolver([nameserver], timeout=args.timeout, tries=args.tries)
    lists, _ = load_blocklists(args.zones)
    addresses = read_addresses(args.ips)
    keys = read_keys(os.environ.get(KEYS, ""))
    healths = probe_blocklists(lists, keys, resolver.resolve_many, token_hex(12))
    healthy = {health.list_name for health in healths if health.healthy}
    began = time.monotonic()
    result = sweep(
        addresses,
        believed(lists, healthy, {health.list_name for health in healths if health.ipv6}),
        keys,
        {},
        resolver.resolve_many,
        resolver.resolve_many,
        lambda: time.sleep(args.confirm_after),
        BlastRadius(share_rate=1.0),
    )
    seconds = time.monotonic() - began
    emit(
        args,
        _export(lists, healths, result, seconds),
        _render(lists, healths, result, len(addresses), seconds),
    )
    return 1 if _listed(result) or len(healthy) < len(healths) or result.unknown() else 0


def read_addresses(path: Path) -> list[IpAddress]:
    """One IPv4 or IPv6 address a line. Raises InputError with every line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            str(path), f"cannot be read: {type(error).__name__}", "a text file of IPs", "check the path"
        ) from None
    found: dict[IpAddress, None] = {}
    mistakes = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        try:
            found |= {ip_address(text): None} if text else {}
        except ValueError:
            mistakes.append(f"line {number}: {text!r}")
    if mistakes:
        raise InputError(str(path), "; ".join(mistakes), "one IP address a line", "correct the file")
    return list(found)


def read_keys(text: str) -> dict[str, str]:
    """`spamhaus=KEY,abusix=KEY`, as the environment holds it; what is no pair is left out, so that no key is shown."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): key.strip() for name, equals, key in pairs if equals}


def _listed(result: SweepResult) -> list[tuple[IpAddress, str, Listed]]:
    return [(*pair, v) for pair, v in result.verdicts.items() if isinstance(v, Listed)]


def _export(
    lists: tuple[BlockList, ...], healths: tuple[Health, ...], result: SweepResult, seconds: float
) -> dict[str, Any]:
    return {
        "lists": [asdict(health) for health in healths],
        "not_asked": _not_asked(lists, healths),
        "listed": [
            {
                "ip": str(address),
                "list": name,
                "codes": list(v.codes),
                "sublists": list(v.sublists),
                "class": v.list_class.value,
                "severity": v.severity.value,
                "reason": result.reasons.get((address, name), ""),
            }
            for address, name, v in _listed(result)
        ],
        "unknown": result.unknown(),
        "asked": dict(result.asked),
        "seconds": round(seconds, 3),
    }


def _not_asked(lists: tuple[BlockList, ...], healths: tuple[Health, ...]) -> Mapping[str, str]:
    probed = {health.list_name for health in healths}
    return {
        x.name: x.message if x.status is ListStatus.RETIRED else f"needs the key {x.key}, see {KEYS}"
        for x in lists
        if x.name not in probed
    }


def _render(
    lists: tuple[BlockList, ...], healths: tuple[Health, ...], result: SweepResult, ips: int, seconds: float
) -> str:
    lines = [f"{amount(ips, 'IP')}, {amount(sum(result.asked.values()), 'question')} in {seconds:.1f} s"]
    for health in healths:
        unknown = result.unknown().get(health.list_name, 0)
        state = f"healthy, {unknown} unknown" if unknown else "healthy"
        lines.append(f"  {health.list_name}: {state if health.healthy else 'NOT BELIEVED: ' + health.reason}")
    lines += [f"  {name}: not asked: {why}" for name, why in _not_asked(lists, healths).items()]
    found = _listed(result)
    believed = any(health.healthy for health in healths)
    if found:
        lines.append(amount(len(found), "listing"))
    else:
        lines.append(
            "no listing" if believed else "nothing is known: no list can be believed through this resolver"
        )
    for address, name, v in found:
        reason = result.reasons.get((address, name), "")
        what = f"{', '.join(v.sublists)} ({', '.join(v.codes)}; {v.list_class}, {v.severity})"
        lines.append(f"  {address} on {name}: {what}{'  ' + reason if reason else ''}")
    return "\n".join(lines)
