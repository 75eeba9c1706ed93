"""Which bounces and complaints speak of the address itself.

Only those suppress. A block, a sender or a policy text never does, whatever PowerMTA's category or the status says: such an
address takes mail again as soon as the sender is trusted."""

import re
from enum import StrEnum

from email_engine.accounting.lexicon import Lexicon
from email_engine.accounting.replies import SUPPRESSED, Meaning
from email_engine.accounting.values import EventKind

FULL = "quota-issues"
"""PowerMTA's category of a full mailbox."""
_PERMANENT = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.1", "7.13", "7.17", "7.18"})
"""Subject and detail that say: nobody is there, nor will be (RFC 3463, RFC 5248 for 7.13, RFC 7293 for 7.17 and 7.18)."""
_STATUS = re.compile(r"(?<![0-9.])([245])\.([0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_ANSWER = re.compile(r"(smtp; ?)?[245][0-9][0-9][ -]")
_SMTP = re.compile(r"(?<![0-9.a-z])([245])[0-9][0-9](?=[ -]|$)")
_NOT_THE_ADDRESS = re.compile(
    r"\b(blocked|block ?list(ed)?|blacklist(ed)?|black list|dnsbl|[a-z]*rbl|spam[a-z]*|unsolicited|reputation|policy|policies"
    r"|banned|abus[a-z]+|sender|spf|dkim|dmarc|greylist[a-z]*|prohibited|complaints?|sperrliste"
    r"|client host|your ip|ihre ip|adresse ip|connection rate|rate limit[a-z]*|recipient rules?|not authorized|content|bulk)\b"
)
"""Words of a block, a policy or the sender's name: a reply that has one of them is not believed to speak of the address."""
_DOUBTFUL = re.compile(
    r"\b(timed out|timeout|temporar[a-z]+|callout|verification failed|lookup failed|service unavailable|access denied)\b"
)
"""Words of a receiver that could not look the address up, or says nothing of it: never for good by themselves."""
DENIES_STRANGERS = "microsoft"
"""Of an address that its directory does not have it says *access denied*."""
_OURS = frozenset({Meaning.REPUTATION, Meaning.RATE, Meaning.AUTH, Meaning.CONTENT})
_FULL_WORDS = re.compile(
    r"quota|\bfull\b|plein|storage|\bspace\b|too many (e-?mails|messages)|usage exceeded|rate that prevents|too quickly"
)


class Reason(StrEnum):
    """Why an address is suppressed: `hard` and `complaint` at once, `soft` after several in a row."""

    HARD = "hard"
    SOFT = "soft"
    COMPLAINT = "complaint"


def reason_of(
    kind: EventKind, provider: str, category: str, status: str, reply: str, lexicon: Lexicon
) -> Reason | None:
    """What one bounce or complaint says against its address; None where it says nothing.

    Args:
        category: PowerMTA's `bounceCat`.
        status: the enhanced status code, '' where the record has none.
        reply: the receiver's words in their normal form; late bounces have none.

    A bounce is hard only where category or status says so plainly; an address that the words alone speak of is soft."""
    if kind is EventKind.COMPLAINT:
        return Reason.COMPLAINT
    text = f"{status} {reply}".strip().lower()
    if lexicon.verdict(provider, text, category).meaning is not Meaning.ADDRESS:
        return None
    if _NOT_THE_ADDRESS.search(text):
        return None
    codes = [(match[1], match[2]) for match in _STATUS.finditer(text)]
    details = {detail for _, detail in codes}
    permanent = bool(details & _PERMANENT)
    if not permanent and any(detail.startswith("7.") for detail in details):
        return None
    if _is_temporary(text, codes) or category == FULL or "2.2" in details or _FULL_WORDS.search(reply):
        return Reason.SOFT
    if _DOUBTFUL.search(text) and not (provider == DENIES_STRANGERS and "access denied" in text):
        return Reason.SOFT
    gone = category in SUPPRESSED
    hard = gone and permanent if kind is EventKind.REMOTE_BOUNCE else gone or permanent
    return Reason.HARD if hard else Reason.SOFT


def speaks_of_sender(reply: str, lexicon: Lexicon) -> bool:
    """Whether a receiver's words, as MailWizz notes them on its blacklist, are a block, a policy or the sender's fault: then the person
    there took mail and would again. Words without a reply or status code are a person's, and nobody's block."""
    text = " ".join(reply.lower().split())
    if not (_STATUS.search(text) or _ANSWER.match(text)):
        return False
    return bool(_NOT_THE_ADDRESS.search(text)) or lexicon.verdict("other", text).meaning in _OURS


def _is_temporary(text: str, codes: list[tuple[str, str]]) -> bool:
    """By the status, else by the reply code: mail that waited in vain was never told for good."""
    if codes:
        return codes[0][0] != "5"
    spoken = _SMTP.search(text)
    return spoken is not None and spoken[1] != "5"
