"""How PHP reads and writes form fields: nested names in square brackets, RFC 1738 encoding."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote_plus

Fields = dict[str, Any]
_NAME = re.compile(r"([^\[]+)((?:\[[^\]]*\])*)")


def nest(pairs: Iterable[tuple[str, str]]) -> Fields:
    """`[("details[status]", "confirmed")]` to `{"details": {"status": "confirmed"}}`; `[]` counts from 0."""
    fields: Fields = {}
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        if match is None:
            fields[name] = value
            continue
        keys = [match[1], *re.findall(r"\[([^\]]*)\]", match[2])]
        level = fields
        for key in keys[:-1]:
            inner = level.get(key)
            if not isinstance(inner, dict):
                inner = level[key] = {}
            level = inner
        level[keys[-1] or str(len(level))] = value
    return fields


def _pairs(value: object, name: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _pairs(inner, f"{name}[{key}]")
    else:
        yield name, str(value)


def build_query(fields: Mapping[str, object]) -> str:
    """PHP's http_build_query in the order given: space is `+`, `~` is `%7E`."""
    pairs = (pair for name, value in fields.items() for pair in _pairs(value, name))
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in pairs)


def _encode(text: str) -> str:
    return quote_plus(text).replace("~", "%7E")
