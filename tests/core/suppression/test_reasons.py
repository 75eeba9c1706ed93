"""Which replies suppress an address: at once, after several, or never."""

import pytest

from email_engine.accounting.lexicon import shipped_lexicon
from email_engine.accounting.values import EventKind
from email_engine.suppression.reasons import Reason, reason_of, speaks_of_sender

CASES = {
    "gmail unknown": ("gmail", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 the email account that you tried to reach does not exist.", Reason.HARD),
    "gmail inactive": ("gmail", "inactive-mailbox", "5.2.1", "5.2.1 smtp;550 5.2.1 the email account that you tried to reach is inactive.", Reason.HARD),
    "no status": ("other", "bad-mailbox", "", "smtp;550 user unknown", Reason.HARD),
    "category other, status plain": ("other", "other", "5.1.1", "5.1.1 smtp;550 5.1.1 no such user here", Reason.HARD),
    "no such domain": ("other", "bad-domain", "5.1.2", "5.1.2 smtp;550 5.1.2 bad destination system address", Reason.HARD),
    "microsoft directory": ("microsoft", "bad-mailbox", "5.4.1", "5.4.1 smtp;550 5.4.1 recipient address rejected: access denied", Reason.HARD),
    "disabled": ("other", "inactive-mailbox", "5.7.13", "5.7.13 smtp;550 5.7.13 user account disabled", Reason.HARD),
    "full for good": ("other", "quota-issues", "5.2.2", "5.2.2 smtp;552 5.2.2 mailbox full", Reason.SOFT),
    "full, told as unknown": ("orange", "bad-mailbox", "5.1.1", "5.1.1 smtp;552 5.1.1 boite du destinataire pleine. recipient overquota. ofr004_417", Reason.SOFT),
    "full for a while": ("gmail", "quota-issues", "4.2.2", "4.2.2 smtp;452 4.2.2 the recipient's mailbox is full", Reason.SOFT),
    "unknown for a while": ("other", "bad-mailbox", "4.1.1", "4.1.1 smtp;450 4.1.1 mailbox unavailable", Reason.SOFT),
    "words alone": ("other", "other", "5.0.0", "5.0.0 smtp;550 utilisateur inconnu", Reason.SOFT),
    "blocked in German": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 mail abgelehnt: ihre ip ist gesperrt", None),
    "blocked in French": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 votre adresse ip est bloquee", None),
    "a mailbox that is locked, in German": ("other", "inactive-mailbox", "5.2.1", "5.2.1 smtp;550 5.2.1 postfach gesperrt", Reason.HARD),
    "on a list, in German": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 steht auf einer sperrliste", None),
    "a client host": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 service unavailable; client host using zen", None),
    "access denied": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 access denied", Reason.SOFT),
    "its check timed out": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 recipient address rejected: undeliverable address: connection timed out", Reason.SOFT),
    "its check is away": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 recipient verification failed, server temporarily unavailable", Reason.SOFT),
    "a group's rule": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 not authorized to send to this group", None),
    "a directory away": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 ldap lookup failed", Reason.SOFT),
    "looks like bulk": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 this message looks like bulk mail", None),
    "blocked address": ("other", "bad-mailbox", "5.1.1", "5.1.1 smtp;550 5.1.1 address blocked using fblw15", None),
    "block list": ("other", "spam-related", "5.7.1", "5.7.1 smtp;554 5.7.1 client host blocked using zen.spamhaus.org", None),
    "block in a mailbox category": ("other", "bad-mailbox", "5.7.1", "5.7.1 smtp;550 5.7.1 user unknown, or your ip is on a blocklist", None),
    "sender": ("other", "bad-mailbox", "5.1.8", "5.1.8 smtp;550 5.1.8 sender address rejected: domain not found", None),
    "policy": ("other", "inactive-mailbox", "5.7.1", "5.7.1 smtp;550 5.7.1 account policy does not let you write", None),
    "group refuses strangers": ("microsoft", "bad-mailbox", "5.7.133", "5.7.133 smtp;550 5.7.133 resolver.rst.sendernotauthenticatedforgroup", None),
    "rate": ("gmail", "policy-related", "4.7.28", "4.7.28 smtp;421 4.7.28 unusual rate of mail", None),
    "expired": ("other", "message-expired", "4.4.7", "4.4.7 smtp;delivery expired", None),
    "content": ("other", "content-related", "5.7.1", "5.7.1 smtp;554 5.7.1 this message looks like spam", None),
    "greylisting": ("other", "other", "4.7.1", "4.7.1 smtp;451 4.7.1 greylisted, please try again later", None),
}  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "category", "status", "reply", "reason"), CASES.values(), ids=list(CASES)
)
def test_a_bounce_says_something_against_its_address_or_nothing(
    provider: str, category: str, status: str, reply: str, reason: Reason | None
) -> None:
    assert reason_of(EventKind.BOUNCE, provider, category, status, reply, shipped_lexicon()) is reason


@pytest.mark.parametrize(
    ("category", "status", "reason"),
    [("bad-mailbox", "5.1.1", Reason.HARD), ("other", "5.1.1", Reason.SOFT), ("bad-mailbox", "", Reason.SOFT), ("spam-related", "5.7.1", None)],
    ids=["both", "status alone", "category alone", "neither"],
)  # fmt: skip
def test_a_late_bounce_has_no_words_so_category_and_status_must_agree(
    category: str, status: str, reason: Reason | None
) -> None:
    found = reason_of(EventKind.REMOTE_BOUNCE, "other", category, status, "", shipped_lexicon())
    assert found is reason


@pytest.mark.parametrize(
    ("reason", "speaks"),
    [
        ("550 5.7.1 [aurora-1] blocked using FBLW15", True),
        ("smtp;554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", True),
        ("550 5.1.1 address blocked", True),
        ("421 4.7.28 Our system has detected an unusual rate of mail", True),
        ("550 5.1.1 The email account that you tried to reach does not exist.", False),
        ("552 5.2.2 mailbox full", False),
        ("5.1.1 No such mailbox, told by the receiving server", False),
        ("Abuse complaint through the feedback loop", False),
        ("blocked by support, ticket 550", False),
        ("", False),
    ],
    ids=["fblw15", "block list", "address blocked", "rate", "unknown", "full", "ours", "complaint", "a person", "nothing"],
)  # fmt: skip
def test_a_reason_on_the_blacklist_is_a_block_or_not(reason: str, speaks: bool) -> None:
    assert speaks_of_sender(reason, shipped_lexicon()) is speaks


def test_a_complaint_always_does() -> None:
    found = reason_of(EventKind.COMPLAINT, "yahoo", "abuse", "", "", shipped_lexicon())
    assert found is Reason.COMPLAINT
