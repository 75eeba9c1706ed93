"""What Telegram makes of a text: its plain form and its entities, or the reason why it cannot be parsed.

HTML is judged by the documented rules and by nothing softer: only the named tags and attributes, only the entities &lt;
&gt; &amp; &quot; and numbers, every tag closed in order. (The real parser lets a lone & pass; a client should not rely
on that.) Offsets and lengths of entities count UTF-16 units, as in the Bot API.
"""

import re
from dataclasses import dataclass

TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler", "span": "spoiler",
    "a": "text_link", "tg-emoji": "custom_emoji", "code": "code", "pre": "pre", "blockquote": "blockquote",
}  # fmt: skip
ATTRIBUTES = {
    "a": {"href"},
    "span": {"class"},
    "tg-emoji": {"emoji-id"},
    "code": {"class"},
    "blockquote": {"expandable"},
}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_TAG = re.compile(
    r"<(/?)([A-Za-z0-9-]*)((?:\s+[A-Za-z-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'>]+))?)*)\s*>"
)
_ATTRIBUTE = re.compile(r"([A-Za-z-]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_ENTITY = re.compile(r"&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]+));")
_RESERVED = set("_*[]()~`>#+-=|{}.!")


class ParseError(ValueError):
    """The text after "can't parse entities: "."""


@dataclass(frozen=True, slots=True)
class Entity:
    """`offset` and `length` in UTF-16 units."""

    type: str
    offset: int
    length: int
    url: str | None = None

    def as_json(self) -> dict[str, object]:
        shown: dict[str, object] = {"type": self.type, "offset": self.offset, "length": self.length}
        return shown | ({"url": self.url} if self.url is not None else {})


@dataclass(frozen=True, slots=True)
class _Open:
    tag: str
    at: int
    url: str | None


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _byte(source: str, index: int) -> int:
    return len(source[:index].encode())


def _character(source: str, index: int) -> tuple[str, int]:
    """The character that an entity at `index` stands for, and where the text goes on."""
    match = _ENTITY.match(source, index)
    if match is None:
        raise ParseError(f"Unescaped character '&' at byte offset {_byte(source, index)}")
    decimal, hexadecimal, name = match.groups()
    if name is not None:
        if name not in NAMED:
            raise ParseError(f'Unsupported entity "&{name};" at byte offset {_byte(source, index)}')
        return NAMED[name], match.end()
    number = int(decimal) if decimal is not None else int(hexadecimal, 16)
    if not 0 < number < 0x110000 or 0xD800 <= number < 0xE000:
        raise ParseError(f"Invalid character number {number} at byte offset {_byte(source, index)}")
    return chr(number), match.end()


def _opened(source: str, index: int, tag: str, attributes: str, offset: int) -> _Open:
    place = f"at byte offset {_byte(source, index)}"
    if tag not in TAGS:
        raise ParseError(f'Unsupported start tag "{tag}" {place}')
    given = {
        name: first or second or third or "" for name, first, second, third in _ATTRIBUTE.findall(attributes)
    }
    for name in given:
        if name not in ATTRIBUTES.get(tag, set()):
            raise ParseError(f'Unsupported attribute "{name}" in the tag "{tag}" {place}')
    if tag == "span" and given.get("class") != "tg-spoiler":
        raise ParseError(f'Tag "span" must have class "tg-spoiler" {place}')
    return _Open(tag, offset, given.get("href") if tag == "a" else None)


def parse_html(source: str) -> tuple[str, tuple[Entity, ...]]:
    """(plain text, entities). Raises ParseError."""
    plain: list[str] = []
    offset = 0
    opened: list[_Open] = []
    entities: list[Entity] = []
    index = 0
    while index < len(source):
        if source[index] == "&":
            character, index = _character(source, index)
        elif source[index] != "<":
            character, index = source[index], index + 1
        else:
            match = _TAG.match(source, index)
            if match is None:
                raise ParseError(f"Unclosed start tag at byte offset {_byte(source, index)}")
            closing, tag = match[1], match[2].lower()
            if not closing:
                opened.append(_opened(source, index, tag, match[3], offset))
            else:
                if not opened:
                    raise ParseError(f"Unexpected end tag at byte offset {_byte(source, index)}")
                last = opened.pop()
                if tag not in ("", last.tag):
                    place = f"Unmatched end tag at byte offset {_byte(source, index)}"
                    raise ParseError(f'{place}, expected "</{last.tag}>", found "</{tag}>"')
                if offset > last.at:
                    entities.append(Entity(TAGS[last.tag], last.at, offset - last.at, last.url))
            index = match.end()
            continue
        plain.append(character)
        offset += utf16_length(character)
    if opened:
        raise ParseError(f'Can\'t find end tag corresponding to start tag "{opened[-1].tag}"')
    return "".join(plain), tuple(sorted(entities, key=lambda entity: (entity.offset, -entity.length)))


def parse_markdown_v2(source: str) -> tuple[str, tuple[Entity, ...]]:
    """Only plain text with escapes, and *bold*, _italic_ and `code` that do not nest; what else is reserved is an error."""
    plain: list[str] = []
    entities: list[Entity] = []
    marks = {"*": "bold", "_": "italic", "`": "code"}
    inside: tuple[str, int] | None = None
    index = offset = 0
    while index < len(source):
        character = source[index]
        if character == "\\" and index + 1 < len(source) and source[index + 1] in _RESERVED | {"\\"}:
            index += 1
            character = source[index]
        elif inside and character == inside[0]:
            if offset > inside[1]:
                entities.append(Entity(marks[character], inside[1], offset - inside[1]))
            inside, index = None, index + 1
            continue
        elif inside is None and character in marks:
            inside, index = (character, offset), index + 1
            continue
        elif character in _RESERVED and not (inside and inside[0] == "`"):
            raise ParseError(
                f"Character '{character}' is reserved and must be escaped with the preceding '\\'"
            )
        plain.append(character)
        offset += utf16_length(character)
        index += 1
    if inside:
        raise ParseError(
            f"Can't find end of {marks[inside[0]].title()} entity at byte offset {_byte(source, index)}"
        )
    return "".join(plain), tuple(entities)


def parse_text(source: str, parse_mode: str) -> tuple[str, tuple[Entity, ...]]:
    """By parse mode ('' for none; case does not matter). Raises ParseError, or LookupError for an unknown mode."""
    match parse_mode.lower():
        case "":
            return source, ()
        case "html":
            return parse_html(source)
        case "markdownv2":
            return parse_markdown_v2(source)
    raise LookupError(parse_mode)
