"""What an answer of a block list means: three answers, never two."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest

from email_engine.blocklists.judge import judge_answer, judge_probe
from email_engine.blocklists.model import (
    BlockList,
    Code,
    ListClass,
    Listed,
    Lists,
    ListStatus,
    NotKnown,
    NotListed,
    Probe,
    Severity,
)
from email_engine.blocklists.names import listing_question, probe_questions, reversed_name
from email_engine.dns_answers import Absence, Answer, Found, NotFound, Question, Unknown, redact

ZEN = BlockList(
    name="zen",
    title="ZEN",
    zone="zen.example",
    codes={
        IPv4Address("127.0.0.2"): Code("SBL", ListClass.REPUTATION, Severity.HIGH),
        IPv4Address("127.0.0.4"): Code("XBL", ListClass.REPUTATION, Severity.MEDIUM),
        IPv4Address("127.0.0.9"): Code("DROP", ListClass.REPUTATION, Severity.HIGH, severe=True),
        IPv4Address("127.0.0.10"): Code("PBL", ListClass.POLICY, Severity.INFO),
        IPv4Address("127.0.0.200"): Code("quota used up", ListClass.ERROR, Severity.INFO),
    },
    probe=Probe(True, frozenset({IPv4Address("127.0.0.2")})),
)
ANY_CODE = BlockList("sem", "SEM", "sem.example", default=Code("SEM", ListClass.REPUTATION, Severity.LOW))
NO_TEST_POINT = BlockList("mute", "Mute", "mute.example", codes=ZEN.codes, probe=Probe(has_test_point=False))


def found(*records: str) -> Found:
    return Found(records, 60)


@pytest.mark.parametrize(
    ("records", "codes", "list_class", "severity"),
    [
        (("127.0.0.2",), ("127.0.0.2",), "reputation", "high"),
        (("127.0.0.4",), ("127.0.0.4",), "reputation", "medium"),
        (("127.0.0.10",), ("127.0.0.10",), "policy", "info"),
        (("127.0.0.10", "127.0.0.4"), ("127.0.0.4", "127.0.0.10"), "reputation", "medium"),
        (("127.0.0.10", "127.0.0.2", "127.0.0.4"), ("127.0.0.2", "127.0.0.4", "127.0.0.10"), "reputation", "high"),
    ],
    ids=["SBL", "XBL", "policy alone", "policy beside reputation", "all records count"],
)  # fmt: skip
def test_the_codes_decide_class_and_severity(
    records: tuple[str, ...], codes: tuple[str, ...], list_class: str, severity: str
) -> None:
    verdict = judge_answer(ZEN, found(*records))
    assert isinstance(verdict, Listed)
    assert (verdict.codes, verdict.list_class, verdict.severity) == (codes, list_class, severity)
    assert not verdict.severe


@pytest.mark.parametrize(
    ("answer", "reason", "fault"),
    [
        (Unknown("timeout"), "timeout", False),
        (Unknown("servfail"), "servfail", False),
        (Unknown("refused"), "refused", False),
        (found("91.195.240.117"), "outside 127.0.0.0/8", False),
        (found("127.0.0.2", "146.112.61.108"), "outside 127.0.0.0/8", False),
        (found("127.0.0.1"), "127.0.0.1", False),
        (found("127.0.0.77"), "unknown code", False),
        (found("127.0.0.77", "127.0.0.78"), "unknown code 127.0.0.77, unknown code 127.0.0.78", False),
        (found("127.255.255.252"), "mistyped", True),
        (found("127.255.255.254"), "public resolver", True),
        (found("127.255.255.255"), "too many queries", True),
        (found("127.255.255.250"), "key is disabled", True),
        (found("127.255.255.251"), "key is rejected", True),
        (found("127.255.255.3"), "refuses", True),
        (found("127.0.0.200"), "quota used up", True),
        (found("2001:db8::1"), "no IPv4 address", False),
        (found(), "empty answer", False),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_what_is_not_sure_is_unknown(answer: Answer, reason: str, fault: bool) -> None:
    verdict = judge_answer(ZEN, answer)
    assert isinstance(verdict, NotKnown)
    assert reason in verdict.reason
    assert verdict.fault is fault


@pytest.mark.parametrize("absence", list(Absence))
def test_a_name_without_address_is_not_listed(absence: Absence) -> None:
    assert judge_answer(ZEN, NotFound(absence)) == NotListed()


def test_silence_of_a_list_without_test_point_proves_nothing() -> None:
    assert isinstance(judge_answer(NO_TEST_POINT, NotFound()), NotKnown)
    assert isinstance(judge_answer(NO_TEST_POINT, found("127.0.0.2")), Listed)


def test_a_list_with_a_default_takes_every_code_but_errors() -> None:
    assert isinstance(judge_answer(ANY_CODE, found("127.0.0.77")), Listed)
    assert isinstance(judge_answer(ANY_CODE, found("127.255.255.254")), NotKnown)
    assert isinstance(judge_answer(ANY_CODE, found("127.0.0.1")), NotKnown)


def test_one_severe_code_makes_the_listing_severe() -> None:
    verdict = judge_answer(ZEN, found("127.0.0.2", "127.0.0.9"))
    assert isinstance(verdict, Listed)
    assert verdict.severe


HEALTHY: dict[str, Answer] = {"listed": found("127.0.0.2", "127.0.0.4"), "not_listed": NotFound(), "random": NotFound()}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"listed": found("127.0.0.2", "127.0.0.99")}, ""),
        ({"listed": NotFound()}, "not listed"),
        ({"listed": NotFound(Absence.NODATA)}, "not listed"),
        ({"listed": found("127.0.0.4")}, "lacks the codes 127.0.0.2"),
        ({"listed": found("127.255.255.254")}, "public resolver"),
        ({"listed": found("192.0.2.80")}, "outside 127.0.0.0/8"),
        ({"listed": Unknown("timeout")}, "timeout"),
        ({"not_listed": found("127.0.0.2")}, "it lists 127.0.0.1"),
        ({"not_listed": Unknown("servfail")}, "servfail"),
        ({"random": found("127.0.0.2")}, "cannot be listed"),
        ({"random": found("192.0.2.80")}, "cannot be listed"),
        ({"random": Unknown("refused")}, "refused"),
        ({name: found("127.255.255.254") for name in HEALTHY}, "public resolver"),
        ({name: found("127.0.0.1") for name in HEALTHY}, "cannot be listed"),
    ],
    ids=[
        "healthy", "a new code at the test point", "emptied", "emptied, NODATA", "expected code missing", "refused at the test point",
        "parked at the test point", "no answer", "lists 127.0.0.1", "SERVFAIL", "wildcard", "parked", "REFUSED", "blocked",
        "DNS filter",
    ],
)  # fmt: skip
def test_a_list_is_believed_only_after_its_probe(change: dict[str, Answer], reason: str) -> None:
    questions = probe_questions("zen.example", "r4nd0m")
    answers: dict[str, Answer] = HEALTHY | change
    asked = {"listed": questions.listed[0], "not_listed": questions.not_listed[0], "random": questions.random}
    health = judge_probe(ZEN, questions, {asked[name]: answer for name, answer in answers.items()})
    assert health.healthy is (not reason)
    assert reason in health.reason


def test_an_unasked_probe_is_unhealthy_and_so_is_a_retired_list() -> None:
    questions = probe_questions("zen.example", "r4nd0m")
    assert "not asked" in judge_probe(ZEN, questions, {}).reason
    retired = BlockList("sorbs", "SORBS", "dnsbl.sorbs.net", status=ListStatus.RETIRED, message="shut down")
    assert "shut down" in judge_probe(retired, questions, {}).reason


def test_a_list_without_test_point_is_probed_by_what_must_not_exist() -> None:
    questions = probe_questions("mute.example", "r4nd0m")
    answers: dict[Question, Answer] = {questions.random: NotFound(), questions.not_listed[0]: NotFound()}
    assert judge_probe(NO_TEST_POINT, questions, answers).healthy
    assert not judge_probe(NO_TEST_POINT, questions, answers | {questions.random: found("127.0.0.2")}).healthy


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192"),
        ("2001:db8:1:2:3:4:567:89ab", "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"),
    ],
)
def test_names_are_reversed_as_rfc_5782_shows(address: str, name: str) -> None:
    assert reversed_name(ip_address(address)) == name
    assert listing_question(ip_address(address), "zen.example").name == f"{name}.zen.example"


@pytest.mark.parametrize("label", ["", "a_b", "a-b", "a.b", "ä"])
def test_a_random_label_is_letters_and_digits(label: str) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        probe_questions("zen.example", label)


def test_the_probe_of_an_ipv6_list_asks_the_mapped_test_points() -> None:
    (point,) = probe_questions("z.example", "x1", ipv6=True).listed
    assert point.name.startswith("2.0.0.0.0.0.f.7.f.f.f.f.0.")


@pytest.mark.parametrize(
    ("records", "sublists"),
    [
        (("127.0.0.2", "127.0.0.77"), ("SBL", "unknown code 127.0.0.77")),
        (("127.0.0.77", "127.0.0.2", "127.0.0.4"), ("SBL", "XBL", "unknown code 127.0.0.77")),
    ],
)
def test_a_strange_code_beside_a_known_one_is_shown_and_changes_nothing(
    records: tuple[str, ...], sublists: tuple[str, ...]
) -> None:
    verdict = judge_answer(ZEN, found(*records))
    assert isinstance(verdict, Listed)
    assert (verdict.sublists, verdict.list_class, verdict.severity) == (
        sublists,
        ListClass.REPUTATION,
        Severity.HIGH,
    )
    assert set(verdict.codes) == set(records)


SPAM = Code("abuse", ListClass.REPUTATION, Severity.HIGH)
GREY = Code("grey", ListClass.INFO, Severity.INFO)
REFUSED = Code("query refused", ListClass.ERROR, Severity.INFO)
SUMS = BlockList(
    "uribl", "URIBL", "multi.uribl.example", lists=Lists.DOMAINS, bits={1: REFUSED, 2: SPAM, 4: GREY}
)


def test_the_last_octet_of_some_lists_is_a_sum() -> None:
    both = judge_answer(SUMS, found("127.0.0.6"))
    assert isinstance(both, Listed)
    assert (both.sublists, both.list_class, both.classes) == (
        ("abuse", "grey"), ListClass.REPUTATION, (ListClass.REPUTATION, ListClass.INFO),
    )  # fmt: skip
    assert isinstance(alone := judge_answer(SUMS, found("127.0.0.4")), Listed)
    assert alone.list_class is ListClass.INFO
    assert judge_answer(SUMS, found("127.0.0.1")) == NotKnown("answer 127.0.0.1: query refused", fault=True)
    assert isinstance(judge_answer(SUMS, found("127.0.0.3")), NotKnown), "refused, whatever else the sum says"
    assert isinstance(judge_answer(SUMS, found("127.0.0.64")), NotKnown)
    assert isinstance(judge_answer(SUMS, found("127.0.1.2")), NotKnown)


def test_one_of_a_list_s_own_test_names_must_be_listed() -> None:
    own = replace(SUMS, probe=Probe(present=("test", "dbltest.com"), absent=("invalid",)))
    questions = probe_questions(own.zone, "r4nd0m", present=own.probe.present, absent=own.probe.absent)
    names = [question.name.removesuffix(f".{own.zone}") for question in questions.all()]
    assert names == ["test", "dbltest.com", "invalid", "r4nd0m"]
    silent: dict[Question, Answer] = dict.fromkeys(questions.all(), NotFound())
    assert (
        judge_probe(own, questions, silent).reason == "its test point TEST is not listed: emptied or blocked"
    )
    assert judge_probe(own, questions, silent | {questions.listed[1]: found("127.0.0.2")}).healthy
    invalid = silent | dict.fromkeys((*questions.listed, *questions.not_listed), found("127.0.0.2"))
    assert "it lists INVALID" in judge_probe(own, questions, invalid).reason
    by_ip = dict.fromkeys(questions.all(), found("127.0.0.1"))
    assert judge_probe(own, questions, by_ip).reason == "answer 127.0.0.1: query refused"


@pytest.mark.parametrize(
    "text",
    [
        "2.0.0.127.abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net",
        "2.0.0.127.ABCDEFGHIJKLMNOPQRSTUVWXYZ.SBL.dq.spamhaus.net.",
        "lookup of 2.0.0.127.abcdefghijklmnopqrstuvwxyz.combined.mail.abusix.zone failed",
        "see https://check.example/?key=abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_keys_are_cut_out_of_whatever_is_shown(text: str) -> None:
    shown = redact(text, "abcdefghijklmnopqrstuvwxyz")
    assert "abcdefghijklmnopqrstuvwxyz" not in shown.lower()
    assert "<key>" in shown


def test_a_question_never_shows_its_key() -> None:
    question: Any = Question("2.0.0.127.abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net.")
    assert "abcdef" not in f"{question} {question!r} {[question]}"
    assert question.name.endswith("spamhaus.net")
