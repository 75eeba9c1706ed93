"""Text that strangers chose (campaign names, replies of receivers), fit to stand within a sentence that people read."""

import re
import unicodedata

from email_engine.forms import shortened

LONGEST = 80
LONGEST_LINE = 240
_BLANK = re.compile(r"\s+")
_HIDDEN = re.compile(
    r"(?P<link>(?:\w+://|www\.)\S+|\b(?:[a-z0-9-]+\.)+[a-z]{2,}/\S*)"
    r"|(?P<address>[^\s<>\"'(),;:]*(?:@|%40)[^\s<>\"'(),;:]*)"
    r"|(?P<named>\b(?:pass(?:word|wd)?|token|secret|api[-_ ]?key|authorization|bearer)\b\s*[=: ]\s*)\S+"
    r"|(?P<long>(?=[\w+/=-]*[0-9])(?=[\w+/=-]*[A-Za-z])[\w+/=-]{24,})",
    re.IGNORECASE,
)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_ISOLATE, _END = "\u2068", "\u2069"
_HOST = re.compile(r"\b(?:[a-z0-9_-]+\.)+[a-z]{2,}\b", re.IGNORECASE)


def quoted(text: str, longest: int = LONGEST) -> str:
    """`'spring sale'`: what `harmless` leaves, in quotes; "" where nothing is left. Text from right to left stands apart, so that it
    turns nothing around."""
    line = harmless(text, longest)
    if not line:
        return ""
    turned = any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in line)
    return f"'{_ISOLATE}{line}{_END}'" if turned else f"'{line}'"


def harmless(text: str, longest: int = LONGEST, *, hosts: bool = True) -> str:
    """On one line, without addresses, links, secrets and what nobody sees; a long one ends in three dots. Of what it leaves it changes
    nothing.

    `hosts`: may names of hosts stand?"""
    line = "".join(" " if unicodedata.category(char) in _INVISIBLE else char for char in text[: longest * 20])
    line = _HIDDEN.sub(_stand_in, line)
    if not hosts:
        line = _HOST.sub("(host)", line)
    line = _BLANK.sub(" ", line).strip().replace("'", "\u2019")
    return line if len(line) <= longest else f"{line[: longest - 3].rstrip()}..."


def _stand_in(match: re.Match[str]) -> str:
    if match["link"]:
        return "(link)"
    if match["address"]:
        return "(address)"
    return f"{match['named'] or ''}(secret)"


def unmarked(text: str, longest: int = LONGEST_LINE) -> str:
    """As a line of Markdown in which nothing that a configuration, a person or a stranger wrote becomes markup; long ones are cut."""
    one_line = shortened(" ".join(text[: 10 * longest].split()), longest)
    return re.sub(r"([\\`*_\[\]<>#|!~])", r"\\\1", one_line)
