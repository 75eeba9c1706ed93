"""What is wrong with a decision's sentence, for whoever reads it."""

import re
from collections.abc import Iterator

from email_engine.warmup.sentences import LONGEST

_SENTENCE = re.compile(r"(?<=[a-z0-9)'%])[.;] ")


def mistakes_of(state: str, reason: str) -> Iterator[str]:
    """Each mistake once, in words; `state`: of the IP when it was decided."""
    if len(reason) > LONGEST:
        yield "too long"
    if not reason.endswith(".") or ".." in reason.replace("...", "") or "  " in reason:
        yield "stops and blanks"
    if state == "active" and re.search(r"\badvances?\b", reason):
        yield "an active IP does not advance"
    if re.search(r"\bits rates hold\b|\bby the newest of them\b", reason, re.IGNORECASE):
        yield "says nothing"
    if re.search(r"\bNone\b|\bnan\b|\{|\}|''", reason):
        yield "shows what is not known"
    if re.search(r"\b1 (messages|days|bounces|blocks|complaints|attempts|IPs|steps|times)\b", reason):
        yield "plural of one"
    if re.search(r"(?<!of )\b(0|[2-9]|\d{2,}) (message|day|bounce|block|complaint|attempt|step)\b", reason):
        yield "singular of many"
    if re.search(r"\d (a day|of \d+ a day)\b", reason):
        yield "a number without its unit"
    if "so" in reason and re.search(r"\b(so|because) (so|because)\b", reason):
        yield "a word twice"
    parts = [part.strip().lower() for part in _SENTENCE.split(reason.rstrip("."))]
    if len(parts) != len(set(parts)):
        yield "a sentence twice"
