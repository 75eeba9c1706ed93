"""Plain facts to Telegram messages: HTML of the Bot API, cut at line ends.

Telegram takes 1-4096 characters after it has parsed the tags. The limit is kept on the text before parsing and counted
in UTF-16 units, so a message can only be shorter than allowed. Every tag opens and closes on its own line: a cut between
lines never breaks one (facts: Bot API, sendMessage)."""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

LIMIT = 4096
ENTITIES = 100
LONGEST_LINE = 2500
"""A cut line stays well below the limit, so that it fits under any header."""
NEXT_STEP = "Next: "
"""How the line of an alert begins that asks for something."""
LONGEST_TITLE = 200
LONGEST_SHOWN = 600
LONGEST_ALERT = 1500
MOST_LINES = 26
"""Of one alert in a message: nobody reads more in a chat, and one giant alert must hold up no other."""
SIGNS = {"critical": "🔴", "warning": "🟠", "info": "🔵"}


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together; `key` names them for the sender (an alert's id)."""

    key: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One sendMessage text and the keys of the blocks that end in it."""

    html: str
    completes: tuple[int, ...]


def escape(text: str) -> str:
    """The three characters that HTML parse mode wants escaped; quotes only matter in attributes."""
    return html.escape(text, quote=False)


def units(text: str) -> int:
    """UTF-16 code units, the Bot API's way to count."""
    return len(text.encode("utf-16-le")) // 2


def escaped_lines(text: str, limit: int = LONGEST_LINE) -> tuple[str, ...]:
    """Plain text to escaped lines of at most `limit` units; longer ones are cut before escaping."""
    lines = []
    for line in text.splitlines() or [""]:
        start, size = 0, 0
        for at, character in enumerate(line):
            width = units(escape(character))
            if size + width > limit:
                lines.append(escape(line[start:at]))
                start, size = at, 0
            size += width
        lines.append(escape(line[start:]))
    return tuple(lines)


def render_alert(
    key: int,
    severity: str,
    text: str,
    tenant: str | None,
    cleared_at: datetime | None,
    url: str | None = None,
) -> Block:
    """An alert as a bold title, which is the first line of its text, and the rest of it, cut to what people read in a chat.
    What was over before it could be told asks for nothing any more: it has no next step, and is no alarm.

    `url`: where the rest of it is, or more about it."""
    first, *rest = text.strip().splitlines() or ["(no text)"]
    owner = f" ({escape(tenant)})" if tenant and tenant not in first else ""
    if cleared_at:
        severity, rest = "info", [line for line in rest if not line.startswith(NEXT_STEP)]
    over = f" - over since {cleared_at:%Y-%m-%d %H:%M} UTC" if cleared_at else ""
    title = f"{SIGNS.get(severity, SIGNS['info'])} <b>{escape(_cut(first, LONGEST_TITLE))}</b>{owner}{over}"
    lines, size, whole = [title], units(title), len(first) <= LONGEST_TITLE
    for line in rest:
        shown = escape(_cut(line, LONGEST_SHOWN))
        if size + units(shown) > LONGEST_ALERT or len(lines) > MOST_LINES:
            whole = False
            break
        whole = whole and len(line) <= LONGEST_SHOWN
        lines.append(shown)
        size += units(shown) + 1
    if not whole:
        lines.append(f"... cut; {len(text):,} characters in all")
    if url:
        lines.append(link(url, "more"))
    return Block(key, tuple(lines))


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def link(url: str, label: str) -> str:
    return f'<a href="{html.escape(url)}">{escape(label)}</a>'


def pack(header: Sequence[str], blocks: Iterable[Block], limit: int = LIMIT) -> tuple[Message, ...]:
    """As few messages as the limits of length and of 100 entities allow; each begins with the header lines.

    A block that fits a message is never torn: it begins the next one."""
    messages: list[Message] = []
    lines, keys = list(header), list[int]()

    def fits(more: Sequence[str]) -> bool:
        text = "\n".join([*lines, *more])
        return units(text) <= limit and text.count("</") <= ENTITIES

    def turn_page() -> None:
        nonlocal lines, keys
        messages.append(Message("\n".join(lines), tuple(keys)))
        lines, keys = list(header), []

    for block in blocks:
        if len(lines) > len(header) and not fits(block.lines):
            turn_page()
        for line in block.lines:
            if len(lines) > len(header) and not fits([line]):
                turn_page()
            lines.append(line)
        keys.append(block.key)
    if keys or not messages:
        turn_page()
    return tuple(messages)


def plain(message: str) -> str:
    """The text of a rendered message without its tags, for when Telegram cannot parse it."""
    return html.unescape(re.sub(r"<[^>]+>", "", message))
