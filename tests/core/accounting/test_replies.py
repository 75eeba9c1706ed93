"""What receivers' words mean: which pattern catches which reply, and what a pattern file may not say."""

import re
import shutil
import subprocess

import pytest

from email_engine.accounting import replies as module
from email_engine.accounting.replies import (
    CATEGORIES,
    ORDINARY,
    SUPPRESSED,
    first_category,
    first_reply,
    read_categories,
    read_receivers,
)
from email_engine.fleet.document import read_document
from email_engine.fleet.mistakes import Mistakes
from email_engine.pmta.config.deploy_policy import deploy_policy

POLICY = deploy_policy()
REPLIES = [reply for receiver in POLICY.receivers for reply in receiver.replies]


class TestShippedReplies:
    def test_there_are_at_least_fifty_with_every_kind_of_action(self) -> None:
        assert len(REPLIES) >= 50
        actions = {word.partition("=")[0] for reply in REPLIES for word in reply.actions.split(",")}
        assert actions == {
            "mode", "backoff-to-normal-after", "disable-source-ip", "reenable-after", "skip-mx", "bounce-queue"
        }  # fmt: skip

    @pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.pattern)
    def test_its_sample_reaches_each_pattern_first(self, reply: module.Reply) -> None:
        assert first_reply(POLICY.receivers, reply.sample) is reply

    @pytest.mark.parametrize("text", ORDINARY)
    def test_ordinary_replies_do_nothing(self, text: str) -> None:
        assert first_reply(POLICY.receivers, text) is None

    def test_no_ip_is_stopped_without_a_time(self) -> None:
        stopping = [reply for reply in REPLIES if "disable-source-ip" in reply.actions]
        assert stopping
        assert all(
            re.fullmatch(r"disable-source-ip,reenable-after=\d+h", reply.actions) for reply in stopping
        )

    @pytest.mark.parametrize(
        "name",
        ["Gmail", "Outlook", "Yahoo", "Apple", "GMX", "Orange", "SFR", "Free", "Comcast", "Block lists"],
    )
    def test_the_big_receivers_have_their_own(self, name: str) -> None:
        assert any(receiver.title.startswith(name) for receiver in POLICY.receivers)

    @pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.pattern)
    def test_no_refusal_of_ours_suppresses_an_address(self, reply: module.Reply) -> None:
        category = first_category(POLICY.bounce_categories, f"5.0.0 smtp;{reply.sample}")
        assert category not in SUPPRESSED or reply.actions == "bounce-queue"


class TestShippedCategories:
    def test_they_are_powermtas_own(self) -> None:
        assert {one.category for one in POLICY.bounce_categories} == set(CATEGORIES) - {"other"}

    @pytest.mark.parametrize("one", POLICY.bounce_categories, ids=lambda one: one.pattern)
    def test_its_sample_gets_each_category(self, one: module.BounceCategory) -> None:
        assert first_category(POLICY.bounce_categories, one.sample) == one.category

    @pytest.mark.parametrize(
        ("text", "category"),
        [
            ("5.1.1 (bad destination mailbox address) smtp;550 5.1.1 user unknown", "bad-mailbox"),
            ("5.5.0 smtp;550 5.5.0 Requested action not taken: mailbox unavailable.", "bad-mailbox"),
            ("5.1.1 smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound; not found", "bad-mailbox"),
            ("5.2.2 (mailbox full) smtp;552 5.2.2 mailbox full", "quota-issues"),
            ("4.4.7 (delivery time expired)", "message-expired"),
            ("5.7.1 smtp;554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org", "spam-related"),
            ("5.7.1 smtp;550 5.7.1 User unknown, or blocked for low reputation", "spam-related"),
            ("5.9.9 smtp;599 what is this", "other"),
        ],
    )
    def test_the_wording_decides(self, text: str, category: str) -> None:
        assert first_category(POLICY.bounce_categories, text) == category


@pytest.mark.skipif(not shutil.which("grep"), reason="needs grep with PCRE")
def test_pcre_itself_reads_every_pattern_as_python_does() -> None:
    for one in (*REPLIES, *POLICY.bounce_categories):
        command = ["grep", "-Piq", "--", one.pattern]
        assert subprocess.run(command, input=one.sample.encode(), check=False).returncode == 0, one.pattern


def problems(*lines: str, from_: str = "Somebody", source: str = "https://example.com/codes") -> list[str]:
    text = f"replies:\n  - from: {from_}\n    source: {source}\n    patterns:\n"
    text += "".join(f"      - {{ {line}, means: rate }}\n" for line in lines)
    mistakes = Mistakes()
    top = read_document(text, "replies.yaml", mistakes)
    assert top is not None
    read_receivers(top)
    return [str(mistake) for mistake in mistakes.found]


GOOD = 'pattern: "too bad", actions: mode=backoff, sample: "421 too bad"'


class TestMistakes:
    def test_a_good_line_has_none(self) -> None:
        assert problems(GOOD) == []

    @pytest.mark.parametrize(
        "pattern",
        ["a#bc", "a'bc", "a/bc", "\\\\[abc", '\\"abc', "(abc", "ab", "x{2,3}y", "a<b>c", "abc|", ".*"],
    )
    def test_a_pattern_that_powermta_could_misread_or_that_matches_everything(self, pattern: str) -> None:
        assert problems(f'pattern: "{pattern}", actions: mode=backoff, sample: "421 abc"')

    @pytest.mark.parametrize(
        ("actions", "said"),
        [
            ("disable-source-ip", "for ever"),
            ("reenable-after=6h", "disable-source-ip right before"),
            ("reenable-after=6h,disable-source-ip", "disable-source-ip right before"),
            ("backoff-to-normal-after=6h", "mode=backoff right before"),
            ("mode=backoff,mode=normal", "either mode=backoff or mode=normal"),
            ("skip-mx,bounce-queue", "either skip-mx or bounce-queue"),
            ("disable-source-ip,reenable-after=", "actions such as"),
            ("disable-source-ip,reenable-after=6", "actions such as"),
            ("mode=backoff,mode=backoff", "actions such as"),
            ("disable-source", "actions such as"),
            ("MODE=backoff", "actions such as"),
        ],
    )
    def test_actions_that_exclude_or_miss_each_other(self, actions: str, said: str) -> None:
        (problem,) = problems(f'pattern: "too bad", actions: "{actions}", sample: "421 too bad"')
        assert said in problem

    @pytest.mark.parametrize(
        "actions", ["mode=backoff,disable-source-ip,reenable-after=1h30m", "skip-mx", "mode=normal"]
    )
    def test_good_actions(self, actions: str) -> None:
        assert problems(f'pattern: "too bad", actions: "{actions}", sample: "421 too bad"') == []

    def test_a_sample_that_is_not_matched(self) -> None:
        (problem,) = problems('pattern: "too bad", actions: mode=backoff, sample: "421 too good"')
        assert "does not match" in problem

    def test_a_pattern_that_stands_too_late(self) -> None:
        (problem,) = problems(
            GOOD, 'pattern: "too bad for you", actions: skip-mx, sample: "421 too bad for you"'
        )
        assert problem.startswith("replies.yaml:6: ")
        assert "the pattern at replies.yaml:5 catches it first" in problem

    def test_a_pattern_that_would_act_on_an_ordinary_reply(self) -> None:
        (problem,) = problems('pattern: "user.*unknown", actions: mode=backoff, sample: "550 user unknown"')
        assert "would act on '550 5.1.1 user unknown'" in problem

    def test_values_that_stand_in_comments_are_checked_too(self) -> None:
        assert len(problems(GOOD, from_="'a # b'", source="'javascript:x'")) == 2

    def test_all_mistakes_show_at_once(self) -> None:
        assert (
            len(problems('pattern: "(", actions: nothing, sample: "421 x", more: 1', GOOD, 'pattern: "xyz"'))
            >= 5
        )

    @pytest.mark.parametrize("category", ["other", "spam", "blocked"])
    def test_only_known_categories(self, category: str) -> None:
        text = f"categories:\n  - category: {category}\n    means: address\n    patterns:\n      - {{ pattern: abc, sample: abc }}\n"
        mistakes = Mistakes()
        top = read_document(text, "bounce_categories.yaml", mistakes)
        assert top is not None
        read_categories(top)
        assert len(mistakes.found) == 1
