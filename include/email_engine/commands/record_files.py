"""`email-engine fleet records`: what to publish in DNS, in the form that its owner wants, and what is not published yet."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from email_engine.adapters.written_files import write_files
from email_engine.commands.resolver import default_resolver, resolver_of
from email_engine.dns_answers import ResolveMany
from email_engine.dnsauth.by_hand import parse_domain, remembering
from email_engine.errors import InputError
from email_engine.fleet.config_file import read_text
from email_engine.fleet.model import Fleet, SendingIp
from email_engine.fleet.ranges import parse_address
from email_engine.fleet.read import read_fleet
from email_engine.records.choices import parse_choices
from email_engine.records.keys_file import parse_keys
from email_engine.records.model import DnsRecord, RecordState
from email_engine.records.octodns import render_octodns
from email_engine.records.table import for_people, records_json, render_csv, render_table, told
from email_engine.records.units import senders_of
from email_engine.records.wanted import ask_records, records_of
from email_engine.records.zone_file import render_zone, serial_at
from email_engine.records.zones import asked_zones, by_zone

NOT_ASKED = (
    "Nobody was asked what stands in DNS: a record here may take the place of one that is needed. "
    "With --resolver ADDRESS:PORT what stands there is kept and extended."
)

SILENT = (
    "The resolver {} answered nothing, so nothing is known of what stands in DNS. Next: name one that answers (--resolver ADDRESS:PORT, or "
    "EMAIL_ENGINE_RESOLVER)."
)


def write_records(args: argparse.Namespace) -> int:
    """With --missing 0 if all is published, 1 if something is missing or unknown; else 0."""
    fleet = read_fleet(args.file)
    chosen = _chosen(args, fleet)
    keys = {}
    if args.keys:
        domains = frozenset(ip.domain for ip in fleet.ips)
        keys = parse_keys(read_text(args.keys, "keys file"), args.keys.name, domains)
    choices = parse_choices(args.mx, args.rua)
    servers = [parse_domain("--name-server", name) for name in args.name_server]
    ask = _ask(args)
    if ask is None:
        found = records_of(fleet, keys, choices=choices, chosen=chosen)
        print(NOT_ASKED, file=sys.stderr)
    else:
        found = ask_records(fleet, keys, ask, choices, chosen)
    shown = _missing(found, args.format) if args.missing else found
    _hand_over(args, _texts(args, shown, servers, ask))
    print(told(for_people(found)), file=sys.stderr)
    if ask is not None and found and all(record.state is RecordState.UNKNOWN for record in for_people(found)):
        print(SILENT.format(args.resolver), file=sys.stderr)
    return 1 if args.missing and _missing(found, "table") else 0


def _ask(args: argparse.Namespace) -> ResolveMany | None:
    if args.resolver is None and not args.missing:
        return None
    args.resolver = args.resolver or default_resolver()
    return remembering(resolver_of(args).resolve_many)


def _chosen(args: argparse.Namespace, fleet: Fleet) -> tuple[SendingIp, ...] | None:
    given = {
        flag: value
        for flag in ("tenant", "stream", "domain", "ip")
        if (value := getattr(args, flag)) is not None
    }
    if not given:
        return None
    if "domain" in given:
        given["domain"] = parse_domain("--domain", given["domain"])
    if "ip" in given:
        try:
            given["ip"] = str(parse_address(given["ip"].strip()))
        except ValueError as error:
            raise InputError("--ip", str(error), "a public IP address of the fleet", "correct it") from None
    chosen = tuple(senders_of(fleet))
    for flag, value in given.items():
        field = "address" if flag == "ip" else flag
        known = [ip for ip in chosen if str(getattr(ip, field)) == value]
        if not known:
            others = " and ".join(f"--{name} {given[name]}" for name in given if name != flag)
            raise InputError(
                f"--{flag}",
                f"no IP of the fleet{f' with {others}' if others else ''} has {field} {value!r}",
                f"a {field} of the fleet file",
                "correct it, or see `email-engine fleet export`",
            )
        chosen = tuple(known)
    return chosen


def _missing(found: Sequence[DnsRecord], form: str) -> tuple[DnsRecord, ...]:
    """What is not kept; in files that replace whole sets of records also the rest of those sets."""
    missing = [record for record in found if record.state is not RecordState.KEPT]
    if form not in ("zone", "octodns"):
        return tuple(missing)
    sets = {(record.name, record.rdtype) for record in missing if record.stands_in_files}
    return tuple(
        record
        for record in found
        if record.state is not RecordState.KEPT or (record.name, record.rdtype) in sets
    )


def _texts(
    args: argparse.Namespace, found: Sequence[DnsRecord], servers: Sequence[str], ask: ResolveMany | None
) -> dict[str, str]:
    """File name to text."""
    if args.json:
        value = {
            "asked": ask is not None,
            "states": {
                str(state): sum(record.state is state for record in for_people(found))
                for state in RecordState
            },
            "records": records_json(for_people(found)),
        }
        return {"records.json": json.dumps(value, indent=2, ensure_ascii=False) + "\n"}
    if args.format == "table":
        text = render_table(for_people(found))
        return {"records.txt": f"{text}\n" if text else ""}
    if args.format == "csv":
        return {"records.csv": render_csv(for_people(found))}
    zones = by_zone(found, asked_zones((record.name for record in found), ask) if ask else {})
    if args.format == "octodns":
        return {f"{zone.name}.yaml": render_octodns(zone, records) for zone, records in zones.items()}
    serial = serial_at(datetime.now(UTC))
    return {
        f"{zone.name}.zone": render_zone(zone, records, servers, serial) for zone, records in zones.items()
    }


def _hand_over(args: argparse.Namespace, texts: dict[str, str]) -> None:
    if args.out is None:
        print("\n".join(texts.values()), end="")
        return
    done = write_files(args.out, texts, args.force)
    for name in done.written:
        print(f"written: {args.out / name}")
    for name in done.unchanged:
        print(f"unchanged: {args.out / name}")
