"""What is checked of a sending domain and its IP, and what a check can say."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from email_engine.dns_answers import Answer, Question, Unknown
from email_engine.fleet.model import IpAddress


class DnsStatus(StrEnum):
    """`unknown`: no answer; never the same as a missing record."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Gravity(StrEnum):
    """Only `error` makes a group of checks (spf, dkim, dmarc, ptr, mx) invalid."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Subject:
    """One sending IP and its domain. `public_key`: base64 of the SPKI that signs, if the engine can read it;
    `dkim_key_path` is only named in remedies. `address` None: the domain alone is checked."""

    domain: str
    address: IpAddress | None
    hostname: str = ""
    selector: str = ""
    dkim_key_path: str = ""
    public_key: str | None = None


@dataclass(frozen=True, slots=True)
class DnsFinding:
    """`check_id` is `group.what`; `subject` the name or address it is about; `remedy` the record to publish, or what
    else to do; "" when fine."""

    check_id: str
    subject: str
    status: DnsStatus
    severity: Gravity
    observed: str
    expected: str
    remedy: str = ""

    @property
    def group(self) -> str:
        return self.check_id.partition(".")[0]


NOT_ASKED = Unknown("not asked")


class Lookup:
    """Answers that are known, and the questions that were asked of it in vain.

    The checks are run again when the missing answers are there: so they stay pure, and the questions of all subjects
    travel together."""

    def __init__(self, answers: Mapping[Question, Answer]) -> None:
        self._answers = answers
        self.missing: set[Question] = set()

    def ask(self, name: str, rdtype: str) -> Answer:
        question = Question(name, rdtype)
        answer = self._answers.get(question)
        if answer is None:
            self.missing.add(question)
            return NOT_ASKED
        return answer


class Report:
    """Findings of one group of checks about one name."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.findings: list[DnsFinding] = []

    def ok(self, check_id: str, observed: str, gravity: Gravity = Gravity.ERROR) -> None:
        self._add(check_id, DnsStatus.OK, gravity, observed, observed, "")

    def broken(
        self, check_id: str, observed: str, expected: str, remedy: str, gravity: Gravity = Gravity.ERROR
    ) -> None:
        self._add(check_id, DnsStatus.BROKEN, gravity, observed, expected, remedy)

    def unknown(self, check_id: str, reason: str, expected: str, gravity: Gravity = Gravity.ERROR) -> None:
        remedy = (
            "nothing yet: it is asked again with the next run; look at the resolver and the zone's servers"
        )
        self._add(check_id, DnsStatus.UNKNOWN, gravity, f"no answer: {reason}", expected, remedy)

    def _add(
        self, check_id: str, status: DnsStatus, gravity: Gravity, observed: str, expected: str, remedy: str
    ) -> None:
        self.findings.append(
            DnsFinding(check_id, self.subject, status, gravity, observed[:500], expected[:500], remedy[:2000])
        )


def record_text(name: str, rdtype: str, value: str) -> str:
    """A record as a zone file writes it."""
    shown = (
        " ".join(f'"{value[n : n + 255]}"' for n in range(0, len(value), 255)) if rdtype == "TXT" else value
    )
    return f"{name}. {rdtype} {shown}"
