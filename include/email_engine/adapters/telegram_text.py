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
LONGEST_NAME = 200
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
    event: str,
    object: str,
    severity: str,
    text: str,
    tenant: str | None,
    cleared_at: datetime | None,
    url: str | None = None,
) -> Block:
    """An alert as a bold title line and its text; `url`: of the run that raised it."""
    event, object = event[:LONGEST_NAME], object[:LONGEST_NAME]
    owner = f" ({escape(tenant)})" if tenant else ""
    over = f" - over since {cleared_at:%Y-%m-%d %H:%M} UTC" if cleared_at else ""
    title = f"{SIGNS.get(severity, SIGNS['info'])} <b>{escape(event)}</b> {escape(object)}{owner}{over}" + (
        f" - {link(url, 'run')}" if url else ""
    )
    return Block(key, (title, *escaped_lines(text)))


def link(url: str, label: str) -> str:
    return f'<a href="{html.escape(url)}">{escape(label)}</a>'


def pack(header: Sequence[str], blocks: Iterable[Block], limit: int = LIMIT) -> tuple[Message, ...]:
    """As few messages as the limits of length and of 100 entities allow; each begins with the header lines."""
    messages: list[Message] = []
    lines, keys = list(header), list[int]()

    def full(line: str) -> bool:
        text = "\n".join([*lines, line])
        return len(lines) > len(header) and (units(text) > limit or text.count("</") > ENTITIES)

    for block in blocks:
        for line in block.lines:
            if full(line):
                messages.append(Message("\n".join(lines), tuple(keys)))
                lines, keys = list(header), []
            lines.append(line)
        keys.append(block.key)
    if keys or not messages:
        messages.append(Message("\n".join(lines), tuple(keys)))
    return tuple(messages)


def plain(message: str) -> str:
    """The text of a rendered message without its tags, for when Telegram cannot parse it."""
    return html.unescape(re.sub(r"<[^>]+>", "", message))
