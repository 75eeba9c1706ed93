"""What is checked of a sending domain and its IP, and what a check can say."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from email_engine.dns_answers import Absence, Answer, NotFound, Question, Trouble, Unknown
from email_engine.fleet.model import IpAddress

LONGEST_NAME = 253
"""Octets of a name as text; what is longer cannot be published (RFC 1035 section 2.3.4)."""

MOST_HOSTS = 20
"""Hosts of one answer that are looked at (MX, PTR, report addresses): nobody needs more, and a zone may name thousands."""

SHOWN = 500


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
    `dkim_key_path` is only named in remedies. `address` None: the domain alone is checked. `hostname` "": the HELO name is
    not known; `hostname_is_ours` False: it was read from the PTR record, and may be the hoster's."""

    domain: str
    address: IpAddress | None
    hostname: str = ""
    selector: str = ""
    dkim_key_path: str = ""
    public_key: str | None = None
    hostname_is_ours: bool = True


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

WHAT_TO_DO = {
    Trouble.TIMEOUT: "nothing came back: look at the resolver and at the zone's name servers",
    Trouble.SERVFAIL: "the resolver could not get it: look at the zone's name servers, its delegation and its DNSSEC",
    Trouble.REFUSED: "the resolver refuses this machine: let it in, or name another resolver",
    Trouble.UNREACHABLE: "nothing listens there: start the resolver, or correct its address",
    Trouble.MALFORMED: "the answer cannot be read: look at what stands between this machine and the resolver",
    Trouble.BAD_NAME: "this is no name that DNS can hold: correct it where it is published",
    Trouble.LAME: "name a recursive resolver (unbound without forwarding): this one answers for its own zones only",
}
"""The next step for each kind of trouble; the check itself is made again with the next run."""


class Lookup:
    """Answers that are known, and the questions that were asked of it in vain.

    The checks are run again when the missing answers are there: so they stay pure, and the questions of all subjects
    travel together."""

    def __init__(self, answers: Mapping[Question, Answer]) -> None:
        self._answers = answers
        self.missing: set[Question] = set()

    def ask(self, name: str, rdtype: str) -> Answer:
        """The answer; `NOT_ASKED` until it is there. A name that is too long to be published does not exist."""
        question = Question(name, rdtype)
        if len(question.name) > LONGEST_NAME:
            return NotFound(Absence.NXDOMAIN)
        answer = self._answers.get(question)
        if answer is None:
            self.missing.add(question)
            return NOT_ASKED
        return answer

    def known(self, name: str, rdtype: str) -> Answer:
        """The answer if it is there already; asks nothing."""
        return self._answers.get(Question(name, rdtype), NOT_ASKED)


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

    def unknown(
        self,
        check_id: str,
        trouble: "Unknown | str",
        at: str,
        expected: str,
        gravity: Gravity = Gravity.ERROR,
    ) -> None:
        """`trouble`: the answer that is none, or its words; `at`: the name that was asked."""
        reason = trouble.reason if isinstance(trouble, Unknown) else trouble
        seen = f"no answer: {reason} at {at}" if at else f"no answer: {reason}"
        step = next((words for kind, words in WHAT_TO_DO.items() if reason == kind), "look at the resolver")
        remedy = f"publish nothing yet; {step}; it is asked again with the next run"
        self._add(check_id, DnsStatus.UNKNOWN, gravity, seen, expected, remedy)

    def _add(
        self, check_id: str, status: DnsStatus, gravity: Gravity, observed: str, expected: str, remedy: str
    ) -> None:
        """Remedies are never cut: half a record must not be published."""
        self.findings.append(
            DnsFinding(
                check_id,
                printable(self.subject),
                status,
                gravity,
                printable(observed)[:SHOWN],
                printable(expected)[:SHOWN],
                printable(remedy),
            )
        )


def printable(text: str) -> str:
    """`text` without characters that a terminal or a chat would obey (escapes, turned writing)."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def record_text(name: str, rdtype: str, value: str) -> str:
    """A record as a zone file writes it; TXT in strings of at most 255 octets (RFC 1035 section 3.3.14)."""
    shown = " ".join(map(_character_string, txt_strings(value))) if rdtype == "TXT" else value
    return f"{name}. {rdtype} {shown}"


def txt_strings(value: str) -> list[str]:
    """The strings of one TXT record, each of at most 255 octets (RFC 1035 section 3.3.14)."""
    parts, size = [""], 0
    for character in value:
        size += len(character.encode())
        if size > 255:
            parts, size = [*parts, ""], len(character.encode())
        parts[-1] += character
    return parts


def _character_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
