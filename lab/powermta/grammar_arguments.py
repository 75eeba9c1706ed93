"""Compiles one cell of the `args` column to a regular expression over the text behind the keyword.

Notation: `|` binds tightest, then `,`, then blank; ` || ` separates whole-line alternatives; `[x]` is optional;
`X,...` is a comma list; brackets behind a type are a limit.
"""

import re
from functools import cache

from lab.powermta.grammar_values import TYPES, limited

_KINDS = sorted([*TYPES, "enum"], key=len, reverse=True)
_HOST_LIST = "HOSTSPEC[,HOSTSPEC...][;...]"
_UNITS_BEHIND_NUMBERS = {"MB", "ms", "deprecated", "max30"}


@cache
def compile_arguments(spec: str) -> re.Pattern[str]:
    """Matches a whole value (blanks at the ends removed) if and only if the cell `spec` allows it."""
    if spec in {"?", ""}:
        return re.compile(r".*")
    if spec == "(none)":
        return re.compile("")
    return re.compile("|".join(f"(?:{_line(part)})" for part in spec.split(" || ")))


def _line(spec: str) -> str:
    text = ""
    for word in _split(spec, " "):
        if word.startswith("[") and word.endswith("]") and not word.startswith("[!]"):
            text += rf"(?:[ \t]+{_commas(word[1:-1])})?"
        else:
            text += (r"[ \t]+" if text else "") + _commas(word)
    return text


def _commas(spec: str) -> str:
    if spec.startswith(_HOST_LIST):
        one = TYPES["HOSTSPEC"]
        return rf"(?:{one}(?:[,;]{one})*|\"\")"
    if ",..." in spec:
        item, tail = spec.split(",...", 1)
        one = _alternatives(item)
        most = "{0,29}" if tail.startswith("(max30)") else "*"
        listed = rf"{one}(?:,{one}){most}"
        other = tail.partition("|")[2]
        return rf"(?:{listed}|{_alternatives(other)})" if other else f"(?:{listed})"
    return r"[ \t]*,[ \t]*".join(_alternatives(part) for part in _split(spec, ","))


def _alternatives(spec: str) -> str:
    return "(?:" + "|".join(_joined(part) for part in _split(spec, "|")) + ")"


def _joined(spec: str) -> str:
    """A run without separators: literals, types with limits, groups, optional tails."""
    text, at = "", 0
    while at < len(spec):
        if spec[at] == "(":
            end = _closing(spec, at)
            text += _commas(spec[at + 1 : end])
        elif spec[at] == "[":
            end = _closing(spec, at)
            text += f"(?:{_commas_literal(spec[at + 1 : end])})?"
        elif kind := next((kind for kind in _KINDS if spec.startswith(kind, at)), None):
            end = at + len(kind) - 1
            if spec[end + 1 : end + 2] == "(":
                close = _closing(spec, end + 1)
                limit, end = spec[end + 2 : close], close
                text += TYPES[kind] if limit in _UNITS_BEHIND_NUMBERS else limited(kind, limit)
            else:
                text += TYPES[kind]
        else:
            end = at
            text += re.escape(spec[at])
        at = end + 1
    return text


def _commas_literal(spec: str) -> str:
    return ("," + _joined(spec[1:])) if spec.startswith(",") else _joined(spec)


def _split(spec: str, separator: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, char in enumerate(spec):
        depth += (char in "([") - (char in ")]")
        if char == separator and depth == 0:
            parts.append(spec[start:at])
            start = at + 1
    return [*parts, spec[start:]]


def _closing(spec: str, at: int) -> int:
    depth = 0
    for end in range(at, len(spec)):
        depth += (spec[end] in "([") - (spec[end] in ")]")
        if depth == 0:
            return end
    raise ValueError(f"unbalanced brackets in the grammar cell {spec!r}")
