"""A fleet made by hand, as adoptions meet it: a PowerMTA configuration without markers, and 30 days of its accounting files."""

import gzip
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

HEADER = "type,timeLogged,rcpt,dlvSourceIp,vmta,bounceCat,dsnStatus,dsnDiag,header_Message-Id"
LAST = date(2026, 11, 29)
FIRST = LAST - timedelta(days=29)
NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
PROVIDERS = ("gmail.com", "example.net", "yahoo.com", "web.de")


@dataclass(frozen=True)
class HandIp:
    """`sent`: messages by day, from the first day on, the last one again and again; `bounced` of them by day."""

    vmta: str
    address: str
    cap: str = "3000/d"
    sent: tuple[int, ...] = (0,)
    bounced: Mapping[date, int] = field(default_factory=dict)
    domain: str = ""
    pool: str = ""

    def on(self, day: date) -> int:
        number = (day - FIRST).days
        return self.sent[min(max(number, 0), len(self.sent) - 1)]


def configuration(host: str, ips: Iterable[HandIp], more: str = "", done: str = "/var/log/pmta/done") -> str:
    """As an operator writes it: pools, one source, accounting with Message-Id."""
    some = list(ips)
    lines = [f"host-name {host}.example.com", "http-mgmt-port 8080", ""]
    for ip in some:
        domain = ip.domain or f"{ip.vmta}.example"
        lines += [
            f"<virtual-mta {ip.vmta}>",
            f"  smtp-source-host {ip.address} mx.{domain}",
            f"  domain-key s1,{domain},/etc/pmta/keys/{domain}.pem",
            *([f"  max-smtp-msg-rate {ip.cap}"] if ip.cap else []),
            "</virtual-mta>",
        ]
    for pool in dict.fromkeys(ip.pool for ip in some if ip.pool):
        members = [f"  virtual-mta {ip.vmta}" for ip in some if ip.pool == pool]
        lines += [f"<virtual-mta-pool {pool}>", *members, "</virtual-mta-pool>"]
    lines += [
        "<source 192.0.2.9>",
        "  always-allow-relaying yes",
        "  process-x-virtual-mta yes",
        "</source>",
        "<acct-file /var/log/pmta/acct.csv>",
        "  records d,b,t,f",
        *(f"  record-fields {kind} *,header_Message-Id" for kind in "dbtf"),
        f"  move-to {done}",
        "  move-interval 5m",
        "</acct-file>",
    ]
    return "\n".join(lines) + f"\n{more}"


def rows(ips: Iterable[HandIp], day: date, message_id: str = "<{vmta}-{day}-{n}@mail.example>") -> list[str]:
    """The day's records, spread over its hours."""
    found = []
    for ip in ips:
        sent, bounced = ip.on(day), ip.bounced.get(day, 0)
        for n in range(sent):
            hour, domain = n * 24 // sent, PROVIDERS[n % len(PROVIDERS)]
            told = "b" if n < bounced else "d"
            reply = (
                "bad-mailbox,5.1.1 (bad destination mailbox address),smtp;550 5.1.1 user unknown"
                if told == "b"
                else ",2.0.0 (success),smtp;250 ok"
            )
            key = message_id.format(vmta=ip.vmta, day=day, n=n)
            found.append(
                f"{told},{day} {hour:02}:{n % 60:02}:00+0000,u{n}@{domain},{ip.address},{ip.vmta},{reply},{key}"
            )
    return found


def write_accounting(
    folder: Path,
    ips: Iterable[HandIp],
    *,
    first: date = FIRST,
    last: date = LAST,
    header: str = HEADER,
    message_id: str = "<{vmta}-{day}-{n}@mail.example>",
    packed: Iterable[int] = (),
) -> list[Path]:
    """A file a day, dated the night after; those of the numbers in `packed` are compressed."""
    folder.mkdir(parents=True, exist_ok=True)
    some, made = list(ips), []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        found = rows(some, day, message_id)
        if header != HEADER:
            found = [row.rpartition(",")[0] for row in found]
        data = ("\r\n".join([header, *found]) + "\r\n").encode()
        path = folder / f"acct-{day}-0000.csv"
        if number in set(packed):
            path, data = path.with_suffix(".csv.gz"), gzip.compress(data, mtime=0)
        path.write_bytes(data)
        moment = datetime.combine(day + timedelta(days=1), time(0, 5), UTC).timestamp()
        os.utime(path, (moment, moment))
        made.append(path)
    return made
