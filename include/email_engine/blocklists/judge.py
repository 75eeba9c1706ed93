"""What an answer of a block list means. The code decides, not that there was an A record."""

from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from email_engine.blocklists.model import (
    CLASS_ORDER,
    SEVERITY_ORDER,
    BlockList,
    Code,
    Health,
    ListClass,
    Listed,
    ListStatus,
    ListVerdict,
    NotKnown,
    NotListed,
    Severity,
)
from email_engine.blocklists.names import ProbeQuestions
from email_engine.dns_answers import Answer, Answers, Found, NotFound, Question, Unknown

_LISTS = IPv4Network("127.0.0.0/8")
_REFUSALS = IPv4Network("127.255.255.0/24")
_NEVER = IPv4Address("127.0.0.1")
_ANY_CODE = Code("any", ListClass.INFO, Severity.INFO)
_REFUSAL_TEXT = {
    250: "the query key is disabled",
    251: "the query key is rejected or used by another account",
    252: "the zone name is mistyped",
    254: "asked through a public resolver, or from an IP without proper reverse DNS",
    255: "too many queries, or the resolver is not registered",
}


def judge_answer(blocklist: BlockList, answer: Answer) -> ListVerdict:
    """Reads all A records of one answer.

    UNKNOWN: no answer, a record outside 127.0.0.0/8, 127.0.0.1, 127.255.255.x, an error code, and a code that a list
    with a table does not know (RFC 5782 section 2.3; facts, blocklists, "What matters most")."""
    match answer:
        case Unknown(reason=reason):
            return NotKnown(reason)
        case NotFound():
            if not blocklist.probe.has_test_point:
                return NotKnown("the list has no test point, so its silence proves nothing")
            return NotListed()
        case Found(records=records):
            return _judge_records(blocklist, records)


def _judge_records(blocklist: BlockList, records: tuple[str, ...]) -> ListVerdict:
    addresses = []
    for record in records:
        try:
            address = IPv4Address(record)
        except AddressValueError:
            return NotKnown("a record that is no IPv4 address")
        if address not in _LISTS:
            return NotKnown(
                f"answer {address} is outside 127.0.0.0/8: a parked domain or a rewriting resolver"
            )
        if address == _NEVER and not blocklist.bits:
            return NotKnown("answer 127.0.0.1: a filter or a blocking list, never a listing")
        addresses.append(address)
    if not addresses:
        return NotKnown("an empty answer")
    return _judge_codes(blocklist, sorted(addresses))


def _judge_codes(blocklist: BlockList, addresses: list[IPv4Address]) -> ListVerdict:
    """The codes that are known decide; a strange one beside them is shown, alone it says nothing."""
    for address in addresses:
        if address in _REFUSALS:
            why = _REFUSAL_TEXT.get(int(address) & 0xFF, "the list refuses the question")
            return NotKnown(f"answer {address}: {why}", fault=True)
    found: list[Code] = []
    sublists: dict[str, None] = {}
    for address in addresses:
        rows = blocklist.meaning(address)
        for row in rows:
            if row.list_class is ListClass.ERROR:
                return NotKnown(f"answer {address}: {row.sublist}", fault=True)
        found += rows
        sublists |= dict.fromkeys(row.sublist for row in rows) if rows else {f"unknown code {address}": None}
    if not found:
        return NotKnown(", ".join(sublists))
    gravest = max(CLASS_ORDER.index(code.list_class) for code in found)
    deciding = [code for code in found if CLASS_ORDER.index(code.list_class) == gravest]
    return Listed(
        codes=tuple(dict.fromkeys(str(address) for address in addresses)),
        sublists=tuple(sublists),
        list_class=CLASS_ORDER[gravest],
        severity=SEVERITY_ORDER[max(SEVERITY_ORDER.index(code.severity) for code in deciding)],
        severe=any(code.severe for code in deciding),
        classes=tuple(dict.fromkeys(code.list_class for code in found)),
    )


def judge_probe(blocklist: BlockList, questions: ProbeQuestions, answers: Answers) -> Health:
    """May this list's answers be believed in this sweep, through this resolver?

    A test point must be listed without an error code and with the expected codes; what must not be listed (127.0.0.1 or INVALID, and a
    random name) must not exist. A missing answer is unhealthy."""

    def unhealthy(reason: str) -> Health:
        return Health(blocklist.name, False, reason)

    if blocklist.status is ListStatus.RETIRED:
        return unhealthy(f"retired: {blocklist.message}")
    absent = [
        (questions.random, "a name that cannot be listed"),
        *((q, _point(q)) for q in questions.not_listed),
    ]
    for question, what in absent:
        answer = answers.get(question, Unknown("not asked"))
        if isinstance(answer, Unknown):
            return unhealthy(f"probe of {what}: {answer.reason}")
        if isinstance(answer, Found):
            seen = ", ".join(sorted(answer.records)[:3])
            if isinstance(refusal := _judge_records(blocklist, answer.records), NotKnown) and refusal.fault:
                return unhealthy(refusal.reason)
            return unhealthy(f"it lists {what} ({seen}): a wildcard, a parked domain or a blocking list")
    if not blocklist.probe.has_test_point:
        return Health(blocklist.name, True)
    looked_at = [
        _judge_test_point(blocklist, q, answers.get(q, Unknown("not asked"))) for q in questions.listed
    ]
    return next((health for health in looked_at if health.healthy), looked_at[0])


def _point(question: Question) -> str:
    """A test point as people know it: 127.0.0.1 for 1.0.0.127.ZONE, and never the zone, which may hold a key."""
    labels = question.name.split(".")
    octets = labels[:4]
    if len(octets) == 4 and all(label.isdigit() for label in octets):
        return ".".join(reversed(octets))
    return "the IPv6 test point" if len(labels) > 32 else labels[0].upper()


def _judge_test_point(blocklist: BlockList, question: Question, answer: Answer) -> Health:
    point = f"the test point {_point(question)}"
    match answer:
        case Unknown(reason=reason):
            return Health(blocklist.name, False, f"probe of {point}: {reason}")
        case NotFound():
            return Health(
                blocklist.name, False, f"its {point.removeprefix('the ')} is not listed: emptied or blocked"
            )
        case Found(records=records):
            verdict = _judge_records(replace(blocklist, default=_ANY_CODE, bits={}), records)
            if isinstance(verdict, NotKnown):
                return Health(blocklist.name, False, verdict.reason)
            missing = blocklist.probe.listed - {IPv4Address(record) for record in records}
            if missing:
                codes = ", ".join(str(code) for code in sorted(missing))
                return Health(blocklist.name, False, f"its test point lacks the codes {codes}")
            return Health(blocklist.name, True)
