"""What receivers' words mean (include/config/replies.yaml, bounce_categories.yaml) as values.

Patterns are kept so narrow that PowerMTA's file reader, its PCRE and Python's `re` read them alike. Each stands with a
sample reply, which must reach its own pattern first: so no pattern is dead and none takes another's replies."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from email_engine.accounting import bounds
from email_engine.fleet import names
from email_engine.fleet.document import Section
from email_engine.fleet.mistakes import one_of
from email_engine.plural import excerpt

CATEGORIES = (
    "bad-configuration", "bad-connection", "bad-domain", "bad-mailbox", "content-related", "inactive-mailbox",
    "invalid-sender", "message-expired", "no-answer-from-host", "other", "policy-related", "protocol-errors",
    "quota-issues", "relaying-issues", "routing-errors", "spam-related", "virus-related",
)  # fmt: skip
"""PowerMTA's own (guide, "Accounting files")."""
SUPPRESSED = frozenset({"bad-mailbox", "inactive-mailbox", "bad-domain"})
"""Those that speak of the address: they lead to its suppression."""


class Meaning(StrEnum):
    """What a reply is about (include/config/lexicon.yaml says it at length)."""

    ADDRESS = "address"
    REPUTATION = "reputation"
    RATE = "rate"
    AUTH = "auth"
    CONTENT = "content"
    SYSTEM = "system"
    UNKNOWN = "unknown"


KNOWN_MEANINGS = tuple(one.value for one in Meaning if one is not Meaning.UNKNOWN)

ORDINARY = (
    "250 2.0.0 OK",
    "250 2.0.0 Ok: queued as 4XyZ1",
    "250 2.6.0 Queued mail for delivery",
    "550 5.1.1 user unknown",
    "550 5.1.1 The email account that you tried to reach does not exist.",
    "550 5.2.1 The email account that you tried to reach is inactive.",
    "550 5.5.0 Requested action not taken: mailbox unavailable.",
    "452 4.2.2 The recipient's mailbox is full",
    "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
    "451 4.7.1 Greylisted, please try again later",
    "450 4.2.0 Recipient address rejected: Greylisted",
    "421 4.4.2 timeout exceeded",
    "221 2.0.0 Bye",
)
"""Replies that any healthy sender gets: about one recipient, or nothing at all."""

TIME = re.compile(r"(?=\d)(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?")
PATTERN = re.compile(r"[A-Za-z0-9 .,:;_()|?*+\[\]=@^$-]{3,400}")
ALLOWED = "a regular expression of letters, digits, blanks and .,:;_()|?*+[]=@^$-"
LONGEST_SAMPLE = 300
list_name = names.like(re.compile(r"[a-z0-9][a-z0-9.-]{1,62}"), "a zone such as zen.spamhaus.org, or a name")
"""Check for a block list's zone, or the name of whose list it is."""
_url = names.like(
    re.compile(r"https?://[A-Za-z0-9./_-]+"), "an address such as https://postmaster.example.com/"
)
_PLAIN = ("mode=backoff", "mode=normal", "skip-mx", "bounce-queue", "bounce-rcpt", "disable-source-ip")
_TIMED = {"reenable-after": "disable-source-ip", "backoff-to-normal-after": "mode=backoff"}
_EXCLUSIVE = (("mode=backoff", "mode=normal"), ("skip-mx", "bounce-queue"))


@dataclass(frozen=True, slots=True)
class Reply:
    """A line of the smtp-pattern-list; `sample`: a reply that it is for; `list_name`: the block list that it names, or ''."""

    pattern: str
    actions: str
    sample: str
    means: str
    list_name: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """The replies of one receiver; `source`: where it says so; `free_words`: everyday words, which any status explains better."""

    title: str
    source: str
    replies: tuple[Reply, ...]
    free_words: bool


@dataclass(frozen=True, slots=True)
class BounceCategory:
    """A line of the bounce-category-patterns; `category_means`: what the category means where no text tells more; `is_status`:
    it knows a status code and no words."""

    pattern: str
    category: str
    sample: str
    means: str
    category_means: str
    is_status: bool


def read_receivers(top: Section) -> tuple[Receiver, ...]:
    """The file replies.yaml; mistakes are noted."""
    top.only("replies")
    found: list[Receiver] = []
    lines: list[tuple[Section, str, str]] = []
    for group in top.sections("replies"):
        group.only("from", "source", "free_words", "patterns")
        free_words = group.truth("free_words", default=False)
        replies = []
        for section in group.sections("patterns"):
            section.only("pattern", "actions", "sample", "means", "list")
            reply = Reply(
                section.text("pattern", pattern),
                section.text("actions", actions),
                section.text("sample", sample),
                section.text("means", meaning),
                section.text("list", list_name, default=""),
            )
            replies.append(reply)
            lines.append((section, reply.pattern, reply.sample))
            ordinary = next((one for one in ORDINARY if reply.pattern and _matches(reply.pattern, one)), None)
            if ordinary:
                section.add("pattern", f"would act on {ordinary!r}", "a pattern for trouble only")
        title, source = group.text("from", names.words), group.text("source", _url)
        found.append(Receiver(title, source, tuple(replies), free_words))
    check_samples(lines)
    return tuple(found)


def read_categories(top: Section) -> tuple[BounceCategory, ...]:
    """The file bounce_categories.yaml; mistakes are noted."""
    top.only("categories")
    found: list[BounceCategory] = []
    lines: list[tuple[Section, str, str]] = []
    for group in top.sections("categories"):
        group.only("category", "means", "patterns")
        category, means = group.text("category", _category), group.text("means", meaning)
        for section in group.sections("patterns"):
            section.only("words", "status", "pattern", "sample", "means")
            expression, is_status = _expression(section)
            one = BounceCategory(
                expression,
                category,
                section.text("sample", sample),
                section.text("means", meaning, default="") or means,
                means,
                is_status,
            )
            found.append(one)
            lines.append((section, one.pattern, one.sample))
    check_samples(lines)
    return tuple(found)


def _expression(section: Section) -> tuple[str, bool]:
    """What a line matches, and whether that is a status: of `words`, `status` and `pattern` it has one."""
    given = [name for name in ("words", "status", "pattern") if name in section.given()]
    if len(given) > 1:
        section.add(given[1], f"beside {given[0]}", "one of words, status and pattern")
    if "status" in given:
        code = section.text("status", bounds.status_text)
        return (bounds.status(code) if code else ""), True
    if "words" in given:
        text = section.text("words", lambda text: pattern(bounds.words(text)) or pattern(text))
        return (bounds.words(text) if text else ""), False
    return section.text("pattern", pattern), False


def first_reply(receivers: Iterable[Receiver], text: str) -> Reply | None:
    """What PowerMTA would act by: the first pattern that matches."""
    everything = (reply for receiver in receivers for reply in receiver.replies)
    return next((reply for reply in everything if _matches(reply.pattern, text)), None)


def first_category(categories: Iterable[BounceCategory], text: str) -> str:
    """The category that PowerMTA would give; `other` where nothing matches."""
    return next((one.category for one in categories if _matches(one.pattern, text)), "other")


def _matches(expression: str, text: str) -> bool:
    return re.search(expression, text, re.IGNORECASE) is not None


def check_samples(lines: list[tuple[Section, str, str]]) -> None:
    """Notes each (section, pattern, sample) whose sample does not reach its own pattern first."""
    good = [(section, text, sample) for section, text, sample in lines if text and sample]
    compiled = [(section, re.compile(text, re.IGNORECASE)) for section, text, _ in good]
    for own, text, sample in good:
        caught = next((section for section, one in compiled if one.search(sample)), None)
        if caught is None:
            own.add("sample", f"{excerpt(sample)} does not match", f"a reply that {excerpt(text)} matches")
        elif caught is not own:
            place = caught.at("pattern").short
            own.add(
                "sample", f"the pattern at {place} catches it first", "an order in which each pattern counts"
            )


def pattern(text: str) -> str | None:
    """Check for a regular expression that PowerMTA and Python read alike."""
    try:
        compiled = bool(re.compile(text)) and bool(PATTERN.fullmatch(text)) and not re.search(text, "")
    except re.error:
        compiled = False
    return None if compiled else ALLOWED


def actions(text: str) -> str | None:
    """Check for the actions of one pattern (guide, "smtp-pattern-list"); what stops an IP must let it go again."""
    words = text.split(",")
    plain = [word for word in words if "=" not in word or word.startswith("mode=")]
    if not all(_known(word) for word in words) or len(set(words)) < len(words):
        return "actions such as mode=backoff or disable-source-ip,reenable-after=6h"
    for one, other in _EXCLUSIVE:
        if one in plain and other in plain:
            return f"either {one} or {other}"
    for before, word in pairwise(["", *words]):
        needed = _TIMED.get(word.partition("=")[0])
        if needed and before != needed:
            return f"{needed} right before {word}"
    if "disable-source-ip" in words and not any(word.startswith("reenable-after=") for word in words):
        return "disable-source-ip,reenable-after=T: without a time the IP would stay off for ever"
    return None


def _known(word: str) -> bool:
    name, _, value = word.partition("=")
    return word in _PLAIN or (name in _TIMED and bool(TIME.fullmatch(value)))


def sample(text: str) -> str | None:
    """Check for a sample reply."""
    good = text.isprintable() and 0 < len(text) <= LONGEST_SAMPLE
    return None if good else f"a reply on one line of at most {LONGEST_SAMPLE} characters"


def meaning(text: str) -> str | None:
    """Check for what a reply means."""
    return None if text in KNOWN_MEANINGS else one_of(KNOWN_MEANINGS, text)


def _category(text: str) -> str | None:
    known = [name for name in CATEGORIES if name != "other"]
    return None if text in known else f"{one_of(known, text)} (what nothing matches is `other` anyway)"
