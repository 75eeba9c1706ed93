"""What the language is measured against, on the same text in the same minute."""

import subprocess
import tempfile
from pathlib import Path

from lark import Lark

_GRAMMAR = r"""
start: item*
item: block | directive
block: "<" TAG ARGUMENT? ">" _NL item* "</" TAG ">" _NL
directive: WORD VALUE? _NL
TAG: /[a-z][a-z0-9-]*/
ARGUMENT: /[ \t]+[^<>\n]+/
WORD: /[a-z][a-z0-9-]*/
VALUE: /[ \t]+[^\n]+/
_NL: /(\s*(#[^\n]*)?\n)+\s*/
%ignore /[ \t]+/
"""


def line_scan(text: str) -> int:
    """The least that any reader in Python does: every line cut into words."""
    return sum(len(line.partition("#")[0].split()) for line in text.splitlines())


def lark_parser() -> Lark:
    """A parser generator's LALR parser for tags and directives alone, without what they mean."""
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual")


def lark_text(text: str) -> str:
    """The text as that small grammar reads it: no comments and empty lines, no blocks of bare patterns."""
    kept, inside = [], False
    for line in text.splitlines():
        word = line.strip()
        if word.startswith(("<bounce-category-patterns", "</bounce-category-patterns")):
            inside = word[1] != "/"
        elif word and not word.startswith("#") and not inside:
            kept.append(word.partition(" #")[0])
    return "\n".join(kept) + "\n"


def gnu_diff(old: str, new: str) -> int:
    """Lines that GNU diff prints for the two texts, files written first."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "old"), Path(folder, "new")
        before.write_text(old)
        after.write_text(new)
        done = subprocess.run(["diff", before, after], capture_output=True, text=True, check=False)
    return done.stdout.count("\n")
