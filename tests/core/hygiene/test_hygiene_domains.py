"""Null MX and dead domains, and resolvers that cannot be believed."""

from collections.abc import Iterable
from typing import Any

import pytest

from email_engine.dns_answers import Absence, Answer, Found, NotFound, Question, Trouble, Unknown
from email_engine.hygiene.domains import DomainVerdict, agreed, judge_domains

GONE, EMPTY, SILENT = NotFound(Absence.NXDOMAIN), NotFound(Absence.NODATA), Unknown(Trouble.TIMEOUT)
KNOWN = ("gmail.com", "outlook.com", "yahoo.com")
SOUND: dict[tuple[str, str], Answer] = {(name, "MX"): Found(("5 mx.example.",)) for name in KNOWN}
V = DomainVerdict


def verdict(
    answers: dict[tuple[str, str], Answer], *, otherwise: Answer = GONE, sound: Any = None
) -> V | None:
    """Of a.example; what is not in the table is answered `otherwise`, names of com, net and org never exist."""
    table = (SOUND if sound is None else sound) | answers

    def resolve(questions: Iterable[Question]) -> dict[Question, Answer]:
        nowhere = (".com", ".net", ".org")
        return {
            q: table.get((q.name, q.rdtype), GONE if q.name.endswith(nowhere) else otherwise)
            for q in questions
        }

    found = judge_domains(["a.example"], resolve, KNOWN, "ee-0123")
    return found and found["a.example"]


def mx(*records: str) -> dict[tuple[str, str], Answer]:
    return {("a.example", "MX"): Found(records)}


@pytest.mark.parametrize(
    ("answers", "otherwise", "wanted"),
    [
        (mx("10 mx1.a.example") | {("mx1.a.example", "A"): Found(("192.0.2.1",))}, GONE, V.TAKES_MAIL),
        (mx("10 mx1.a.example") | {("mx1.a.example", "AAAA"): Found(("2001:db8::1",))}, EMPTY, V.TAKES_MAIL),
        (mx("10 gone.example", "20 b.example") | {("b.example", "A"): Found(("192.0.2.1",))}, GONE, V.TAKES_MAIL),
        (mx("0 "), GONE, V.NULL_MX),
        (mx("0 ."), GONE, V.NULL_MX),
        (mx("0 .", "10 b.example") | {("b.example", "A"): Found(("192.0.2.1",))}, GONE, V.TAKES_MAIL),
        (mx("10 gone.example"), GONE, V.DEAD),
        (mx("10 gone.example", "20 slow.example") | {("slow.example", "A"): SILENT}, GONE, V.UNKNOWN),
        (mx(*(f"{n} h{n}.example" for n in range(9))), GONE, V.TAKES_MAIL),
        ({}, GONE, V.DEAD),
        ({("a.example", "MX"): EMPTY}, EMPTY, V.DEAD),
        ({("a.example", "MX"): EMPTY, ("a.example", "A"): Found(("192.0.2.1",))}, EMPTY, V.TAKES_MAIL),
        ({("a.example", "MX"): EMPTY, ("a.example", "A"): SILENT}, EMPTY, V.UNKNOWN),
        ({("a.example", "MX"): SILENT}, GONE, V.UNKNOWN),
        ({("a.example", "MX"): Unknown(Trouble.SERVFAIL)}, GONE, V.UNKNOWN),
    ],
    ids=[
        "MX with A", "MX with AAAA", "second host is there", "null MX", "null MX with its dot", "null beside a host", "hosts are gone",
        "one host is silent", "too many hosts to look at", "no such name", "no MX and no address", "its own address",
        "own address is silent", "silent", "servfail",
    ],
)  # fmt: skip
def test_a_domain_is_dead_only_where_everything_was_answered(
    answers: dict[tuple[str, str], Answer], otherwise: Answer, wanted: V
) -> None:
    assert verdict(answers, otherwise=otherwise) is wanted


@pytest.mark.parametrize(
    "sound",
    [
        {},
        {("gmail.com", "MX"): Found(("5 mx.example",))},
        dict.fromkeys(SOUND, SILENT),
        SOUND | {("ee-0123.com", "A"): Found(("203.0.113.1",))},
        SOUND | {("ee-0123.org", "MX"): Found(("5 parking.example",))},
        SOUND | {(f"ee-0123.{top}", kind): SILENT for top in ("com", "net", "org") for kind in ("A", "MX")},
        SOUND | dict.fromkeys(SOUND, Found(("0 ",))),
    ],
    ids=[
        "everything is gone", "one of three is there", "silent", "invents addresses", "invents MX", "says nothing of nonsense",
        "null MX for everybody",
    ],
)  # fmt: skip
def test_a_resolver_that_cannot_be_believed_says_nothing(
    sound: dict[tuple[str, str], Answer],
) -> None:
    assert verdict({}, sound=sound) is None
    assert verdict(mx("0 "), sound=sound) is None


def test_a_grave_verdict_needs_a_second_look() -> None:
    first = {"a": V.DEAD, "b": V.NULL_MX, "c": V.DEAD, "d": V.TAKES_MAIL, "e": V.DEAD}
    second = {"a": V.DEAD, "b": V.NULL_MX, "c": V.TAKES_MAIL}
    assert agreed(first, second) == {
        "a": V.DEAD, "b": V.NULL_MX, "c": V.UNKNOWN, "d": V.TAKES_MAIL, "e": V.UNKNOWN,
    }  # fmt: skip
