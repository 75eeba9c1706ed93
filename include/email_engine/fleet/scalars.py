"""What stands at one place of a YAML file, in words, and which texts are numbers."""

import re

import yaml

from email_engine.fleet.names import Check
from email_engine.plural import excerpt

LONGEST_NUMBER = 40
"""Characters."""
_KIND = {
    "bool": "a truth value (put the word in quotes if it is meant as text)",
    "null": "nothing",
    "int": "a number",
    "float": "a fraction",
    "str": "text",
    "map": "a mapping",
    "seq": "a list",
}


_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._/-]*")
_RESOLVER = yaml.resolver.Resolver()


def scalar(text: str) -> str:
    """A text as YAML reads it back. It must be free of quotes and backslashes, as `names.words` has it."""
    plain = _PLAIN.fullmatch(text) and _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)).endswith(
        ":str"
    )
    return text if plain else f'"{text}"'


def kind_of(node: yaml.Node) -> str:
    return node.tag.rpartition(":")[2]


def described(node: yaml.Node) -> str:
    kind = kind_of(node)
    if kind == "bool" and isinstance(node, yaml.ScalarNode):
        return f"{excerpt(node.value)}, which YAML reads as {_KIND['bool']}"
    return _KIND.get(kind) or excerpt(kind)


def is_quoted(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style in ("'", '"')


def plain_number(text: str) -> bool:
    """Is it short and of ASCII? Python reads the digits of every script."""
    return text.isascii() and len(text) <= LONGEST_NUMBER


def between(lowest: float, highest: float, allowed: str) -> Check:
    """A check for a number, whole or with a fraction, for `Section.real`."""

    def check(text: str) -> str | None:
        try:
            good = plain_number(text) and lowest <= float(text) <= highest
        except ValueError:
            good = False
        return None if good else allowed

    return check


def such_as(text: str, lowest: int, highest: int) -> int:
    """A number to show beside one that is none: what `30k`, `30,000` and `1e4` mean, if that is allowed."""
    match = re.fullmatch(r"([0-9]{1,12})((?:[ ,._'][0-9]{3})*)\s*([km]?)", text.strip().lower())
    means = 0
    if match:
        digits = match[1] + re.sub(r"[^0-9]", "", match[2])
        means = int(digits[:15]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[3]]
    elif re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,3})?e[0-9]{1,2}|[0-9]{1,12}\.0*", text.strip().lower()):
        means = int(float(text))
    return means if lowest <= means <= highest else min(max(lowest, 100), highest)
