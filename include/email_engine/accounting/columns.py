"""Which columns an accounting file has: found by header name, since every version and every `record-fields` line has
another order (4.0 has `timeImprinted` and no queue, 5.5 has `timeFirstAttempt`)."""

import csv
from dataclasses import dataclass

from email_engine.errors import InputError

LARGEST_HEADER = 1 << 16
BOM = b"\xef\xbb\xbf"

READ = {
    "type": "which kind of record a row is; d, t, b, rb and f count",
    "timeLogged": "the hour of a row; with a zone, in seconds, or UTC",
    "rcpt": "the recipient; its domain tells the mailbox provider",
    "queue": "the domain or roll-up of a mail, and its virtual MTA: where mail waited whose time ran out",
    "dsnMta": "the receiving host: its name may tell the mailbox provider",
    "dlvSourceIp": "the sending IP",
    "vmta": "the virtual MTA, by which an IP behind NAT is known",
    "bounceCat": "PowerMTA's category of a bounce",
    "dsnStatus": "the status of a reply",
    "dsnDiag": "the receiver's words: what a bounce or deferral means",
    "header_Message-Id": "which mail a bounce or complaint is about",
    "header_X-Job": "the campaign",
    "jobId": "the campaign where no header names it",
    "timeQueued": "since when mail waited whose time ran out",
    "format": "the form of a complaint report, which tells whose it is",
    "feedbackType": "what a feedback report is: one that is no complaint does not count",
    "arf_Arrival-Date": "when the mail of a complaint was sent",
    "header_Date": "the same where the report does not say it",
    "dlvSize": "a negative one makes the row unreadable",
    "totalSecondsQueued": "the same",
}
"""The columns that are read, as PowerMTA spells them, and what for; all but the first two may be missing, and any others stand beside."""


@dataclass(frozen=True, slots=True)
class Columns:
    """`names` as in the header, in lower case; the first of two equal names counts."""

    names: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.names)

    def at(self, *names: str) -> int | None:
        """Where the first of these columns stands that the file has."""
        return next((self.names.index(name) for name in names if name in self.names), None)


def parse_header(line: bytes, subject: str) -> Columns:
    """The header line of a file. InputError unless it has at least type and timeLogged."""
    text = line.removeprefix(BOM).decode("utf-8", "replace").strip("\r\n")
    try:
        names = next(csv.reader([text], strict=True), []) if text.strip() else []
        whole = line.count(b'"') % 2 == 0
    except csv.Error:
        whole = False
    if not whole:
        raise InputError(
            subject,
            "no line of CSV at the top: it is compressed, in another encoding, or a quote stays open",
            "plain CSV in UTF-8 with its header line",
            "look at its acct-file",
        )
    columns = Columns(tuple(name.strip().lower() for name in names))
    missing = [name for name in ("type", "timeLogged") if name.lower() not in columns.names]
    if not names:
        raise InputError(
            subject, "the file is empty", "a header line such as type,timeLogged,...", "look at its acct-file"
        )
    if missing:
        raise InputError(
            subject,
            f"no column {' and no column '.join(missing)} in the first line",
            "a header line with type, timeLogged, rcpt, dlvSourceIp, vmta in any order",
            "see that it is an accounting file and starts with its header; correct its acct-file",
        )
    return columns


def is_header(line: bytes) -> bool:
    """Whether a row in the middle is a header again, as concatenated files have it."""
    if b"timelogged" not in line.lower():
        return False
    names = {name.strip(b' "') for name in line.removeprefix(BOM).lower().strip(b"\r\n").split(b",")}
    return {b"type", b"timelogged"} <= names
