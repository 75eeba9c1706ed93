"""Replies of the kinds that were once taken for something else: what they mean, and which bounce category they get."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_engine.accounting.lexicon import ReplyVerdict, shipped_lexicon
from email_engine.accounting.replies import SUPPRESSED, first_category
from email_engine.accounting.reply_text import plain
from email_engine.pmta.config.deploy_policy import deploy_policy
from tests.bench import reply_texts

LEXICON = shipped_lexicon()
CATEGORIES = deploy_policy().bounce_categories


def verdicts(text: str, provider: str = "other", category: str = "") -> set[ReplyVerdict]:
    """Of the text as it came and of its normal form, which must be the same."""
    return {LEXICON.verdict(provider, one, category) for one in (text, plain(text))}


def meanings(text: str, provider: str = "other", category: str = "") -> set[str]:
    return {verdict.meaning.value for verdict in verdicts(text, provider, category)}


MICROSOFT = [
    ("address", "bad-mailbox", "5.4.1 smtp;550 5.4.1 Recipient address rejected: Access denied. AS({})"),
    ("reputation", "policy-related", "5.7.606 smtp;550 5.7.606 Access denied, banned sending IP [198.51.100.7]. (AS{})"),
    ("reputation", "spam-related", "5.7.1 smtp;550 5.7.1 Service unavailable, Client host [198.51.100.7] blocked using Spamhaus. (AS{})"),
    ("reputation", "policy-related", "4.7.500 smtp;451 4.7.500 Server busy. Please try again later from [198.51.100.7]. (AS{})"),
    ("reputation", "policy-related", "5.7.511 smtp;550 5.7.511 Access denied, banned sender[198.51.100.7]. AS({})"),
    ("reputation", "policy-related", "5.7.708 smtp;550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP. AS({})"),
]  # fmt: skip


@pytest.mark.parametrize("number", ["508", "1430", "77712", "201806281"])
@pytest.mark.parametrize(("means", "category", "text"), MICROSOFT, ids=[text[:6] for *_, text in MICROSOFT])
def test_the_length_of_a_reference_number_changes_nothing(
    means: str, category: str, text: str, number: str
) -> None:
    for provider in ("microsoft", "other"):
        assert meanings(text.format(number), provider, category) == {means}
    assert plain(text.format(number)) == plain(text.format("1234567"))


@pytest.mark.parametrize(
    "text",
    [
        "4.3.2 smtp;451 4.3.2 Please try again later, first contact from your address",
        "4.7.0 smtp;421 4.7.0 You have not mailed us before; please retry in 5 minutes",
        "4.2.0 smtp;450 4.2.0 First-contact delay, retry later",
        "4.7.1 smtp;450 4.7.1 Unknown sender triplet, deferred for 300 seconds",
        "4.7.1 smtp;450 4.7.1 Client host delayed: new to us",
        "4.0.0 smtp;451 Your server is not known to us yet. Try again in 10 minutes.",
        "4.7.1 smtp;451-4.7.1 We have never seen this sender, come back later",
    ],
)
def test_a_stranger_that_must_wait_is_not_refused(text: str) -> None:
    assert meanings(text) == meanings(text, "gmail", "policy-related") == {"system"}


@pytest.mark.parametrize(
    "text",
    [
        "5.7.1 smtp;550 5.7.1 Your server is unknown to us and blocked for its poor reputation",
        "5.1.1 smtp;550 5.1.1 The user you have not seen before is unknown to us",
    ],
)
def test_a_stranger_that_is_refused_for_good_need_not_wait(text: str) -> None:
    assert "system" not in meanings(text)


@pytest.mark.parametrize(
    ("means", "provider", "category", "text"),
    [
        ("auth", "yahoo", "policy-related", "5.7.9 smtp;554 5.7.9 Message not accepted for policy reasons."),
        ("content", "yahoo", "policy-related", "5.0.0 smtp;554 Message not allowed - [PH01] Email not accepted for policy reasons."),
        ("auth", "other", "invalid-sender", "4.1.8 smtp;450 4.1.8 <b@example.com>: Sender address rejected: Domain not found"),
        ("auth", "other", "invalid-sender", "5.1.8 smtp;553 5.1.8 Domain of sender address b@example.com does not exist"),
        ("system", "other", "relaying-issues", "5.7.1 smtp;554 5.7.1 <x@three.example>: Relay access denied"),
        ("auth", "gmail", "policy-related", "4.7.29 smtp;421-4.7.29 Your email has been rate limited because this message wasn't sent over a TLS connection."),
        ("auth", "other", "policy-related", "5.0.0 smtp;550 Rejected by header based Anti-Spoofing policy: b@example.com"),
        ("address", "other", "policy-related", "5.7.505 smtp;550 5.7.505 Access denied [AM5EUR02FT019.eop-EUR02.prod.protection.outlook.com]"),
        ("address", "other", "other", "5.7.133 smtp;550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; denied"),
        ("rate", "other", "policy-related", "5.7.705 smtp;550 5.7.705 Access denied [BN8PR04MB6337.namprd04.prod.outlook.com]"),
        ("address", "other", "inactive-mailbox", "5.2.1 smtp;550 5.2.1 This mailbox has been blocked due to inactivity"),
        ("address", "other", "", "5.1.1 smtp;550 5.1.1 access denied, blocked"),
        ("rate", "gmail", "policy-related", "4.7.28 smtp;421-4.7.28 Your email has been rate limited"),
    ],
)  # fmt: skip
def test_a_plain_status_and_a_clear_category_tell_more_than_free_words(
    means: str, provider: str, category: str, text: str
) -> None:
    assert meanings(text, provider, category) == {means}


@pytest.mark.parametrize(
    ("means", "named", "text"),
    [
        ("content", "", "5.7.1 smtp;554 5.7.1 Service unavailable; Sender address [b@x.example] blocked using dbl.spamhaus.org"),
        ("content", "", "5.7.1 smtp;554 5.7.1 URL x.example listed in dbl.spamhaus.org"),
        ("content", "", "5.7.1 smtp;550 5.7.1 blocked using multi.surbl.org"),
        ("content", "", "5.7.1 smtp;554 5.7.1 Client host [mail.x.example] blocked using multi.uribl.com"),
        ("system", "", "5.7.1 smtp;554 5.7.1 blocked using multi.uribl.com; 127.0.0.1 -> Query Refused. See http://uribl.com/refused.shtml"),
        ("system", "", "5.7.1 smtp;554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org; Error: open resolver; https://check.spamhaus.org/returnc/pub/192.0.2.9/"),
        ("system", "", "5.7.1 smtp;554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org=127.255.255.254"),
        ("system", "", "5.7.1 smtp;554 5.7.1 blocked using bl.score.senderscore.com (127.255.255.255)"),
        ("reputation", "zen.spamhaus.org", "5.7.1 smtp;554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org; 127.0.0.4"),
        ("reputation", "zen.spamhaus.org", "5.7.1 smtp;554 5.7.1 blocked using Spamhaus. To request removal see http://www.spamhaus.org/lookup.lasso"),
        ("reputation", "dnsbl-1.uceprotect.net", "5.7.1 smtp;554 5.7.1 blocked using dnsbl-1.uceprotect.net"),
        ("reputation", "dnsbl-3.uceprotect.net", "5.7.1 smtp;554 5.7.1 blocked using dnsbl-3.uceprotect.net"),
        ("reputation", "dnsbl-3.uceprotect.net", "5.7.1 smtp;554 5.7.1 192.0.2.1 is on UCEPROTECT-Level 3"),
        ("reputation", "uceprotect", "5.7.1 smtp;554 5.7.1 192.0.2.1 is on UCEPROTECT"),
    ],
)  # fmt: skip
def test_a_list_is_what_it_lists(means: str, named: str, text: str) -> None:
    assert {(one.meaning.value, one.named) for one in verdicts(text)} == {(means, named)}


KINDS = [
    ("invalid-sender", "5.1.8 (undefined);smtp;550 5.1.8 <b@example.com>: Sender address rejected: Domain not found"),
    ("policy-related", "5.2.121 (undefined);smtp;554 5.2.121 The sender has exceeded the limit for the number of messages to this recipient"),
    ("inactive-mailbox", "5.2.1 (mailbox disabled);smtp;550 5.2.1 This mailbox has been blocked due to inactivity"),
    ("other", "5.0.0 (undefined status);smtp;554 No thanks [195.2.1.7]"),
    ("bad-mailbox", "5.1.1 (bad destination mailbox address);smtp;550 5.1.1 <policy@example.com>: user unknown"),
    # of the sender
    ("invalid-sender", "5.1.1 (bad destination mailbox address);smtp;550 5.1.1 <b@example.com>: Sender address rejected: User unknown"),
    ("invalid-sender", "5.0.0 (undefined status);smtp;550 Sender verify failed: no such user here"),
    ("invalid-sender", "5.0.0 (undefined status);smtp;553 sender domain does not exist"),
    ("invalid-sender", "4.1.8 (undefined);smtp;450 4.1.8 Domain of sender address b@example.com does not exist"),
    ("policy-related", "5.7.1 (delivery not authorized);smtp;550 5.7.1 <mx.example.com>: Helo command rejected: Host not found"),
    ("policy-related", "5.7.1 (delivery not authorized);smtp;550 5.7.1 Client host rejected: cannot find your hostname, [192.0.2.1]"),
    ("policy-related", "5.0.0 (undefined status);smtp;550 Your account has been suspended"),
    ("policy-related", "5.0.0 (undefined status);smtp;550 IP address is disabled"),
    ("spam-related", "5.2.1 (mailbox disabled);smtp;550 5.2.1 Mailbox unavailable. Your IP address 192.0.2.1 is blacklisted using SPAMHAUS-XBL"),
    ("policy-related", "5.2.1 (mailbox disabled);smtp;550 5.2.1 Mail from this sender has been blocked"),
    ("invalid-sender", "5.1.1 (bad destination mailbox address);smtp;550 5.1.1 MAIL FROM user unknown"),
    ("policy-related", "5.1.1 (bad destination mailbox address);smtp;550 5.1.1 Rejected: local policy violation by 192.0.2.1"),
    # of the pace
    ("policy-related", "5.0.0 (undefined status);smtp;550 The user limit of messages per hour is exceeded, account suspended"),
    ("policy-related", "4.2.1 (mailbox disabled);smtp;450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages"),
    ("policy-related", "5.0.0 (undefined status);smtp;550 Too many invalid recipients, user unknown"),
    ("policy-related", "5.2.1 (mailbox disabled);smtp;550 5.2.1 rate limit exceeded for this mailbox"),
    ("policy-related", "5.2.2 (mailbox full);smtp;550 5.2.2 Daily sending quota exceeded"),
    # numbers within others
    ("other", "5.0.0 (undefined status);smtp;554 No thanks 5.1.1.7 15.1.1 5.1.12"),
    ("other", "5.0.0 (undefined status);smtp;554 Queue id 4.2.1-5.2.2.x"),
    ("policy-related", "5.7.1 (delivery not authorized);smtp;550 5.7.1 No [5.2.1.1]"),
    ("other", "5.0.0 (undefined status);smtp;554 Exim 4.2.1-rc1 says no"),
    # names of the recipient and links
    ("bad-mailbox", "5.1.1 (bad destination mailbox address);smtp;550 5.1.1 <spam@blocklist.example>: Recipient address rejected: User unknown"),
    ("quota-issues", "5.2.2 (mailbox full);smtp;552 5.2.2 <dkim-reputation@virus.example> over quota, see https://x.example/spam/policy?blocked=1"),
    ("bad-mailbox", "5.0.0 (undefined status);smtp;550 No such user here, see https://x.example/spam-policy/blocked"),
    ("other", "5.0.0 (undefined status);smtp;554 Ask https://x.example/user-unknown/5.1.1 or mailbox-full@x.example"),
    # about the recipient
    ("bad-mailbox", "5.1.1 (bad destination mailbox address);smtp;550-5.1.1 The email account that you tried to reach does not exist."),
    ("bad-mailbox", "5.0.0 (undefined status);smtp;550 sorry, no mailbox here by that name (#5.1.1)"),
    ("bad-domain", "5.1.2 (bad destination system address);smtp;550 5.1.2 Host unknown"),
    ("relaying-issues", "5.7.1 (delivery not authorized);smtp;554 5.7.1 <x@y.example>: Relay access denied"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("category", "text"), KINDS, ids=[text.partition(";smtp;")[2][:60] for _, text in KINDS]
)
def test_the_category_that_powermta_will_give(category: str, text: str) -> None:
    assert first_category(CATEGORIES, text) == category


@pytest.mark.parametrize("address", ["bob@y.example", "<a.b+c@dkim.policy.example>", "(spam@y.example)"])
def test_an_address_within_a_text_means_nothing(address: str) -> None:
    assert meanings(f"5.0.0 smtp;550 Mailbox {address} does not exist") == {"address"}
    assert meanings(f"5.0.0 smtp;550 Mail from {address} rejected for policy reasons.") == {"reputation"}
    assert first_category(CATEGORIES, f"5.0.0 (undefined status);smtp;550 {address}: hm") == "other"


def test_reply_texts_are_measured_as_they_came_and_in_their_normal_form() -> None:
    samples = reply_texts.read(
        "address\t5.1.1 smtp;550 5.1.1 <a@b.example> user unknown\n\n# a remark\n"
        "auth|content\t5.0.0 smtp;550 Unknown user a@b.example\tgmail\n"
    )
    judged = reply_texts.judge(samples)
    assert [(one.right, one.known, one.suppressed) for one in judged] == [(True, True, False)] * 2 + [
        (False, True, True)
    ] * 2
    assert samples[1].provider == "gmail"


@pytest.mark.parametrize("line", ["bounce\t550 no", "address", "address\t550 no\tgmail\tmore"])
def test_a_line_that_is_no_reply_text_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        reply_texts.read(line)


WORD = st.sampled_from(
    ["spam", "policy", "blocked", "user", "unknown", "mailbox", "full", "sender", "dkim", "rbl", "quota", "virus",
     "5.1.1", "5.2.1", "4.2.2", "rate-limit", "inactive", "greylisted", "domain", "relay", "abuse", "zen.spamhaus.org"]
)  # fmt: skip
OCTET = st.integers(0, 255)
IP = st.one_of(
    st.builds("[{}.{}.{}.{}]".format, OCTET, OCTET, OCTET, OCTET),
    st.builds("{}.2.1.{}".format, st.sampled_from(["5", "4", "15", "195"]), OCTET),
    st.builds("[2001:db8::{:x}:{:x}]".format, OCTET, OCTET),
)
HOST = st.builds("{}.{}.example".format, WORD, WORD)
ADDRESS = st.builds("<{}@{}>".format, st.builds("{}{}{}".format, WORD, st.sampled_from(".-_+="), WORD), HOST)
LINK = st.builds("https://{}/{}{}{}?{}={}".format, HOST, WORD, st.sampled_from("/-_.%"), WORD, WORD, WORD)
HARD = [text for category, text in KINDS if category in SUPPRESSED]


@given(
    st.sampled_from(HARD),
    st.one_of(IP, ADDRESS, LINK),
    st.sampled_from(["{} {}", "{}; {}", "{} ({})", "{}, see {}"]),
)
def test_no_ip_address_or_link_behind_a_text_changes_a_hard_category(
    text: str, noise: str, frame: str
) -> None:
    assert first_category(CATEGORIES, frame.format(text, noise)) == first_category(CATEGORIES, text)


@given(st.sampled_from(HARD), st.one_of(IP, ADDRESS, LINK))
def test_nor_one_behind_the_status(text: str, noise: str) -> None:
    before, code, rest = text.partition(";smtp;550 ") if ";smtp;550 " in text else (text, "", "")
    assert first_category(CATEGORIES, f"{before}{code}{noise}: {rest}") == first_category(CATEGORIES, text)


@given(st.lists(st.one_of(IP, ADDRESS, LINK), min_size=1, max_size=4))
def test_they_alone_never_make_one(noise: list[str]) -> None:
    text = f"5.0.0 (undefined status);smtp;554 No thanks {' '.join(noise)}"
    assert first_category(CATEGORIES, text) == "other"
