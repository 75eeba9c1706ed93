"""What an operator types into MailWizz's backend: it has no import of delivery servers and no call that makes one with its headers."""

import csv
import io
from collections.abc import Sequence

from email_engine.fleet.model import Fleet, SendingIp

COLUMNS = (
    "name", "type", "hostname", "port", "from_email", "additional_header", "daily_quota", "hourly_quota", "status", "sending_ip", "mailwizz",
)  # fmt: skip
FILL_IN = "FILL IN"
SHUT = 1
"""Messages of the first quota: 0 would mean unlimited, and the engine sets the right one once it knows the server."""


def delivery_servers_csv(ips: Sequence[SendingIp], fleet: Fleet) -> str:
    """A row for each IP, in their order, with a head."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    doors = {host.name: host.base.listeners[0] for host in fleet.mta_hosts if host.base}
    for ip in ips:
        address, _, port = doors.get(ip.mta_host, "").rpartition(":")
        writer.writerow(
            (
                ip.vmta, "smtp", address or f"{FILL_IN}: {ip.mta_host}", port or FILL_IN, f"news@{ip.domain}",
                f"x-virtual-mta: {ip.vmta}", SHUT, SHUT, "active", str(ip.address), ip.mailwizz,
            )
        )  # fmt: skip
    return text.getvalue()


def backend_checklist(ips: Sequence[SendingIp]) -> str:
    """The steps in MailWizz's backend, for these servers."""
    instances = ", ".join(sorted({ip.mailwizz for ip in ips}))
    return "\n".join(
        [
            f"Delivery servers in {instances}: {len(ips)}, one a row of delivery-servers.csv",
            "1. Backend > Servers > Delivery servers > Create new server > SMTP.",
            "2. Name, hostname, port and from e-mail as in the row; user and password where your PowerMTA asks for them.",
            f"3. Daily quota {SHUT} and hourly quota {SHUT}: 0 would be unlimited. The engine raises them when the IP may send.",
            "4. Confirm it (MailWizz sends one mail) before it has the header: with it that mail would wait in a virtual MTA that is paused.",
            "5. Additional headers: name x-virtual-mta, value as in the row. By it the engine finds the server; its id is typed nowhere.",
            "   A server made with Copy keeps the headers of the first: change them, for two with one virtual MTA are refused.",
            "6. Lock its settings if customers could change them.",
            "",
        ]
    )
