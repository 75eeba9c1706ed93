"""Accounting rows made from what happened to mail, and the records that follow hours after a delivery."""

from email.utils import formatdate
from heapq import heappop, heappush
from typing import Any

from lab.powermta.accounting import Record
from lab.powermta.mail_queue import Mail, Queue
from lab.powermta.mailbox_providers import Reply, provider_of
from lab.powermta.record_rows import cell, stamp

SOURCE_MTA = "mailwizz.lab.example (127.0.0.1)"
_ESMTP = '"8BITMIME,SIZE,PIPELINING,ENHANCEDSTATUSCODES"'
MESSAGE_BYTES = 24576
_SIZE = str(MESSAGE_BYTES)


def delivery_row(queue: Queue, mail: Mail, reply: Reply, address: str, moment: float) -> tuple[str, ...]:
    """The cells of a d, b or t record in the order of record_rows.ROW; no address: nothing was attempted."""
    message = mail.message
    orig, rcpt, job, message_id = message.mail_from, message.rcpt, message.job, message.message_id
    if mail.unsafe:
        orig, rcpt, job, message_id = cell(orig), cell(rcpt), cell(job), cell(message_id)
    at, queued = int(moment), int(mail.queued)
    logged = stamp(at)
    first = int(mail.first)
    mta, destination, esmtp = _remote(mail.domain) if address else ("", "", "")
    return (
        "",
        reply.record,
        logged,
        stamp(queued),
        orig,
        rcpt,
        "",
        reply.action,
        reply.status,
        reply.diagnostic_cell,
        mta,
        reply.category,
        "smtp",
        SOURCE_MTA,
        "smtp",
        address,
        destination,
        esmtp,
        _SIZE if reply.record == "d" else "0",
        queue.vmta,
        job,
        "",
        queue.name,
        mail.pool,
        logged if first == at else stamp(first) if first else "",
        str(at - queued),
        message_id,
        job,
        str(at),
        str(queued),
        str(first) if first else "",
    )


_REMOTES: dict[str, tuple[str, str, str]] = {}


def _remote(domain: str) -> tuple[str, str, str]:
    found = _REMOTES.get(domain)
    if found is None:
        provider = provider_of(domain)
        found = _REMOTES[domain] = (f"{provider.mx} ({provider.address})", provider.address, _ESMTP)
    return found


def queue_row(queue: Queue, reply: Reply, address: str, moment: float) -> dict[str, Any]:
    """A `tq` record: the whole queue was put off."""
    provider = provider_of(queue.domain)
    return {
        "timeLogged": int(moment),
        "queue": queue.name,
        "vmta": queue.vmta,
        "dsnStatus": reply.status,
        "dsnDiag": reply.diagnostic,
        "dsnMta": f"{provider.mx} ({provider.address})",
        "dlvType": "smtp",
        "dlvSourceIp": address,
        "dlvDestinationIp": provider.address,
    }


def receipt_row(mail: Mail, vmta: str) -> dict[str, Any]:
    """An `r` record; its vmta is the pool that was asked for, if one was."""
    message = mail.message
    return {
        "timeLogged": int(mail.queued),
        "orig": message.mail_from,
        "rcpt": message.rcpt,
        "srcType": "smtp",
        "srcMta": SOURCE_MTA,
        "rcvSourceIp": "127.0.0.1",
        "rcvDestinationIp": "127.0.0.1",
        "vmta": mail.pool or vmta,
        "vmtaPool": mail.pool,
        "jobId": message.job,
        "header_message-id": message.message_id,
        "header_x-job": message.job,
    }


class Sequels:
    """Complaints and remote bounces that are on their way."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, str, Mail, str, str]] = []
        self._serial = 0
        self.source_ip_in_complaints = True

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, due: float, kind: str, mail: Mail, address: str, queue: Queue) -> None:
        self._serial += 1
        heappush(self._waiting, (due, self._serial, kind, mail, address, queue.name))

    def due(self, now: float, kinds: frozenset[str]) -> list[Record]:
        """The records that have come in up to `now`, those of unwanted kinds dropped."""
        records: list[Record] = []
        while self._waiting and self._waiting[0][0] <= now:
            moment, _, kind, mail, address, queue = heappop(self._waiting)
            if kind in kinds:
                row = self._complaint(mail, address) if kind == "f" else _remote_report(kind, mail)
                records.append((moment, kind, row | {"timeLogged": int(moment)}, queue))
        return records

    def _complaint(self, mail: Mail, address: str) -> dict[str, Any]:
        provider, message = provider_of(mail.domain), mail.message
        hidden = provider.format == "jmrp"
        return {
            "repSourceIp": provider.address,
            "feedbackType": "abuse",
            "format": provider.format,
            "userAgent": f"{provider.name}-feedback/1.0",
            "orig": "" if hidden else message.mail_from,
            "rcpt": "" if hidden else message.rcpt,
            "reportingMTA": f"dns;{provider.mx}",
            "dlvSourceIp": address if self.source_ip_in_complaints else "",
            "reportedDomain": message.mail_from.rpartition("@")[2],
            "header_from": message.mail_from,
            "header_return-path": message.mail_from,
            "header_x-job": message.job,
            "header_subject": "Newsletter",
            "header_message-id": message.message_id,
            "header_date": formatdate(int(mail.queued)),
            "header_x-hmxmroriginalrecipient": message.rcpt if hidden else "",
            "arf_source-ip": address if self.source_ip_in_complaints else "",
        }


def _remote_report(kind: str, mail: Mail) -> dict[str, Any]:
    provider, message = provider_of(mail.domain), mail.message
    failed = kind == "rb"
    return {
        "orig": message.mail_from,
        "rcpt": message.rcpt,
        "dsnAction": "failed" if failed else "delayed",
        "dsnStatus": "5.1.1 (bad destination mailbox address)" if failed else "4.4.7 (delivery time expired)",
        "dsnDiag": "smtp;550 5.1.1 user unknown" if failed else "smtp;451 4.4.7 delayed",
        "dsnMta": f"{provider.mx} ({provider.address})",
        "dsnReportingMta": f"dns;{provider.mx}",
        "bounceCat": "bad-mailbox" if failed else "",
        "srcType": "smtp",
        "srcMta": f"{provider.mx} ({provider.address})",
        "format": "rfc3464",
    }
