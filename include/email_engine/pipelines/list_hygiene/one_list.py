"""One recipient list, window by window, so that a million subscribers take the memory of some thousand."""

from collections.abc import Mapping, Sequence

from email_engine.adapters.mailwizz_lists import Listed, MailwizzLists, RecipientList
from email_engine.hygiene.addresses import JudgedAddress, judge_address
from email_engine.hygiene.domains import DomainVerdict
from email_engine.hygiene.people import NOTHING_HEARD, Heard, Standing, judge_person
from email_engine.hygiene.report import ListReport
from email_engine.mailer.unreadable import Unreadable
from email_engine.pipelines.list_hygiene.files import Note
from email_engine.pipelines.list_hygiene.looking import Looking, NotWhole, TimeIsUp

OF_DOMAIN = {DomainVerdict.NULL_MX: "null_mx", DomainVerdict.DEAD: "dead_domain"}


def look_at_list(mailwizz: MailwizzLists, one: RecipientList, how: Looking, note: Note) -> ListReport:
    """Counts every subscriber once, and notes those with a finding. Raises NotWhole where its subscribers cannot be read, TimeIsUp."""
    report = ListReport(one.uid, one.name, how.policy.unsubscribed, why_silence_unknown=how.no_silence)
    after, with_unsubscribed = 0, how.policy.unsubscribed
    while True:
        if how.clock() >= how.until:
            raise TimeIsUp
        window = mailwizz.window(one.list_id, after, how.policy.window, unsubscribed=with_unsubscribed)
        if isinstance(window, Unreadable):
            raise NotWhole(f"{window.told}. Next: {window.next_step}" if window.next_step else window.told)
        if not window:
            break
        _count(mailwizz, window, how, report, note)
        after = window[-1].subscriber_id
    if report.counts["unknown_domain"]:
        report.why_domains_unknown = f"some domains are not known: {how.book.why_unknown or 'no answer'}"
    return report


def _count(
    mailwizz: MailwizzLists, window: Sequence[Listed], how: Looking, report: ListReport, note: Note
) -> None:
    judged = [judge_address(one.email) for one in window]
    verdicts = how.book.verdicts({each.domain for each in judged if each.domain})
    found = [_finding(each, verdicts) for each in judged]
    reachable = [one for one, finding in zip(window, found, strict=True) if finding is None]
    standings = _standings(mailwizz, reachable, how, report)
    report.counts["subscribers"] += len(window)
    report.counts["unsubscribed"] += sum(one.unsubscribed for one in window)
    for one, each, finding in zip(window, judged, found, strict=True):
        kind = finding or standings[one.subscriber_id].value
        report.counts[kind] += 1
        report.counts["unknown_domain"] += verdicts.get(each.domain) is DomainVerdict.UNKNOWN
        if finding or kind == Standing.SILENT:
            note(kind, one)


def _finding(judged: JudgedAddress, verdicts: Mapping[str, DomainVerdict]) -> str | None:
    if judged.problem is not None:
        return judged.problem.value
    return OF_DOMAIN.get(verdicts[judged.domain])


def _standings(
    mailwizz: MailwizzLists, people: Sequence[Listed], how: Looking, report: ListReport
) -> dict[int, Standing]:
    ids = [one.subscriber_id for one in people]
    heard = mailwizz.heard(ids, how.since, how.opens) if ids else {}
    if isinstance(heard, Unreadable):
        _silence_unknown(report, heard)
        heard = {}
    quiet = [i for i in ids if i not in heard]
    mails = mailwizz.mails(quiet, how.since) if quiet and not report.why_silence_unknown else {}
    if isinstance(mails, Unreadable):
        _silence_unknown(report, mails)
        mails = {}
    known = not report.why_silence_unknown
    found = {}
    for one in people:
        each = heard.get(one.subscriber_id, NOTHING_HEARD)
        sent = mails.get(one.subscriber_id, 0) if known else None
        found[one.subscriber_id] = judge_person(one.added, each, sent, how.since, how.policy)
        report.counts["engaged_lately"] += _lately(each, how)
    return found


def _lately(heard: Heard, how: Looking) -> bool:
    return heard.person is not None and heard.person >= max(how.lately, how.since)


def _silence_unknown(report: ListReport, why: Unreadable) -> None:
    report.why_silence_unknown = report.why_silence_unknown or f"silence is not known: {why.told}"
