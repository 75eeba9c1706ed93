"""The page that a person sees before saying yes to a change that the guard stopped: Markdown, pure, short enough for a phone.

Of the difference it shows the first lines and a link to the rest: Airflow's page folds nothing, and its buttons stand below
the text."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from email_engine.forms import shortened
from email_engine.pmta.config.inventory import read_inventory
from email_engine.quoted import LONGEST_LINE, unmarked

SHOWN_REASONS = 6
SHOWN_ITEMS = 12
SHOWN_WAITING = 5
SHOWN_CAUSES = 4
SHOWN_LINES = 8


@dataclass(frozen=True, slots=True)
class Cause:
    """What led to the change, in words, and the address of the run that wrote it; '' where no run did."""

    text: str
    run: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Mail that waits in the virtual MTAs that would disappear: recipients by name, as they were seen at `at`; None where
    nobody could look."""

    at: datetime | None
    recipients: Mapping[str, int]


def render_question(
    *,
    host: str,
    until: datetime,
    why: Sequence[str],
    waiting: Waiting,
    causes: Sequence[Cause],
    meaning: str,
    diff: str,
    whole: str,
    only: str = "",
) -> str:
    """Args:
    until: aware UTC; no answer until then means no.
    why: what the guard objects to, in words.
    meaning: the change, an item a line.
    diff: unified, secrets hidden; `whole`: the address where all of its lines are.
    only: what else the run was asked for, such as a roll-back.
    """
    items = meaning.splitlines()
    parts = [
        f"The guard stopped a change on **{unmarked(host)}**{unmarked(', ' + only) if only else ''}.",
        f"**Answer until {until:%Y-%m-%d %H:%M} UTC.** No answer means no.",
        "**Why it was stopped**",
        _list((unmarked(reason) for reason in why[:SHOWN_REASONS]), len(why) - SHOWN_REASONS),
        *_waiting(waiting),
        "**What caused it**",
        _list(map(_cause, causes[:SHOWN_CAUSES]), len(causes) - SHOWN_CAUSES),
        "**What would change**",
        _list(map(unmarked, items[:SHOWN_ITEMS]), len(items) - SHOWN_ITEMS),
        *_difference(diff, whole),
        "**Approve** deploys exactly this, **Reject** nothing.",
    ]
    return "\n\n".join(parts)


def vanishing(diff: str) -> tuple[str, ...]:
    """The virtual MTAs that a unified difference takes away."""
    opened = {sign: dict.fromkeys(_opened(diff, sign)) for sign in "-+"}
    return tuple(name for name in opened["-"] if name not in opened["+"])


def _opened(diff: str, sign: str) -> Iterator[str]:
    """Each line by itself: a difference has holes, and a block that seems open would swallow those behind it."""
    for line in diff.splitlines():
        if line.startswith(sign) and "<" in line:
            yield from read_inventory(line.removeprefix(sign)).vmtas


def _difference(diff: str, whole: str) -> list[str]:
    lines = diff.splitlines()
    shown = [shortened(line, LONGEST_LINE) for line in lines[:SHOWN_LINES]]
    if not any(line.strip() for line in lines):
        return []
    longest = max((len(run) for line in shown for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, 1 + longest)
    return [
        "\n".join([f"{fence}diff", *shown, fence]),
        f"[All {len(lines)} lines of the difference]({whole})",
    ]


def _waiting(waiting: Waiting) -> list[str]:
    if not waiting.recipients:
        return []
    title = "**Mail waiting in what would disappear**"
    if waiting.at is None:
        return [title, "- not known: no look at the host's queues succeeded; `mta_health` looks again"]
    seen = f"{title}, seen {waiting.at:%Y-%m-%d %H:%M} UTC"
    most = sorted(waiting.recipients.items(), key=lambda item: (-item[1], item[0]))
    if not most[0][1]:
        return [seen, "- none"]
    shown = [f"{unmarked(name)}: {count} recipients" for name, count in most[:SHOWN_WAITING]]
    rest = most[SHOWN_WAITING:]
    more = [f"and {sum(count for _, count in rest)} in {len(rest)} more"] if rest else []
    return [seen, _list([*shown, *more], 0)]


def _cause(cause: Cause) -> str:
    return (
        f"{unmarked(cause.text)}: [{unmarked(cause.run)}]({cause.url})" if cause.url else unmarked(cause.text)
    )


def _list(items: Iterable[str], left_out: int) -> str:
    more = [f"- and {left_out} more"] if left_out > 0 else []
    return "\n".join([*(f"- {item}" for item in items), *more])
