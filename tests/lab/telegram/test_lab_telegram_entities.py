"""Texts as Telegram judges them."""

import pytest

from lab.telegram.entities import Entity, ParseError, parse_html, parse_markdown_v2, parse_text


@pytest.mark.parametrize(
    ("source", "plain", "entities"),
    [
        ("plain", "plain", ()),
        ("<b>198.51.100.1</b> listed", "198.51.100.1 listed", (Entity("bold", 0, 12),)),
        ("1 &lt; 2 &amp;&gt; &quot;&#8364;&#x41;", '1 < 2 &> "€A', ()),
        (
            '<a href="http://x/?a=1&amp;b=2">log</a>',
            "log",
            (Entity("text_link", 0, 3, "http://x/?a=1&amp;b=2"),),
        ),
        ("<b>a<i>b</i></b>", "ab", (Entity("bold", 0, 2), Entity("italic", 1, 1))),
        ("🔴<code>x</code>", "🔴x", (Entity("code", 2, 1),)),
        ("<blockquote expandable>q</blockquote>", "q", (Entity("blockquote", 0, 1),)),
        ('<span class="tg-spoiler">s</span>', "s", (Entity("spoiler", 0, 1),)),
        ("<B>x</B>", "x", (Entity("bold", 0, 1),)),
    ],
)
def test_html_becomes_plain_text_and_entities(source: str, plain: str, entities: tuple[Entity, ...]) -> None:
    assert parse_html(source) == (plain, entities)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("<h1>x</h1>", 'Unsupported start tag "h1" at byte offset 0'),
        ("a < b", "Unclosed start tag at byte offset 2"),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("é</b>", "Unexpected end tag at byte offset 2"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("A & B", "Unescaped character '&' at byte offset 2"),
        ("&nbsp;", 'Unsupported entity "&nbsp;" at byte offset 0'),
        ("&#0;", "Invalid character number 0 at byte offset 0"),
        ('<b class="x">y</b>', 'Unsupported attribute "class" in the tag "b" at byte offset 0'),
        ("<span>y</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_broken_html_is_refused_with_its_place(source: str, reason: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_html(source)
    assert str(caught.value) == reason


def test_markdown_v2_wants_every_reserved_character_escaped() -> None:
    assert parse_markdown_v2(r"*198\.51\.100\.1* `a.b`") == (
        "198.51.100.1 a.b",
        (Entity("bold", 0, 12), Entity("code", 13, 3)),
    )
    with pytest.raises(ParseError, match=r"Character '\.' is reserved"):
        parse_markdown_v2("198.51.100.1")


def test_an_unknown_parse_mode_is_no_mode() -> None:
    with pytest.raises(LookupError):
        parse_text("x", "BBCode")
