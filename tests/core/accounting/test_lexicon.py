"""What replies mean: every sample of every file is a test, and no two files contradict each other."""

import pytest

from email_engine.accounting.lexicon import ReplyVerdict, shipped_lexicon, shipped_words
from email_engine.accounting.lexicon_file import parse_words
from email_engine.accounting.replies import ORDINARY, BounceCategory, Meaning, Reply
from email_engine.accounting.reply_text import example, plain
from email_engine.fleet.mistakes import FileInvalid
from email_engine.pmta.config.deploy_policy import deploy_policy

LEXICON, WORDS = shipped_lexicon(), shipped_words()
REPLIES = [reply for receiver in deploy_policy().receivers for reply in receiver.replies]
CATEGORIES = deploy_policy().bounce_categories


def meaning(text: str, provider: str = "other", category: str = "") -> str:
    return LEXICON.verdict(provider, text, category).meaning.value


class TestSamples:
    @pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.pattern)
    def test_replies_that_powermta_acts_by(self, reply: Reply) -> None:
        for text in (reply.sample, plain(reply.sample)):
            verdict = LEXICON.verdict("other", text)
            assert (verdict.meaning.value, verdict.known) == (reply.means, True)
            assert verdict.named or not reply.list_name

    @pytest.mark.parametrize("text", WORDS.texts, ids=lambda text: text.pattern)
    def test_texts_of_the_lexicon(self, text: object) -> None:
        for sample in (text.sample, plain(text.sample)):  # type: ignore[attr-defined]
            assert meaning(sample, text.at or "other") == text.means  # type: ignore[attr-defined]

    @pytest.mark.parametrize("one", CATEGORIES, ids=lambda one: one.pattern)
    def test_texts_by_which_powermta_sorts_bounces(self, one: BounceCategory) -> None:
        for sample in (one.sample, plain(one.sample)):
            assert meaning(sample, category=one.category) == one.means

    @pytest.mark.parametrize("zone", WORDS.zones, ids=lambda zone: zone.name)
    def test_zones_that_a_reply_names(self, zone: object) -> None:
        verdict = LEXICON.verdict("other", plain(zone.sample))  # type: ignore[attr-defined]
        assert verdict == ReplyVerdict(Meaning.REPUTATION, True, zone.name)  # type: ignore[attr-defined]

    def test_everyday_replies_blame_no_one_who_sends(self) -> None:
        assert {meaning(text) for text in ORDINARY if text[0] in "45"} == {"address", "system"}


@pytest.mark.parametrize(
    ("text", "category", "verdict"),
    [
        ("5.1.1 smtp;550 5.1.1 <x@y.example>: who?", "", ("address", True, "")),
        ("5.0.0 smtp;550 5.1.1 who?", "other", ("address", True, "")),
        ("5.7.1 smtp;550 5.7.1 no", "policy-related", ("reputation", False, "")),
        ("5.7.1 smtp;550 5.7.1 no", "spam-related", ("reputation", False, "")),
        ("4.7.0 smtp;421 4.7.0 hm", "", ("unknown", False, "")),
        ("5.0.0 smtp;550 hm", "quota-issues", ("address", True, "")),
        ("5.0.0 smtp;550 hm", "custom", ("unknown", False, "")),
        ("5.3.4 smtp;552 5.3.4 zu lang", "", ("content", True, "")),
        ("5.3.9 smtp;552 5.3.9 kaputt", "", ("system", True, "")),
        ("5.7.1 smtp;550 (S3150) sorry", "other", ("reputation", True, "microsoft")),
        ("5.7.1 smtp;554 blocked using b.barracudacentral.org", "", ("reputation", True, "b.barracudacentral.org")),
        ("5.7.1 smtp;554 see http://www.spamhaus.org/sbl", "", ("reputation", True, "zen.spamhaus.org")),
        ("5.7.1 smtp;550 user unknown, or blocked for low reputation", "", ("reputation", True, "")),
        ("5.2.1 smtp;550 5.2.1 blocked for inactivity", "policy-related", ("address", True, "")),
        ("5.0.0 smtp;550 we have blocked this for inactivity", "inactive-mailbox", ("address", True, "")),
        ("5.0.0 smtp;550 your mail was blocked", "spam-related", ("reputation", True, "")),
        ("5.0.0 smtp;550 hm", "policy-related", ("reputation", False, "")),
        ("", "", ("unknown", False, "")),
    ],
)  # fmt: skip
def test_sure_words_come_first_then_status_then_a_clear_category_then_free_words(
    text: str, category: str, verdict: tuple[str, bool, str]
) -> None:
    found = LEXICON.verdict("other", text, category)
    assert (found.meaning.value, found.known, found.named) == verdict


def test_a_receiver_may_mean_something_else_by_the_same_words() -> None:
    text = "550 5.7.505 Access denied"
    assert (meaning(text, "microsoft"), meaning(text)) == ("address", "reputation")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("550 no ann@x.example here", "550 no bob@y.example here"),
        ("421 192.0.2.1 deferred", "421 2001:db8::77 deferred"),
        ("421 try again in 300 seconds", "421 try again\r\nin 7 seconds"),
        ("550-5.1.1 gone a12si123456qkg.123 - gsmtp", "550-5.1.1 gone b7si98765abc.4 - gsmtp"),
        ("550 see https://x.example/?ip=192.0.2.1", "550 see https://x.example/?ip=192.0.2.9&x=1"),
        ("550 id 20261122081500", "550 id 99999999"),
        ("550 id af619699cf", "550 id 77ab12cd3"),
    ],
)
def test_replies_that_differ_in_what_varies_alone_are_one_text(one: str, other: str) -> None:
    assert plain(one) == plain(other)


@pytest.mark.parametrize(
    "code", ["(s3150)", "[tss04]", "4.7.28", "ofr006_103", "lpn007_102", "bl000001", "421-4.7.28", "5.7.606"]
)
def test_codes_stay(code: str) -> None:
    assert code in plain(f"550 5.7.1 {code} message")


def test_an_example_names_no_one() -> None:
    shown = example("550 <Ann.Lee@x.example>: ann.lee is\r\nnot here, ask bob@y.example", "ann.lee@x.example")
    assert shown == "550 <<address>>: <recipient> is not here, ask <address>"


@pytest.mark.parametrize(
    "ip",
    ["198.51.100.1", "[198.51.100.1]", "198[.]51[.]100[.]1", "198-51-100-1.rev.example", "ip_198_51_100_1",
     "1.100.51.198.zen.spamhaus.org", "1.100.51.198.in-addr.arpa", "100.51.198.in-addr.arpa", "c6336401", "0xC6336401",
     "c633:6401", "3325256705", "198051100001", "2001:db8::25", "[IPv6:2001:DB8::25]", "::ffff:198.51.100.1", "2001:db8:0:0:0:0:0:25",
     "2001%3Adb8%3A%3A25", "2001-db8-0-0-0-0-0-25.rev.example", "http://x.example/?ip=198.51.100.1",
     "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
     "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org"],
)  # fmt: skip
def test_an_example_names_no_ip(ip: str) -> None:
    shown = example(f"550 5.7.1 S3150 blocked {ip} for now", "ann@x.example")
    assert shown.startswith("550 5.7.1 S3150 blocked ")
    assert "<ip>" in shown
    assert shown.endswith(" for now")
    assert not [
        part
        for part in ("51", "6401", "db8", "DB8", "8.b.d", "33252")
        if part in shown.removeprefix("550 5.7.1 S3150")
    ]


@pytest.mark.parametrize(
    ("text", "recipient"),
    [
        ("550 <o'neil@gmail.com> unknown", "o'neil@gmail.com"),
        ("550 o'neil unknown", "o'neil@gmail.com"),
        ('550 "neil b"@gmail.com unknown', '"neil b"@gmail.com'),
        ("550 neil%40gmail.com unknown", "neil@gmail.com"),
        ("550 mailbox neil full", "neil+news@gmail.com"),
        ("550 -neil- full", "-neil-@gmail.com"),
        ("550 " + "x " * 195 + "neil.armstrong@gmail.com"[:6], "neil.armstrong@gmail.com"),
        ("550 " + "x " * 194 + "<neil.armstrong@gmail.com"[:8], "neil.armstrong@gmail.com"),
    ],
)
def test_an_example_keeps_no_part_of_its_recipient(text: str, recipient: str) -> None:
    shown = example(text[:400], recipient)
    assert not [part for part in ("neil", "o'", "arms") if part in shown.lower()]


def test_every_mistake_in_a_file_shows_at_once() -> None:
    text = (
        "texts:\n  - from: Somebody\n    at: nobody\n    patterns:\n"
        '      - { pattern: "(", means: bad, sample: "x" }\n      - { pattern: abc, means: rate, sample: xyz }\n'
        'statuses:\n  nonsense: [x.1.1]\n  rate: [5.1.1]\n  auth: [x.1.1]\nzones:\n'
        '  - { pattern: "on list", name: z.example, sample: "on list" }\nmore: 1\n'
    )  # fmt: skip
    with pytest.raises(FileInvalid) as caught:
        parse_words(text)
    for said in ("nobody", "'bad'", "xyz", "nonsense", "5.1.1", "twice", "does not name", "more"):
        assert said in str(caught.value), said
