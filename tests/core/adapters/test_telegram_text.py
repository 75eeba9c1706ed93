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
    ["a" * 9000, "<&>" * 3000, "😀" * 5000, "\n" * 50, "", "one\ntwo <b>", "title\n" + "line\n" * 900],
    ids=["one long line", "escapes", "two units each", "empty lines", "nothing", "ordinary", "many lines"],
)
def test_any_alert_is_one_message_with_whole_tags_that_says_when_it_is_cut(text: str) -> None:
    blocks = [render_alert(7, "critical", text, "aurora", None, "https://airflow.example/dags/d/runs/r")]
    (message,) = pack(["header"], blocks)
    assert 0 < units(message.html) <= LIMIT
    assert message.html.count("<b>") == message.html.count("</b>")
    assert not re.search(r"&(?!amp;|lt;|gt;|#)", message.html)
    assert message.completes == (7,)
    seen = plain(message.html)
    lost = len(seen) < len(text.strip())
    assert lost is (f"cut; {len(text):,} characters in all" in seen)
    assert "airflow.example" in message.html


def test_the_first_line_is_the_title_and_names_the_tenant_once() -> None:
    (title, *rest) = render_alert(1, "warning", "aurora: 3 IPs listed\nzen", "aurora", None).lines
    assert title == "🟠 <b>aurora: 3 IPs listed</b>"
    assert rest == ["zen"]
    assert render_alert(1, "info", "3 IPs listed", "aurora", None).lines == (
        "🔵 <b>3 IPs listed</b> (aurora)",
    )


def test_alerts_are_not_torn_between_messages() -> None:
    blocks = [render_alert(n, "info", f"title {n}\n" + "x" * 390, None, None) for n in range(30)]
    messages = pack(["h"], blocks)
    assert len(messages) > 2
    for message in messages:
        assert (
            len(re.findall(r"title \d+", message.html))
            == len(message.completes)
            == message.html.count("x" * 390)
        )


def test_lines_are_cut_before_they_are_escaped() -> None:
    assert all(units(line) <= LONGEST_LINE and line.endswith("&lt;") for line in escaped_lines("<" * 5000))


def test_only_three_characters_are_escaped() -> None:
    assert escape("""<a href="x">'&'</a> 198.51.100.1 - mail.example""") == (
        """&lt;a href="x"&gt;'&amp;'&lt;/a&gt; 198.51.100.1 - mail.example"""
    )


def test_plain_text_is_what_a_reader_sees() -> None:
    assert plain('<b>a</b> &lt;x&gt; &amp; <a href="https://x/?a=1&amp;b=2">run</a>') == "a <x> & run"


def test_a_message_has_at_most_a_hundred_entities() -> None:
    messages = pack(["<b>h</b>"], [render_alert(n, "info", "t", None, None) for n in range(250)])
    assert [len(message.completes) for message in messages] == [99, 99, 52]
