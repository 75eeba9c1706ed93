"""A zone as a table, answering questions as a resolver does; remembers what it was asked."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from email_engine.dns_answers import Absence, Answer, Found, NotFound, Question, Unknown
from email_engine.dnsauth.model import DnsFinding, Subject
from email_engine.dnsauth.validate import validate

IP = ip_address("198.51.100.7")
DOMAIN = "news7.aurora-mail.example"
HOST = "mail7.aurora-mail.example"
SUBJECT = Subject(DOMAIN, IP, HOST, "s1", "/etc/pmta/dkim/s1.pem")


class Zone:
    """`records`: (name, type) to values, or to an `Unknown`. A name with any record is NODATA for other types."""

    def __init__(self, records: Mapping[tuple[str, str], list[str] | Unknown]) -> None:
        self.records = {(name.lower(), rdtype): values for (name, rdtype), values in records.items()}
        self.asked: list[Question] = []
        self.rounds = 0

    def resolve_many(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        asked = list(questions)
        self.asked += asked
        self.rounds += 1
        return {question: self.answer(question) for question in asked}

    def answer(self, question: Question) -> Answer:
        values = self.records.get((question.name, question.rdtype))
        if isinstance(values, Unknown):
            return values
        if values:
            return Found(tuple(values), 300)
        known = any(name == question.name for name, _ in self.records)
        return NotFound(Absence.NODATA if known else Absence.NXDOMAIN)

    def findings(self, subject: Subject = SUBJECT) -> dict[str, DnsFinding]:
        """Check id to finding (the last one of its id)."""
        return {finding.check_id: finding for finding in validate([subject], self.resolve_many)[subject]}


def good_records(dkim: str = "") -> dict[tuple[str, str], list[str] | Unknown]:
    """Everything as it should be for `SUBJECT`; without DKIM unless a record is given."""
    records: dict[tuple[str, str], list[str] | Unknown] = {
        (DOMAIN, "TXT"): [f"v=spf1 ip4:{IP} -all", "some other text"],
        (f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=none; rua=mailto:dmarc@aurora.example"],
        (DOMAIN, "MX"): [f"10 {HOST}"],
        (DOMAIN, "A"): ["198.51.100.80"],
        (HOST, "A"): [str(IP)],
        (HOST, "TXT"): ["v=spf1 a -all"],
        (IP.reverse_pointer, "PTR"): [HOST],
    }
    return records | ({(f"s1._domainkey.{DOMAIN}", "TXT"): [dkim]} if dkim else {})
