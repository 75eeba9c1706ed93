"""All checks of all subjects, with the fewest questions: ask what is missing, check again, until nothing is missing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from email_engine.dns_answers import Answer, Found, Question, ResolveMany
from email_engine.dnsauth.dkim import check_dkim
from email_engine.dnsauth.dmarc import check_dmarc, policy_in_force
from email_engine.dnsauth.extras import check_extras
from email_engine.dnsauth.hosts import check_address, check_ptr
from email_engine.dnsauth.model import DnsFinding, DnsStatus, Gravity, Lookup, Report, Subject
from email_engine.dnsauth.mx import check_mx, mx_records
from email_engine.dnsauth.spf import check_helo, check_spf
from email_engine.dnsauth.spf_host import one_loop
from email_engine.dnsauth.spf_record import is_spf

Check = Callable[[Lookup, Subject], Report]
MOST_ROUNDS = 40
"""SPF's limits end every chain long before (RFC 7208 section 4.6.4)."""

CHECKS: tuple[Check, ...] = (
    check_spf,
    check_helo,
    check_dmarc,
    check_ptr,
    check_mx,
    check_address,
    check_extras,
)
GROUPS = ("spf", "dkim", "dmarc", "ptr", "mx")


def check_subject(lookup: Lookup, subject: Subject) -> tuple[DnsFinding, ...]:
    """Every finding about one subject; DKIM only when a selector is known."""
    checks = CHECKS + ((check_dkim,) if subject.selector else ())
    return tuple(finding for check in checks for finding in check(lookup, subject).findings)


def validate(subjects: Sequence[Subject], resolve_many: ResolveMany) -> dict[Subject, tuple[DnsFinding, ...]]:
    """Findings of every subject, in order."""
    return _validate(subjects, resolve_many)[0]


@dataclass(frozen=True, slots=True)
class Examination:
    """One subject by hand: its findings, and what stands in DNS. `spf`: the one record; `policy`: none, quarantine or reject, the
    one that applies; None where it is not there or was not answered. `mx`: `preference host` each."""

    findings: tuple[DnsFinding, ...]
    spf: str | None
    policy: str | None
    mx: tuple[str, ...]


def examine(subject: Subject, resolve_many: ResolveMany) -> Examination:
    """Everything about one subject."""
    done, answers = _validate([subject], resolve_many)
    lookup = Lookup(answers)
    texts, mx = (lookup.known(subject.domain, rdtype) for rdtype in ("TXT", "MX"))
    records = [text for text in texts.records if is_spf(text)] if isinstance(texts, Found) else []
    return Examination(
        done[subject],
        records[0] if len(records) == 1 else None,
        policy_in_force(lookup, subject.domain),
        mx_records(mx),
    )


def _validate(
    subjects: Sequence[Subject], resolve_many: ResolveMany
) -> tuple[dict[Subject, tuple[DnsFinding, ...]], dict[Question, Answer]]:
    answers: dict[Question, Answer] = {}
    done: dict[Subject, tuple[DnsFinding, ...]] = {}
    waiting = list(dict.fromkeys(subjects))
    for _ in range(MOST_ROUNDS):
        missing: set[Question] = set()
        unfinished = []
        with one_loop():
            for subject in waiting:
                lookup = Lookup(answers)
                done[subject] = check_subject(lookup, subject)
                if lookup.missing:
                    missing |= lookup.missing
                    unfinished.append(subject)
        if not missing:
            break
        answers |= resolve_many(sorted(missing, key=lambda q: (q.name, q.rdtype)))
        waiting = unfinished
    return {subject: done[subject] for subject in subjects}, answers


def validity(findings: Iterable[DnsFinding]) -> dict[str, bool | None]:
    """For each group: False when an error stands, None when something grave is unknown, True otherwise.

    A group without any finding is None: what was not looked at is not good."""
    by_group: dict[str, list[DnsStatus]] = {group: [] for group in GROUPS}
    for finding in findings:
        if finding.severity is Gravity.ERROR and finding.group in by_group:
            by_group[finding.group].append(finding.status)
    return {group: _together(statuses) for group, statuses in by_group.items()}


def _together(statuses: Sequence[DnsStatus]) -> bool | None:
    if DnsStatus.BROKEN in statuses:
        return False
    return None if DnsStatus.UNKNOWN in statuses or not statuses else True
