"""Engaged, silent, or nobody knows; and how long six months are."""

from datetime import UTC, datetime, timedelta

import pytest

from email_engine.hygiene.people import Heard, Standing, judge_person
from email_engine.hygiene.policy import HygienePolicy
from email_engine.hygiene.report import ListReport, summed_title

SINCE = datetime(2026, 5, 30, 4)  # noqa: DTZ001 - as MailWizz has it
LONG_AGO, LATELY = SINCE - timedelta(days=400), SINCE + timedelta(days=100)


@pytest.mark.parametrize(
    ("added", "heard", "mails", "wanted"),
    [
        (LONG_AGO, Heard(LATELY), 5, Standing.ENGAGED),
        (LONG_AGO, Heard(LATELY, machine=True), 5, Standing.ENGAGED),
        (LONG_AGO, Heard(LATELY), None, Standing.ENGAGED),
        (LONG_AGO, Heard(machine=True), 5, Standing.MACHINES_ALONE),
        (LONG_AGO, Heard(), 5, Standing.SILENT),
        (SINCE, Heard(), 1, Standing.SILENT),
        (LONG_AGO, Heard(), 0, Standing.UNJUDGED),
        (LONG_AGO, Heard(), None, Standing.UNJUDGED),
        (LATELY, Heard(), 5, Standing.UNJUDGED),
        (None, Heard(), 5, Standing.UNJUDGED),
        (LONG_AGO, Heard(LONG_AGO), 5, Standing.SILENT),
    ],
    ids=[
        "opened", "opened, and machines too", "opened, nothing else known", "machines alone", "did nothing", "came on the very day", "got no mail",
        "nobody knows", "came later", "nobody knows when", "opened before that",
    ],
)  # fmt: skip
def test_silent_is_only_who_got_mail_and_was_there(
    added: datetime | None, heard: Heard, mails: int | None, wanted: Standing
) -> None:
    assert judge_person(added, heard, mails, SINCE, HygienePolicy()) is wanted


def test_so_many_mails_make_a_silence() -> None:
    policy = HygienePolicy(silent_mails=3)
    assert judge_person(LONG_AGO, Heard(), 2, SINCE, policy) is Standing.UNJUDGED
    assert judge_person(LONG_AGO, Heard(), 3, SINCE, policy) is Standing.SILENT


@pytest.mark.parametrize(
    ("as_of", "months", "since"),
    [
        ((2026, 11, 30), 6, (2026, 5, 30)),
        ((2026, 8, 31), 6, (2026, 2, 28)),
        ((2028, 8, 31), 6, (2028, 2, 29)),
        ((2026, 3, 1), 6, (2025, 9, 1)),
        ((2027, 1, 15), 1, (2026, 12, 15)),
        ((2026, 12, 31), 1, (2026, 11, 30)),
        ((2026, 7, 1), 36, (2023, 7, 1)),
    ],
)
def test_months_are_those_of_the_calendar(
    as_of: tuple[int, int, int], months: int, since: tuple[int, int, int]
) -> None:
    policy = HygienePolicy(silent_months=months)
    assert policy.silent_since(datetime(*as_of, 4, tzinfo=UTC)) == datetime(*since, 4, tzinfo=UTC)


def test_a_report_says_engaged_first_and_what_is_not_known() -> None:
    report = ListReport("ab1", "News", with_unsubscribed=False)
    report.counts.update(subscribers=10, engaged=4, engaged_lately=1, silent=2, null_mx=1, bad_syntax=1)
    assert report.words == (
        "News: 10 subscribers: 4 engaged (1 lately), silent: 2, opened by machines alone: 0, not judged: 0, no address: 1,"
        " domain takes no mail: 1"
    )
    report.why_silence_unknown = "silence is not known: MailWizz noted no open"
    assert report.silent is None
    assert "silent: not known" in report.words
    assert report.words.endswith("(silence is not known: MailWizz noted no open)")
    assert summed_title("mw-a", [report]) == (
        "MailWizz mw-a: of 10 subscribers in 1 recipient list, 2 cannot take mail and who is silent is not known"
    )


NO_OPENS, NO_DNS = "MailWizz noted no open", "the resolver did not answer"


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ([("", "", 1, 2)], "1 cannot take mail and 2 are silent"),
        ([("", "", 0, 0)], "0 cannot take mail and 0 are silent"),
        ([(NO_OPENS, NO_DNS, 0, 0)], "it is not known how many cannot take mail or are silent"),
        ([(NO_OPENS, NO_DNS, 3, 0)], "at least 3 cannot take mail and who is silent is not known"),
        ([("", NO_DNS, 0, 4)], "who cannot take mail is not known and 4 are silent"),
        ([("", "", 0, 4), (NO_OPENS, NO_DNS, 0, 0)], "who cannot take mail is not known and at least 4 are silent"),
    ],
    ids=["known", "nobody", "nothing known", "found without domains", "no resolver", "one of two lists"],
)  # fmt: skip
def test_the_title_calls_nothing_a_zero_that_is_not_known(
    lists: list[tuple[str, str, int, int]], told: str
) -> None:
    reports = []
    for silence, domains, cannot, silent in lists:
        report = ListReport("ab1", "News", with_unsubscribed=False)
        report.counts.update(subscribers=10, silent=silent, bad_syntax=cannot)
        report.why_silence_unknown, report.why_domains_unknown = silence, domains
        reports.append(report)
    assert summed_title("mw-a", reports).partition(", ")[2] == told
