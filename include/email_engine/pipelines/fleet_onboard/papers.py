"""What a person carries elsewhere, as files beside the fleet file: DNS records, delivery servers, and the fleet file before."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from email_engine.dns_answers import ResolveMany
from email_engine.fleet.model import SendingIp
from email_engine.onboarding.plan import OnboardPlan
from email_engine.onboarding.sheet import backend_checklist, delivery_servers_csv
from email_engine.records.model import Choices, DnsRecord, Keys, RecordState
from email_engine.records.octodns import render_octodns
from email_engine.records.table import for_people, render_csv, render_table
from email_engine.records.wanted import ask_records, records_of
from email_engine.records.zone_file import render_zone
from email_engine.records.zones import by_zone, zone_of

log = logging.getLogger(__name__)
NOT_ASKED = "what stands there was not answered: compare before you replace anything"


def folder_of(fleet_file: Path, ips: Sequence[SendingIp]) -> Path:
    """`onboarding/TENANT-STREAM-FIRST` beside the fleet file."""
    first = ips[0]
    name = f"{first.tenant}-{first.stream}-{first.address}".replace(":", "_")
    return fleet_file.resolve().parent / "onboarding" / name


def papers(made: OnboardPlan, keys: Keys, resolve_many: ResolveMany | None = None) -> dict[str, str]:
    """File name to text. With `resolve_many` what stands in DNS is kept and extended; what was not answered, or without it, is as if
    nothing stood there, and says so."""
    fleet, ips = made.fleet, made.ips
    records = for_people(_records(made, keys, resolve_many))
    texts = {
        "records.txt": render_table(records) + "\n",
        "records.csv": render_csv(records),
        "delivery-servers.csv": delivery_servers_csv(ips, fleet),
        "mailwizz-steps.txt": backend_checklist(ips),
    }
    zones = {record.name: zone_of(record.name) for record in records}
    for zone, those in by_zone(records, zones).items():
        texts[f"zones/{zone.name}.zone"] = render_zone(zone, those)
        texts[f"octodns/{zone.name}.yaml"] = render_octodns(zone, those)
    return texts


def _records(made: OnboardPlan, keys: Keys, resolve_many: ResolveMany | None) -> tuple[DnsRecord, ...]:
    choices = Choices(made.request.mx, made.request.rua)
    plain = records_of(made.fleet, keys, choices=choices, chosen=made.ips)
    if resolve_many is None:
        return plain
    asked = ask_records(made.fleet, keys, resolve_many, choices, made.ips)
    unasked = {(record.name, record.rdtype, record.purpose): record for record in plain}
    return tuple(
        replace(plan, note="; ".join(filter(None, [plan.note, f"{NOT_ASKED} ({record.note})"])))
        if record.state is RecordState.UNKNOWN
        and (plan := unasked.get((record.name, record.rdtype, record.purpose)))
        else record
        for record in asked
    )


def write_papers(folder: Path, texts: Mapping[str, str]) -> bool:
    """Writes each file whole; False, with a word in the log, where the folder cannot be written to."""
    try:
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{os.getpid()}.new")
            draft.write_bytes(text.encode())
            draft.replace(path)
    except OSError as error:
        log.warning("%s: %s; everything stands in this log instead", folder, error.strerror)
        return False
    return True
