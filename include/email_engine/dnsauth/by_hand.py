"""A domain that a person names: read, or refused with what would be right."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv6Address, ip_address

import idna

from email_engine.addresses import shown
from email_engine.dns_answers import Answer, Found, Question, ResolveMany
from email_engine.dnsauth.model import LONGEST_NAME, Subject
from email_engine.dnsauth.names import LABEL, is_host_name
from email_engine.errors import InputError
from email_engine.fleet.model import IpAddress
from email_engine.fleet.ranges import parse_address


def parse_subject(
    domain: str, ip: str | None = None, helo: str | None = None, selector: str | None = None
) -> Subject:
    """Names as DNS has them: lower case, international ones as A-labels (RFC 5891), without the closing dot.

    Raises:
        InputError: DOMAIN, IP, HELO name or selector is none.
    """
    return Subject(
        parse_domain("DOMAIN", domain),
        _address(ip) if ip is not None else None,
        parse_domain("--helo", helo) if helo is not None else "",
        _selector(selector) if selector is not None else "",
    )


def with_known_name(subject: Subject, resolve_many: ResolveMany) -> Subject:
    """With the IP's one PTR name as HELO name, where none was named. Several names, or no answer, tell none."""
    if subject.address is None or subject.hostname:
        return subject
    question = Question(subject.address.reverse_pointer, "PTR")
    answer = resolve_many([question])[question]
    names = answer.records if isinstance(answer, Found) else ()
    if len(names) != 1 or not is_host_name(names[0]):
        return subject
    return replace(subject, hostname=names[0], hostname_is_ours=False)


def remembering(resolve_many: ResolveMany) -> ResolveMany:
    """The same, asking no question twice: where nothing answers, each costs its whole patience."""
    answers: dict[Question, Answer] = {}

    def ask(questions: Iterable[Question]) -> dict[Question, Answer]:
        wanted = list(questions)
        answers.update(resolve_many([question for question in wanted if question not in answers]))
        return {question: answers[question] for question in wanted}

    return ask


def _address(text: str) -> IpAddress:
    written = text.strip()
    try:
        address = ip_address(written)
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return parse_address(str(mapped or written))
    except ValueError as error:
        raise InputError(
            "--ip", shown(str(error)), "the public IP address that mail is sent from", "correct it"
        ) from None


def parse_domain(subject: str, text: str) -> str:
    """One domain or host name as `parse_subject` reads it; `subject` stands in the error."""
    name = _ascii(subject, text.strip().removesuffix("."))
    labels = name.split(".")
    mistake = ""
    if _is_address(name):
        mistake = "an IP address is no domain"
    elif len(labels) < 2:
        mistake = "one label is no domain"
    elif len(name) > LONGEST_NAME:
        mistake = f"{len(name)} characters, {LONGEST_NAME} are allowed"
    elif bad := next((label for label in labels if not LABEL.fullmatch(label)), None):
        mistake = f"label {bad[:70]!r}"
    elif "" in labels:
        mistake = "an empty label"
    elif labels[-1].isdigit():
        mistake = f"no top-level domain is {labels[-1]}"
    if mistake:
        raise _refusal(subject, text, mistake)
    return name


def _selector(text: str) -> str:
    name = _ascii("--selector", text.strip().removesuffix("."))
    if name.endswith("._domainkey") or "._domainkey." in name:
        raise InputError(
            "--selector",
            repr(shown(text)),
            "the selector alone, such as s1",
            "leave out ._domainkey and the domain",
        )
    if len(name) > LONGEST_NAME or not all(LABEL.fullmatch(label) for label in name.split(".")):
        raise InputError(
            "--selector",
            repr(shown(text)),
            "labels of letters, digits, - and _, such as s1 or s1.news",
            "correct it",
        )
    return name


def _ascii(subject: str, text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise _refusal(subject, text, "no international domain name") from None


def _refusal(subject: str, text: str, mistake: str) -> InputError:
    return InputError(
        subject,
        f"{shown(text)!r}: {mistake}",
        "a domain name such as news.example.com, labels of 1 to 63 characters",
        "correct it",
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True
