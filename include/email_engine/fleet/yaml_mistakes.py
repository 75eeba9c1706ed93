"""What is wrong with a file that is no YAML, told for people: the line where the mistake is, not the one where the parser
noticed it, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from email_engine.plural import amount, excerpt

_COLON = re.compile(r":(?=\s|$)")
_TIGHT = re.compile(r"([A-Za-z0-9_.-]+):\S")
_FORM = "key: value"
_UNALIGNED = ("did not find expected key", "expected '-' indicator", "expected <document start>")


@dataclass(frozen=True, slots=True)
class Explained:
    """Line (from 1), what stands there, what is allowed."""

    line: int
    observed: str
    allowed: str


@dataclass(frozen=True, slots=True)
class _Trouble:
    """The parser's error. Lines count from 1, columns from 0; `line`: where it noticed, `began`: where that began, if
    it says so; `last`: the last token before it, `opened`: line and bracket of those that are open there."""

    lines: tuple[str, ...]
    problem: str
    context: str
    line: int
    column: int
    began: int | None
    last: yaml.Token | None
    opened: tuple[tuple[int, str], ...]
    above: int
    """The nearest line above the problem that says anything; 0 if there is none."""

    def at(self, line: int) -> str:
        return self.lines[line - 1] if 0 < line <= len(self.lines) else ""


def explain_yaml(text: str, error: yaml.MarkedYAMLError, loader: type[yaml.SafeLoader]) -> Explained:
    """The first of the explanations below that fits; the parser's own words if none does."""
    mark, began = error.problem_mark or error.context_mark, error.context_mark
    line, column = (mark.line + 1, mark.column) if mark else (1, 0)
    last, opened = _tokens(text, loader, (line - 1, column))
    lines = tuple(text.splitlines())
    above = min(line - 1, len(lines))
    while above > 0 and (not lines[above - 1].strip() or not _content(lines[above - 1])):
        above -= 1
    trouble = _Trouble(
        lines, error.problem or "", error.context or "", line, column,
        began.line + 1 if began else None, last, opened, above,
    )  # fmt: skip
    for explain in _EXPLANATIONS:
        found = explain(trouble)
        if found:
            return found
    return Explained(line, f"not YAML: {error.problem or error.context}", "YAML 1.1, indented with blanks")


def _tokens(
    text: str, loader: type[yaml.SafeLoader], until: tuple[int, int]
) -> tuple[yaml.Token | None, tuple[tuple[int, str], ...]]:
    """The last token before the place where the parser gives up, and what is open there."""
    last: yaml.Token | None = None
    opened: list[tuple[int, str]] = []
    try:
        for token in yaml.scan(text, Loader=loader):
            if (token.start_mark.line, token.start_mark.column) >= until:
                break
            if isinstance(token, yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken):
                sign = "[" if isinstance(token, yaml.FlowSequenceStartToken) else "{"
                opened.append((token.start_mark.line + 1, sign))
            elif isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken) and opened:
                opened.pop()
            if not isinstance(token, yaml.BlockEndToken):
                last = token
    except yaml.YAMLError:
        pass
    return last, tuple(opened)


def _content(line: str) -> str:
    """What a line says, without dashes of a list in front and a comment behind; '' for none."""
    text = re.sub(r"(^|\s)#.*", "", line).strip()
    return re.sub(r"^(-\s+)+", "", text)


def _indent(line: str) -> int:
    """The column of its first key, behind the dashes of lists."""
    return len(line) - len(re.sub(r"^\s*(-\s+)*", "", line))


def _tab(t: _Trouble) -> Explained | None:
    line = t.at(t.line)
    front = re.match(r"\s*(-\s+)*", line)
    column = (front[0] if front else "").find("\t")
    if column < 0 and line[t.column : t.column + 1] == "\t":
        column = t.column
    if column < 0:
        return None
    return Explained(
        t.line, f"a tab at line {t.line} column {column + 1}; indent with blanks", "no tabs before a key"
    )


def _open_quote(t: _Trouble) -> Explained | None:
    if "quoted scalar" in t.context and "end of stream" in t.problem and t.began:
        return Explained(t.began, "the quote that opens here never closes", "a second quote behind the value")
    return None


def _late_quote(t: _Trouble) -> Explained | None:
    """A quote that was forgotten closes at the next one, which opens another value."""
    token = t.last if isinstance(t.last, yaml.ScalarToken) and t.last.style in ("'", '"') else None
    if token is None or token.end_mark.line + 1 != t.line:
        return None
    opens = token.start_mark.line + 1
    if opens < t.line:
        seen = f"the quote that opens here closes only at line {t.line}"
        return Explained(opens, seen, "a second quote behind the value")
    twice = "'' for one ' inside of quotes" if token.style == "'" else '\\" for a " inside of quotes'
    return Explained(t.line, "text behind the closing quote", f"the whole value in quotes, {twice}")


def _open_bracket(t: _Trouble) -> Explained | None:
    if ("flow sequence" in t.context or "flow mapping" in t.context) and t.began:
        line, sign = t.began, "[" if "sequence" in t.context else "{"
    elif t.opened:
        line, sign = t.opened[-1]
    else:
        return None
    close = "]" if sign == "[" else "}"
    if line == t.line and _content(t.at(line))[-1:] == close:
        return Explained(line, f"no comma between two entries of the {sign} {close}", f"{sign}a, b{close}")
    return Explained(line, f"the {sign} that opens here never closes", f"a {close} behind its last entry")


def _colon_at(line: int, content: str) -> Explained:
    """`content` is a line that should be a key and a value, and is not."""
    tight = _TIGHT.match(content)
    if tight:
        return Explained(line, f"no blank behind the colon of {excerpt(tight[1] + ':')}", _FORM)
    key = (content.split() or [""])[0]
    return Explained(line, f"a colon is missing behind {excerpt(key)}", _FORM)


def _no_colon(t: _Trouble) -> Explained | None:
    if "expected ':'" in t.problem and t.began:
        return _colon_at(t.began, _content(t.at(t.began)))
    return None


def _colon_too_many(t: _Trouble) -> Explained | None:
    if "mapping values are not allowed" not in t.problem:
        return None
    line = t.at(t.line)
    if _COLON.search(line[: t.column]):
        value = _COLON.split(_content(line), maxsplit=1)[-1].strip()
        return Explained(t.line, f"the value {excerpt(value)} has a colon in it", "such a value in quotes")
    above, column = t.at(t.above), _indent(line)
    if column >= _indent(above) and not _COLON.search(_content(above)):
        return _colon_at(t.above, _content(above))
    return _crooked(t)


def _crooked(t: _Trouble) -> Explained:
    content = _content(t.at(t.above))
    if content and not _COLON.search(content) and not t.at(t.above).lstrip().startswith("-"):
        return _colon_at(t.above, content)
    blanks, above = _indent(t.at(t.line)), _indent(t.at(t.above))
    seen = f"indented by {amount(blanks, 'blank')}, the line above it by {above}"
    return Explained(t.line, seen, "keys of one mapping (and dashes of one list) below each other")


def _key_expected(t: _Trouble) -> Explained | None:
    if not any(words in t.problem for words in _UNALIGNED):
        return None
    closed = isinstance(t.last, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken)
    if closed and t.last is not None and t.last.end_mark.line + 1 == t.line:
        value = _COLON.split(_content(t.at(t.line)), maxsplit=1)[-1].strip()
        return Explained(t.line, f"text behind a closing bracket: {excerpt(value)}", "such a value in quotes")
    return _crooked(t) if not t.at(t.line)[: t.column].strip("- ") else None


def _odd_start(t: _Trouble) -> Explained | None:
    """A character that means something to YAML where a value begins."""
    starts = ("cannot start any token", "expected node content", "while scanning an alias", "undefined alias",
              "undefined tag", "expected comment or line break", "while scanning a directive")  # fmt: skip
    if not any(words in t.problem or words in t.context for words in starts):
        return None
    line = t.began or t.line
    value = _COLON.split(_content(t.at(line)), maxsplit=1)[-1].strip()
    if not value or value[0] not in "@`%&*!|>[]{},":
        return None
    kind = "undefined alias: " if "undefined alias" in t.problem else ""
    return Explained(
        line, f"not YAML: found {kind}{excerpt(value)}; {value[0]!r} at its start means something to YAML", "such a value in quotes"
    )  # fmt: skip


def _backslash(t: _Trouble) -> Explained | None:
    if "escape character" in t.problem:
        return Explained(t.line, "a backslash in double quotes", "two of them, or single quotes")
    return None


def _second_document(t: _Trouble) -> Explained | None:
    if "another document" in t.problem:
        return Explained(t.line, "a second document begins here", "one document, no --- inside the file")
    return None


_EXPLANATIONS: tuple[Callable[[_Trouble], Explained | None], ...] = (
    _tab, _second_document, _open_quote, _late_quote, _open_bracket, _no_colon, _colon_too_many, _key_expected, _odd_start,
    _backslash,
)  # fmt: skip
