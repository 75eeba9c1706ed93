"""Sending IPs for tests of DNS records, and answers for them as a zone table."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from email_engine.dns_answers import Unknown
from email_engine.dnsauth.dkim import key_record
from email_engine.fleet.model import Fleet, IpAddress, MtaBase, MtaHost
from email_engine.fleet.read import read_fleet
from email_engine.paths import CONFIG
from email_engine.records.model import Choices, DnsRecord, Keys, Purpose
from email_engine.records.wanted import NO_CHOICES, ask_records
from tests.dkim_keys import spki
from tests.dns_zone import Zone

Table = dict[tuple[str, str], list[str] | Unknown]


@dataclass(frozen=True, slots=True)
class Planned:
    """A sending IP that is not in any fleet file yet."""

    address: IpAddress
    hostname: str
    domain: str
    dkim_selector: str = "s1"
    mta_host: str = "mta-1"


def planned(n: int = 7, **changes: Any) -> Planned:
    return replace(
        Planned(
            ip_address(f"198.51.100.{n}"), f"mail{n}.aurora-mail.example", f"news{n}.aurora-mail.example"
        ),
        **changes,
    )


def good_table(*senders: Planned) -> Table:
    """Everything published as it should be, with the key `spki()` at every selector."""
    table: Table = {}
    for sender in senders or (planned(),):
        kind = "A" if sender.address.version == 4 else "AAAA"
        table |= {
            (sender.hostname, kind): [str(sender.address)],
            (sender.hostname, "TXT"): ["v=spf1 a -all"],
            (sender.domain, "TXT"): [f"v=spf1 ip{sender.address.version}:{sender.address} -all"],
            (sender.domain, "MX"): [f"10 {sender.hostname}"],
            (f"_dmarc.{sender.domain}", "TXT"): [f"v=DMARC1; p=none; rua=mailto:dmarc@{sender.domain}"],
            (f"{sender.dkim_selector}._domainkey.{sender.domain}", "TXT"): [key_record(spki())],
            (sender.address.reverse_pointer, "PTR"): [sender.hostname],
        }
    return table


def keys_of(*senders: Planned) -> Keys:
    return {(sender.domain, sender.dkim_selector): spki() for sender in senders or (planned(),)}


def asked(
    table: Table, *senders: Planned, keys: Keys | None = None, choices: Choices = NO_CHOICES
) -> tuple[DnsRecord, ...]:
    given = senders or (planned(),)
    return ask_records(
        given, keys if keys is not None else keys_of(*given), Zone(table).resolve_many, choices
    )


def only(records: Iterable[DnsRecord], purpose: Purpose) -> DnsRecord:
    (record,) = [record for record in records if record.purpose is purpose]
    return record


def fleet(*ips: Planned, base: MtaBase | None = None, brands: tuple[str, ...] = ()) -> Fleet:
    """The example fleet with these IPs alone, its first host with `base`."""
    example = read_fleet(CONFIG / "fleet.yaml")
    made = tuple(
        replace(
            example.ips[n], address=ip.address, hostname=ip.hostname, domain=ip.domain, dkim_selector=ip.dkim_selector,
            mta_host=ip.mta_host,
        )
        for n, ip in enumerate(ips)
    )  # fmt: skip
    tenants = tuple(replace(tenant, brand_domains=brands) for tenant in example.tenants)
    return replace(
        example, ips=made, tenants=tenants, mta_hosts=(MtaHost("mta-1", "powermta_mta-1", base=base),)
    )
