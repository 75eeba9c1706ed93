"""Records as a master file (RFC 1035 section 5), one a zone: to be included in the zone's own file, or, with name servers, whole."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from email_engine.dnsauth.model import printable, txt_strings
from email_engine.errors import InputError
from email_engine.records.model import TTL, DnsRecord
from email_engine.records.zones import Zone, network_of


def serial_at(moment: datetime) -> int:
    """YYYYMMDDnn with nn the quarter of an hour, 00 to 95: it grows with every publication that is 15 minutes later."""
    return int(f"{moment:%Y%m%d}{moment.hour * 4 + moment.minute // 15:02}")


def render_zone(
    zone: Zone, records: Sequence[DnsRecord], name_servers: Sequence[str] = (), serial: int = 1
) -> str:
    """The file's text. Without `name_servers` it has neither SOA nor NS, and is for `$INCLUDE`; with them it is a whole zone.

    Owner names are absolute, TXT in strings of at most 255 octets; what cannot be published yet is a comment.

    Raises:
        InputError: a name server below the zone whose address stands in none of the records.
    """
    lines = [f"; {zone.name}: records of the sending fleet, written by email-engine (fleet records)"]
    network = network_of(zone.name)
    if network:
        lines.append(
            f"; reverse zone of {network}; if only a part of it is yours, its owner delegates that (RFC 2317) or sets these records"
        )
    if zone.trouble:
        lines.append(f"; {printable(zone.trouble)}: find out before you publish")
    if name_servers:
        lines += [f"$ORIGIN {zone.name}.", f"$TTL {TTL}", *_head(zone, records, name_servers, serial)]
    else:
        lines += [
            "; it has no SOA and no NS: include it in the file of the zone ($INCLUDE), and remove there what it replaces",
            f"$TTL {TTL}",
        ]
    for record in records:
        lines += _lines(record)
    return "\n".join(lines) + "\n"


def presentation(record: DnsRecord) -> str:
    """The value as a zone file writes it."""
    match record.rdtype:
        case "TXT":
            return " ".join(map(_quoted, txt_strings(record.value)))
        case "MX" | "PTR" | "CNAME":
            return f"{record.value}."
        case _:
            return record.value


def _quoted(text: str) -> str:
    octets = (_octet(octet) for octet in text.encode())
    return f'"{"".join(octets)}"'


def _octet(octet: int) -> str:
    if octet in b'"\\':
        return f"\\{chr(octet)}"
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03}"


def _lines(record: DnsRecord) -> Iterator[str]:
    if record.note:
        yield f"; {record.name}. {record.rdtype}: {printable(record.note)}"
    for gone in record.replaces if record.stands_in_files else ():
        yield f"; in place of {record.name}. {record.rdtype} {printable(gone)}"
    if record.stands_in_files:
        yield f"{record.name}. {record.ttl} IN {record.rdtype} {presentation(record)}"
    elif not record.note:
        yield f"; {record.name}. {record.rdtype}: {record.state}"


def _head(
    zone: Zone, records: Iterable[DnsRecord], name_servers: Sequence[str], serial: int
) -> Iterator[str]:
    addressed = {record.name for record in records if record.rdtype in ("A", "AAAA")}
    for name in name_servers:
        if (name == zone.name or name.endswith(f".{zone.name}")) and name not in addressed:
            raise InputError(
                "--name-server",
                f"{name} lies in zone {zone.name}, and its address is not known",
                "name servers outside of the zones that are written",
                "leave --name-server out, and include the file in the zone's own",
            )
    yield f"@ {TTL} IN SOA {name_servers[0]}. hostmaster.{zone.name}. {serial} 7200 900 1209600 900"
    for name in name_servers:
        yield f"@ {TTL} IN NS {name}."
