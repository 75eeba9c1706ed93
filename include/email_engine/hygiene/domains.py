"""Whether a domain takes mail, by DNS. What is not known is never dead: a resolver that lies or is away makes everything unknown."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from email_engine.dns_answers import Absence, Answer, Found, NotFound, Question, ResolveMany, Unknown

MOST_HOSTS = 5
"""Hosts of a domain's MX that are looked at: whoever has more is no dead domain."""
INVENTED_UNDER = ("com", "net", "org")
"""Where names are invented that surely do not exist; providers that answer for such names do it there first."""


class DomainVerdict(StrEnum):
    """`null_mx`: it says that it takes no mail (RFC 7505); `dead`: nothing is there that could take mail."""

    TAKES_MAIL = "takes_mail"
    NULL_MX = "null_mx"
    DEAD = "dead"
    UNKNOWN = "unknown"


def judge_domains(
    domains: Collection[str], resolve: ResolveMany, well_known: Sequence[str], invented: str
) -> dict[str, DomainVerdict] | None:
    """A verdict for each; two rounds of questions at most.

    Args:
        domains: as DNS has them.
        well_known: domains that certainly take mail; most of them must be found, else the resolver cannot be believed.
        invented: a label that nobody registered (letters and digits, made anew each time).

    Returns None where the resolver cannot be believed: it finds what cannot be, or does not find what must be."""
    probes = {Question(name, "MX") for name in well_known}
    nowhere = {Question(f"{invented}.{top}", kind) for top in INVENTED_UNDER for kind in ("A", "MX")}
    asked = {name: Question(name, "MX") for name in domains}
    answers = dict(resolve([*probes, *nowhere, *asked.values()]))
    if not trusted([answers[q] for q in probes], [answers[q] for q in nowhere]):
        return None
    hosts = {name: _hosts(name, answers[question]) for name, question in asked.items()}
    further = {host for names in hosts.values() for host in names or ()}
    answers |= resolve([Question(host, kind) for host in sorted(further) for kind in ("A", "AAAA")])
    return {name: _judge(answers[asked[name]], hosts[name], answers) for name in domains}


def trusted(known: Sequence[Answer], invented: Sequence[Answer]) -> bool:
    """Does the resolver find what must be there, and nothing that cannot be? A resolver that answers nothing is not trusted either."""
    found = sum(isinstance(one, Found) and not _is_null(one) for one in known)
    lies = any(isinstance(one, Found) for one in invented)
    denies = sum(isinstance(one, NotFound) for one in invented)
    return not lies and 2 * found > len(known) and 2 * denies > len(invented)


def _hosts(domain: str, answer: Answer) -> tuple[str, ...] | None:
    """Names whose addresses decide: of the MX, or the domain itself without one (RFC 5321 section 5.1). None: nothing is asked."""
    if isinstance(answer, Found):
        names = tuple(dict.fromkeys(_exchanges(answer)))
        return names if names and len(names) <= MOST_HOSTS else None
    if isinstance(answer, NotFound) and answer.absence is Absence.NODATA:
        return (domain,)
    return None


def _exchanges(answer: Found) -> Iterable[str]:
    for record in answer.records:
        host = record.partition(" ")[2].strip().rstrip(".").lower()
        if host:
            yield host


def _is_null(answer: Found) -> bool:
    return not any(_exchanges(answer))


def _judge(
    answer: Answer, hosts: tuple[str, ...] | None, answers: Mapping[Question, Answer]
) -> DomainVerdict:
    if isinstance(answer, Unknown):
        return DomainVerdict.UNKNOWN
    if isinstance(answer, NotFound) and answer.absence is Absence.NXDOMAIN:
        return DomainVerdict.DEAD
    if isinstance(answer, Found) and _is_null(answer):
        return DomainVerdict.NULL_MX
    if hosts is None:
        return DomainVerdict.TAKES_MAIL
    found = [answers[Question(host, kind)] for host in hosts for kind in ("A", "AAAA")]
    if any(isinstance(one, Found) for one in found):
        return DomainVerdict.TAKES_MAIL
    if any(isinstance(one, Unknown) for one in found):
        return DomainVerdict.UNKNOWN
    return DomainVerdict.DEAD


def agreed(
    first: Mapping[str, DomainVerdict], second: Mapping[str, DomainVerdict]
) -> dict[str, DomainVerdict]:
    """The first verdicts; `dead` and `null_mx` only where a second look says the same, else unknown."""
    grave = (DomainVerdict.DEAD, DomainVerdict.NULL_MX)
    return {
        name: verdict if verdict not in grave or second.get(name) is verdict else DomainVerdict.UNKNOWN
        for name, verdict in first.items()
    }
