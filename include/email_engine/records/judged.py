"""What dnsauth finds about a part of the fleet, read as states of records: one notion of the right record, not two."""

from collections.abc import Callable, Iterable

from email_engine.dns_answers import Answer, Found, Unknown
from email_engine.dnsauth.dkim import check_dkim
from email_engine.dnsauth.dmarc import check_dmarc
from email_engine.dnsauth.hosts import check_ptr
from email_engine.dnsauth.model import DnsFinding, DnsStatus, Gravity, Lookup, Report, Subject, printable
from email_engine.dnsauth.spf import check_helo, check_spf
from email_engine.records.model import RecordState

_CHECKS: tuple[Callable[[Lookup, Subject], Report], ...] = (
    check_spf,
    check_helo,
    check_dmarc,
    check_ptr,
)


class Judged:
    """The findings of each subject of a part, and the answers that they rest on."""

    def __init__(self, lookup: Lookup, subjects: Iterable[Subject]) -> None:
        self.lookup = lookup
        self.findings: dict[Subject, tuple[DnsFinding, ...]] = {
            subject: tuple(finding for check in _CHECKS for finding in check(lookup, subject).findings)
            for subject in subjects
        }

    def of(self, subjects: Iterable[Subject], *check_ids: str) -> list[DnsFinding]:
        return [
            finding
            for subject in subjects
            for finding in self.findings[subject]
            if finding.check_id in check_ids
        ]

    def dkim(self, subject: Subject) -> list[DnsFinding]:
        """Whether the key at the selector can be used, and is ours where ours is known."""
        found = check_dkim(self.lookup, subject).findings
        return [finding for finding in found if finding.check_id in ("dkim.record", "dkim.match")]

    def texts(self, name: str) -> tuple[str, ...]:
        return self.records(name, "TXT")

    def records(self, name: str, rdtype: str) -> tuple[str, ...]:
        answer = self.lookup.ask(name, rdtype)
        return answer.records if isinstance(answer, Found) else ()

    def answer(self, name: str, rdtype: str) -> Answer:
        return self.lookup.ask(name, rdtype)


def together(findings: Iterable[DnsFinding]) -> RecordState:
    """Kept where all is fine; publish where something grave is broken; unknown where something was not answered, or nothing seen."""
    statuses = [finding.status for finding in findings if finding.severity is not Gravity.INFO]
    if DnsStatus.BROKEN in statuses:
        return RecordState.PUBLISH
    return RecordState.UNKNOWN if DnsStatus.UNKNOWN in statuses or not statuses else RecordState.KEPT


def why(findings: Iterable[DnsFinding], status: DnsStatus) -> str:
    """What was seen by the first finding of that status."""
    return next((finding.observed for finding in findings if finding.status is status), "")


def unanswered(findings: Iterable[DnsFinding]) -> str:
    """A note for a record whose state is unknown."""
    return f"{why(findings, DnsStatus.UNKNOWN) or 'no answer'}: publish nothing yet"


def trouble_note(trouble: Unknown, name: str) -> str:
    return printable(f"no answer: {trouble.reason} at {name}: publish nothing yet")
