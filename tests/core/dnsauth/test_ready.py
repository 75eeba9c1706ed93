"""Readiness for the large receivers, and what every check says when nothing answers."""

from dataclasses import replace

import pytest

from email_engine.dns_answers import Trouble, Unknown
from email_engine.dnsauth.by_hand import remembering, with_known_name
from email_engine.dnsauth.model import WHAT_TO_DO, DnsFinding, DnsStatus, Gravity
from email_engine.dnsauth.ready import judge_readiness
from email_engine.dnsauth.validate import examine, validate, validity
from tests.dkim_keys import spki
from tests.dns_zone import DOMAIN, HOST, IP, SUBJECT, Zone, good_records

GOOD = f"v=DKIM1; p={spki()}"
PTR = IP.reverse_pointer
REPORTS = {(f"{DOMAIN}._report._dmarc.aurora.example", "TXT"): ["v=DMARC1"]}


def ready(records: dict[tuple[str, str], list[str] | Unknown]) -> dict[str, bool | None]:
    zone = Zone(good_records(GOOD) | records)
    return dict(judge_readiness(validate([SUBJECT], zone.resolve_many)[SUBJECT]).receivers)


@pytest.mark.parametrize(
    ("records", "google", "yahoo", "microsoft"),
    [
        ({}, True, True, True),
        ({(DOMAIN, "TXT"): ["v=spf1 -all"]}, False, False, False),
        ({(DOMAIN, "TXT"): Unknown("timeout")}, None, None, None),
        ({(f"s1._domainkey.{DOMAIN}", "TXT"): []}, False, False, False),
        ({(f"_dmarc.{DOMAIN}", "TXT"): []}, False, False, False),
        ({(PTR, "PTR"): []}, False, False, True),
        ({(PTR, "PTR"): Unknown("servfail")}, None, None, True),
        ({(HOST, "A"): ["192.0.2.9"]}, False, False, True),
        ({(PTR, "PTR"): ["mail7.other.example"], ("mail7.other.example", "A"): [str(IP)]}, True, True, True),
        ({(PTR, "PTR"): ["dsl-7.isp.example"], ("dsl-7.isp.example", "A"): [str(IP)]}, True, False, True),
        ({(PTR, "PTR"): ["gone.example", HOST]}, True, True, True),
        ({(DOMAIN, "MX"): ["0 ."]}, True, True, True),
        ({(DOMAIN, "TXT"): Unknown("timeout"), (PTR, "PTR"): []}, False, False, None),
    ],
    ids=[
        "good", "SPF fails", "SPF silent", "no key", "no DMARC", "no PTR", "PTR silent", "PTR leads elsewhere", "another name than HELO",
        "a hoster's name", "one of two names leads back", "a null MX is another matter", "no beats unknown",
    ],
)  # fmt: skip
def test_each_receiver_looks_at_what_it_demands(
    records: dict[tuple[str, str], list[str] | Unknown],
    google: bool | None,
    yahoo: bool | None,
    microsoft: bool | None,
) -> None:
    assert ready(records) == {"google": google, "yahoo": yahoo, "microsoft": microsoft}


def test_what_was_not_asked_is_not_ready() -> None:
    judged = judge_readiness([])
    assert judged.valid is None
    assert set(judged.receivers.values()) == {None}
    assert judged.missing == ()
    assert {"TLS", "one-click unsubscribe", "spam rate"} <= set(judged.not_asked)


def test_a_warning_alone_keeps_nobody_from_being_ready() -> None:
    short = DnsFinding("dkim.size", "x", DnsStatus.BROKEN, Gravity.WARNING, "1024 bits", "", "")
    record = DnsFinding("dkim.record", "x", DnsStatus.OK, Gravity.ERROR, "", "", "")
    assert judge_readiness([short, record]).demands["dkim"] is True


@pytest.mark.parametrize("trouble", Trouble, ids=str)
def test_every_check_names_the_trouble_and_the_next_step(trouble: Trouble) -> None:
    findings = validate([SUBJECT], lambda questions: dict.fromkeys(questions, Unknown(trouble)))[SUBJECT]
    assert {finding.status for finding in findings} == {DnsStatus.UNKNOWN}
    assert set(validity(findings).values()) == {None}
    for finding in findings:
        assert trouble in finding.observed
        assert WHAT_TO_DO[trouble] in finding.remedy
        assert "publish nothing yet" in finding.remedy
        assert '"v=' not in finding.remedy


@pytest.mark.parametrize("trouble", Trouble, ids=str)
@pytest.mark.parametrize(
    "silent",
    [(DOMAIN, "MX"), (DOMAIN, "TXT"), (HOST, "A"), (PTR, "PTR"), (f"_dmarc.{DOMAIN}", "TXT")],
    ids=str,
)
def test_one_silent_name_turns_nothing_red(silent: tuple[str, str], trouble: Trouble) -> None:
    zone = Zone(good_records(GOOD) | REPORTS | {silent: Unknown(trouble)})
    verdicts = validity(validate([SUBJECT], zone.resolve_many)[SUBJECT])
    assert False not in verdicts.values()
    assert None in verdicts.values()


def test_no_question_is_asked_twice() -> None:
    zone = Zone(good_records(GOOD))
    ask = remembering(zone.resolve_many)
    alone = with_known_name(replace(SUBJECT, hostname=""), ask)
    assert (alone.hostname, alone.hostname_is_ours) == (HOST, False)
    examine(alone, ask)
    examine(alone, ask)
    assert len(zone.asked) == len(set(zone.asked))


@pytest.mark.parametrize("names", [[HOST, "other.example"], [], ["."], ["mta"], Unknown("timeout")], ids=str)
def test_a_name_that_is_not_told_clearly_is_not_known(names: list[str] | Unknown) -> None:
    zone = Zone(good_records(GOOD) | {(PTR, "PTR"): names})
    assert with_known_name(replace(SUBJECT, hostname=""), zone.resolve_many).hostname == ""
