"""230, 231: reply patterns against what receivers really answer."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from email_engine.accounting.replies import ORDINARY
from email_engine.pmta.language.tree import Block
from email_engine.pmta.lint.index import Index, Line
from email_engine.pmta.lint.pm2_regexes import BETWEEN, compiled
from email_engine.pmta.lint.pm2_replies import actions_of
from email_engine.pmta.lint.rule import WARNING, Hit, Rule, short

_LIST = "<smtp-pattern-list replies>\n  reply {}\n</smtp-pattern-list>\n"

TOO_WIDE = Rule(
    "PM230",
    WARNING,
    "a reply pattern that ordinary replies match",
    "Every healthy sender hears of unknown users, full mailboxes and greylisting. A pattern that matches such a reply slows, stops or "
    "bounces the whole queue for it, again and again. `bounce-rcpt` and `mode=normal` concern nobody else and are not looked at.",
    "3.3.15; include/config/replies.yaml",
    "write what only a refusal of this kind says; a line with `bounce-rcpt` above may take the ordinary ones",
    _LIST.format("/^550/ mode=backoff,backoff-to-normal-after=1h"),
    _LIST.format(r"/^550 .*blocked/ mode=backoff,backoff-to-normal-after=1h"),
    version="5.0r5",
)
NEVER = Rule(
    "PM231",
    WARNING,
    "a pattern that can never match what is meant",
    "Brackets make a set of characters: `[TS03]` matches one of T, S, 0 and 3. A reply begins with a digit, 2 to 5.",
    "3.2, 3.3.15 (PCRE)",
    r"write a backslash before brackets that the reply has, `\[TS03\]`; delete a ^ that stands before a word",
    _LIST.format("/[TS03] All messages/ skip-mx"),
    _LIST.format(r"/\[TS03\] All messages/ skip-mx"),
)
RULES = (TOO_WIDE, NEVER)

EVERYDAY = (
    *ORDINARY,
    "550 5.1.1 <user@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    "554 delivery error: dd This user doesn't have an account here",
    "550 5.1.0 Address rejected",
    "550 No such user here",
    "550 5.7.1 You are not allowed to send to this recipient",
    "552 5.3.4 Message size exceeds the maximum size allowed",
)
_QUEUE_WIDE = {
    "mode=backoff": "the queue goes into backoff",
    "bounce-queue": "all mail of the queue bounces",
    "disable-source-ip": "the IP stops",
    "defer-queue": "the whole queue waits",
    "skip-mx": "the MX is left out",
}
MOST = 2_000
"""So many patterns of a list are tried on replies."""
_ESCAPED_OR_SET = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_REPEATS = re.compile(r"[*+]|\{\d")
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{\d)")
_CODE_AS_SET = re.compile(r"(?<!\\)\[([A-Z]{1,5}[-:]?[A-Z]{0,3}\d{1,5}|[A-Z]{2,5}:[A-Z]\d)\](?![*+?{])")
_WORD_FIRST = re.compile(r"\^\(*[A-Za-z]")
_NO_CODE = re.compile(r"\^[016789]")


def check_reply_texts(index: Index) -> Iterator[Hit]:
    """Of lists whose patterns look at replies."""
    for line, block in index.of("smtp-pattern-list"):
        yield from _too_wide(block, line)
    for line, block in index.of("smtp-pattern-list", "bounce-category-patterns"):
        for directive in block.directives("reply", ""):
            expression = BETWEEN.search(directive.value)
            told = _never(expression[1], directive.name == "reply") if expression else ""
            if told:
                yield NEVER.hit(line + directive.offset, told)


def _too_wide(block: Block, line: Line) -> Iterator[Hit]:
    """The first pattern that matches a reply is the one that acts: what a harmless one takes reaches no other."""
    harmless: set[str] = set()
    for directive in islice(block.directives("reply"), MOST):
        expression = BETWEEN.search(directive.value)
        hits = [text for text in matched(expression[1]) if text not in harmless] if expression else []
        effects = [_QUEUE_WIDE[one] for one in actions_of(directive.value) if one in _QUEUE_WIDE]
        if not effects:
            harmless.update(hits)
        elif hits and expression:
            more = f" and {len(hits) - 1} more" if len(hits) > 1 else ""
            said = f'`/{short(expression[1])}/` matches the ordinary "{hits[0]}"{more}: {effects[0]}'
            yield TOO_WIDE.hit(line + directive.offset, said)


@lru_cache(maxsize=4096)
def matched(expression: str) -> tuple[str, ...]:
    """Everyday replies that an expression matches; none where trying could take long, or only PCRE knows."""
    plain = _ESCAPED_OR_SET.sub("a", expression)
    if _REPEATED_GROUP.search(plain) or len(_REPEATS.findall(plain)) > 3:
        return ()
    pattern = compiled(expression)
    return tuple(text for text in EVERYDAY if pattern.search(text)) if pattern else ()


def _never(expression: str, reply: bool) -> str:
    code = _CODE_AS_SET.search(expression)
    if code:
        letters = ", ".join(dict.fromkeys(code[1]))
        return f"`[{code[1]}]` matches one of {letters}, not the text [{code[1]}]"
    if reply and "|" not in expression and (_WORD_FIRST.match(expression) or _NO_CODE.match(expression)):
        return f"`/{short(expression)}/`: no reply begins so"
    return ""
