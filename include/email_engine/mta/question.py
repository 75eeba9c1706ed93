"""The page that a person sees before saying yes to a change that the guard stopped: Markdown, pure."""

import re
from collections.abc import Sequence

SHOWN_LINES = 400
SHOWN_ITEMS = 60


def render_question(
    *, host: str, caused_by: str, why: Sequence[str], meaning: str, diff: str, whole: str, only: str = ""
) -> str:
    """Args:
    why: what the guard objects to, in words.
    meaning: the change, an item a line.
    diff: unified, secrets hidden; at most `SHOWN_LINES` lines of it are shown.
    whole: where the whole of it is.
    only: what else the run was asked for, such as a roll-back.
    """
    items = meaning.splitlines()
    shown = [f"- {_plain(item)}" for item in items[:SHOWN_ITEMS]]
    if len(items) > SHOWN_ITEMS:
        shown.append(f"- and {len(items) - SHOWN_ITEMS} more")
    parts = [
        f"**Host** {_plain(host)}, **caused by** {_plain(caused_by)}{', ' + _plain(only) if only else ''}",
        "**The guard stopped it because**",
        "\n".join(f"- {_plain(reason)}" for reason in why),
        "**What would change**",
        "\n".join(shown),
        *([_fenced(diff, whole)] if diff.strip() else []),
        "**Approve** deploys exactly this, **Reject** nothing. No answer in time means no.",
    ]
    return "\n\n".join(parts)


def _plain(text: str) -> str:
    """Nothing that a configuration says becomes markup."""
    return re.sub(r"([\\`*_\[\]<>#|!])", r"\\\1", " ".join(text.split()))


def _fenced(diff: str, whole: str) -> str:
    lines = diff.splitlines()
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", diff)), default=0))
    note = (
        f"\n\n{len(lines) - SHOWN_LINES} of {len(lines)} lines are left out here; the whole is {whole}."
        if len(lines) > SHOWN_LINES
        else ""
    )
    return "\n".join([f"{fence}diff", *lines[:SHOWN_LINES], fence]) + note
