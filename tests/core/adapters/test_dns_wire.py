"""Replies on the wire, good, odd and broken: what each means for the question that was asked."""

from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_engine.adapters.dns_wire import Asked, Sign, asked, read_reply
from email_engine.dns_answers import Absence, Found, NotFound, Question, Trouble, Unknown

NAME = "4.3.2.198.zen.example"
SOA = "ns.example. host.example. 1 3600 600 86400 60"


def question(name: str = NAME, rdtype: str = "A") -> Asked:
    found = asked(Question(name, rdtype))
    assert found is not None
    return found


def reply(change: Callable[[dns.message.Message], object] = lambda _: None, to: Asked | None = None) -> bytes:
    """A reply by dnspython, NOERROR and empty unless `change` says otherwise."""
    query = dns.message.from_wire((to or question()).octets(77, edns=True))
    made = dns.message.make_response(query, recursion_available=True)
    change(made)
    return made.to_wire()


def answered(*lines: str) -> Callable[[dns.message.Message], object]:
    return lambda made: made.answer.extend(dns.rrset.from_text(*line.split(" ", 4)) for line in lines)


def with_authority(kind: str, value: str) -> Callable[[dns.message.Message], object]:
    return lambda made: made.authority.append(dns.rrset.from_text("zen.example.", 60, "IN", kind, value))


def both(*changes: Callable[[dns.message.Message], object]) -> Callable[[dns.message.Message], object]:
    return lambda made: [change(made) for change in changes]


def rcode(code: dns.rcode.Rcode) -> Callable[[dns.message.Message], object]:
    return lambda made: made.set_rcode(code)


def test_a_query_is_what_dnspython_reads() -> None:
    query = dns.message.from_wire(question("_dmarc.Example.COM", "TXT").octets(4711, edns=True))
    assert (query.id, query.opcode(), query.flags & dns.flags.RD, query.payload) == (
        4711,
        0,
        dns.flags.RD,
        1232,
    )
    assert [one.to_text() for one in query.question] == ["_dmarc.example.com. IN TXT"]
    assert dns.message.from_wire(question().octets(1, edns=False)).edns == -1


@pytest.mark.parametrize(
    ("change", "meaning"),
    [
        pytest.param(rcode(dns.rcode.NXDOMAIN), NotFound(Absence.NXDOMAIN), id="no such name"),
        pytest.param(with_authority("SOA", SOA), NotFound(Absence.NODATA), id="nodata, proven by the SOA"),
        pytest.param(with_authority("NS", "ns.example."), Unknown(Trouble.LAME), id="a delegation is no answer"),
        pytest.param(lambda _: None, Unknown(Trouble.LAME), id="nothing at all is no answer"),
        pytest.param(
            both(with_authority("NS", "ns.example."), with_authority("SOA", SOA)), NotFound(Absence.NODATA), id="both"
        ),
        pytest.param(answered(f"{NAME}. 60 IN CNAME elsewhere.example."), Unknown(Trouble.LAME), id="alias alone"),
        pytest.param(
            both(answered(f"{NAME}. 60 IN CNAME elsewhere.example."), with_authority("SOA", SOA)),
            NotFound(Absence.NODATA), id="alias to a name without the record",
        ),
        pytest.param(
            both(answered(f"{NAME}. 60 IN CNAME elsewhere.example."), rcode(dns.rcode.NXDOMAIN)),
            NotFound(Absence.NXDOMAIN), id="alias to a name that does not exist",
        ),
        pytest.param(
            answered(f"{NAME}. 60 IN CNAME e.example.", "e.example. 30 IN A 127.0.0.2"), Found(("127.0.0.2",), 30), id="alias"
        ),
        pytest.param(
            answered(f"{NAME}. 60 IN CNAME e.example.", f"e.example. 60 IN CNAME {NAME}."), Unknown(Trouble.MALFORMED), id="loop"
        ),
        pytest.param(rcode(dns.rcode.SERVFAIL), Unknown(Trouble.SERVFAIL), id="servfail"),
        pytest.param(rcode(dns.rcode.REFUSED), Unknown(Trouble.REFUSED), id="refused"),
        pytest.param(rcode(dns.rcode.NOTIMP), Sign.NO_EDNS, id="notimp: without EDNS"),
        pytest.param(rcode(dns.rcode.FORMERR), Sign.NO_EDNS, id="formerr: without EDNS"),
        pytest.param(lambda made: setattr(made, "flags", made.flags | dns.flags.TC), Sign.TRUNCATED, id="cut"),
        pytest.param(lambda made: setattr(made, "flags", made.flags & ~dns.flags.QR), Sign.NOT_OURS, id="a question"),
    ],
)  # fmt: skip
def test_what_a_reply_means(change: Callable[[dns.message.Message], object], meaning: object) -> None:
    assert read_reply(reply(change), question()) == meaning


def test_another_question_s_reply_is_not_ours() -> None:
    other = question("4.3.2.198.other.example")
    assert read_reply(reply(rcode(dns.rcode.NXDOMAIN), other), question()) is Sign.NOT_OURS
    assert read_reply(reply(rcode(dns.rcode.NXDOMAIN), question(rdtype="TXT")), question()) is Sign.NOT_OURS


def test_a_resolver_may_change_the_case_of_a_name() -> None:
    shouted = reply(rcode(dns.rcode.NXDOMAIN)).replace(b"zen", b"ZeN")
    assert read_reply(shouted, question()) == NotFound(Absence.NXDOMAIN)


def test_a_bare_header_is_an_error_and_never_an_absence() -> None:
    """Old servers answer FORMERR without the question."""
    header = reply(rcode(dns.rcode.FORMERR))[:4] + bytes(8)
    assert read_reply(header, question()) is Sign.NO_EDNS
    assert read_reply(header, question(), edns=False) == Unknown(Trouble.MALFORMED)
    nothing = reply(rcode(dns.rcode.NXDOMAIN))[:4] + bytes(8)
    assert read_reply(nothing, question()) is Sign.NOT_OURS


@given(st.binary(max_size=200), st.integers(0, 120))
def test_garbage_is_never_an_absence_and_never_an_exception(noise: bytes, cut: int) -> None:
    whole = reply(with_authority("SOA", SOA))
    assert not isinstance(read_reply(whole[:cut] + noise, question()), Found)
    assert isinstance(read_reply(whole[: question().at] + noise, question()), Unknown | NotFound)
    tail = whole[: question().at] + noise[:4]
    assert read_reply(tail, question()) == Unknown(Trouble.MALFORMED)


@pytest.mark.parametrize(
    "name",
    [
        "a" * 64 + ".example",
        "a..example",
        "",
        "b\u00fccher.example",
        ".".join(["a" * 60] * 5),
        "a\\046b.example",
    ],
)
def test_what_is_no_name_is_not_asked(name: str) -> None:
    assert asked(Question(name)) is None
