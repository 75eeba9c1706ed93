"""What `python -m lab telegram` and `python -m lab queues` print: for people, at most 80 columns wide."""

import textwrap
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

WIDTH = 80
MOST_ROWS = 40


def render_messages(messages: Sequence[dict[str, Any]], last: int) -> str:
    """The last messages as people read them, newest last: what the tags mean is gone, lines are wrapped."""
    if not messages:
        return "no message has arrived"
    shown = messages[-last:]
    lines = []
    if len(shown) < len(messages):
        lines.append(f"({len(messages) - len(shown)} older: --last {len(messages)})")
    for message in shown:
        time = datetime.fromisoformat(message["time"])
        file = f"  file: {plain(message['file_name'])}" if message.get("file_name") else ""
        lines += ["", f"--- {time:%Y-%m-%d %H:%M:%S} UTC  no. {message['message_id']}{file}"]
        for line in str(message["plain"]).split("\n"):
            lines += wrapped(plain(line))
    return "\n".join(lines).strip("\n")


def render_queues(hosts: dict[str, dict[str, Any]], everything: bool = False) -> str:
    """Queue, recipients, paused, mode: exceptions first, then the longest; what is switched off stands above."""
    rows, lines = [], []
    for host, state in sorted(hosts.items()):
        lines += [f"{host}: paused {plain(pattern)}" for pattern in state.get("pauses", ())]
        lines += [
            f"{host}: source {one['ip']} disabled for {plain(one['queue'])}, until {one['until'] or 'a person'}"
            for one in state.get("disabled_sources", ())
        ]
        rows += [(host, queue) for queue in state.get("queues", ())]
    switches = [cut(line, WIDTH) for line in lines]
    if not everything and len(switches) > MOST_ROWS:
        switches[MOST_ROWS:] = [f"... and {len(lines) - MOST_ROWS} more (--all)"]
    rows.sort(key=lambda row: (not _exception(row[1]), -row[1]["recipients"], row[0], row[1]["name"]))
    shown = rows if everything else rows[:MOST_ROWS]
    table = [_row("host", "queue", "recipients", "paused", "mode")] if rows else []
    table += [
        _row(host, plain(q["name"]), str(q["recipients"]), "paused" if q["paused"] else "-", q["mode"])
        for host, q in shown
    ]
    if len(shown) < len(rows):
        rest = rows[len(shown) :]
        odd = sum(_exception(queue) for _, queue in rest)
        table.append(
            f"... and {len(rest)} more with {sum(q['recipients'] for _, q in rest)} recipients, "
            f"{odd} paused or in backoff (--all)"
        )
    if not rows:
        table = [f"no mail waits on {', '.join(sorted(hosts)) or 'any host'}"]
    return "\n".join([*switches, *([""] if switches else []), *table])


def _exception(queue: dict[str, Any]) -> bool:
    return bool(queue["paused"]) or queue["mode"] != "normal"


def _row(host: str, queue: str, recipients: str, paused: str, mode: str) -> str:
    line = f"{fit(host, 12)} {fit(queue, 40)} {recipients:>10} {paused:<6} {cut(mode, 7)}"
    return line.rstrip()


def plain(text: str) -> str:
    """Without what a terminal would obey (escape sequences, other control characters, direction marks)."""
    return "".join(
        " " if character == "\t" else character
        for character in text
        if character == "\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs")
    )


def cells(text: str) -> int:
    """Columns that a terminal needs: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def cut(text: str, width: int) -> str:
    """At most `width` columns; the end matters as much as the beginning, so the middle goes."""
    if cells(text) <= width:
        return text
    head, tail = text, text
    while cells(head) > (width - 1) // 2:
        head = head[:-1]
    while cells(tail) > width - 1 - cells(head):
        tail = tail[1:]
    return f"{head}…{tail}"


def fit(text: str, width: int) -> str:
    text = cut(text, width)
    return text + " " * (width - cells(text))


def wrapped(line: str) -> list[str]:
    """A line as several of at most 80 columns, broken between words where there are any; its indentation stays."""
    indent = " " * min(len(line) - len(line.lstrip(" ")), 20)
    lines = textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]
    return [part for long in lines for part in _broken(long)]


def _broken(line: str) -> list[str]:
    parts = [""]
    for character in line:
        if cells(parts[-1]) + cells(character) > WIDTH:
            parts.append("")
        parts[-1] += character
    return parts
