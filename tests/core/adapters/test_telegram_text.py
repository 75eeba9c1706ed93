"""Messages stay below Telegram's limit and every tag stays whole."""

import re

import pytest

from email_engine.adapters.telegram_text import (
    LIMIT,
    LONGEST_LINE,
    Block,
    escape,
    escaped_lines,
    pack,
    plain,
    render_alert,
    units,
)


@pytest.mark.parametrize("size", [1, LIMIT - 3, LIMIT - 2, LIMIT - 1])
def test_a_message_is_cut_exactly_at_the_limit(size: int) -> None:
    messages = pack(["h"], [Block(1, ("x" * size,)), Block(2, ("y",))])
    assert len(messages) == (1 if size + len("h\n\ny") <= LIMIT else 2)
    assert [key for message in messages for key in message.completes] == [1, 2]


@pytest.mark.parametrize(
    "text",
    ["a" * 9000, "<&>" * 3000, "😀" * 5000, "\n" * 50, "", "one\ntwo <b>"],
    ids=["one long line", "escapes", "two units each", "empty lines", "nothing", "ordinary"],
)
def test_any_text_fits_and_nothing_is_lost(text: str) -> None:
    blocks = [render_alert(7, "listing", "198.51.100.7", "critical", text, "aurora", None)]
    messages = pack(["header"], blocks)
    for message in messages:
        assert 0 < units(message.html) <= LIMIT
        assert message.html.count("<b>") == message.html.count("</b>")
        assert not re.search(r"&(?!amp;|lt;|gt;|#)", message.html)
    assert messages[-1].completes == (7,)
    kept = "".join(plain(m.html).removeprefix("header") for m in messages).replace("\n", "")
    assert kept.endswith(text.replace("\n", ""))


def test_lines_are_cut_before_they_are_escaped() -> None:
    assert all(units(line) <= LONGEST_LINE and line.endswith("&lt;") for line in escaped_lines("<" * 5000))


def test_names_of_any_length_fit() -> None:
    block = render_alert(1, "e" * 5000, "o" * 5000, "odd", "", None, None)
    assert units(block.lines[0]) < 1000


def test_only_three_characters_are_escaped() -> None:
    assert escape("""<a href="x">'&'</a> 198.51.100.1 - mail.example""") == (
        """&lt;a href="x"&gt;'&amp;'&lt;/a&gt; 198.51.100.1 - mail.example"""
    )


def test_plain_text_is_what_a_reader_sees() -> None:
    assert plain('<b>a</b> &lt;x&gt; &amp; <a href="https://x/?a=1&amp;b=2">run</a>') == "a <x> & run"


def test_a_message_has_at_most_a_hundred_entities() -> None:
    messages = pack(["<b>h</b>"], [render_alert(n, "e", "o", "info", "t", None, None) for n in range(250)])
    assert [len(message.completes) for message in messages] == [99, 99, 52]
