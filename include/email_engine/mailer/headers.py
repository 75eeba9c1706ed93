"""The additional headers of a delivery server, out of its `meta_data`: PHP's serialize format.

Only the form is documented (PHP manual, `serialize`); where MailWizz keeps the headers inside is not, so every
array with a `name` and a `value` counts, wherever it stands."""

from collections.abc import Iterator
from typing import Any

DEEPEST = 20
LONGEST = 100


def parse_php(data: bytes) -> Any:
    """A serialized value: null, bool, int, float, text and arrays (as dicts). Raises ValueError for anything else."""
    try:
        value, end = _value(data, 0, 0)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"broken PHP value: {error}") from None
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after the value")
    return value


def virtual_mtas(meta_data: bytes | None) -> tuple[str, ...] | None:
    """The values of all x-virtual-mta headers; empty without one; None if `meta_data` cannot be read."""
    if not meta_data:
        return ()
    try:
        return tuple(_values(parse_php(bytes(meta_data)), "x-virtual-mta"))
    except ValueError:
        return None


def _shown(text: str) -> str:
    """No longer than a name can be, and fit for a log and a database."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:LONGEST])


def _values(value: Any, header: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    name = value.get("name")
    if isinstance(name, str) and name.strip().lower() == header:
        yield _shown(str(value.get("value") or "").strip())
        return
    for inner in value.values():
        yield from _values(inner, header)


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    kind = data[at : at + 2]
    if kind == b"N;":
        return None, at + 2
    if kind in (b"b:", b"i:", b"d:"):
        end = data.index(b";", at)
        word = data[at + 2 : end].decode("ascii")
        return (word == "1" if kind == b"b:" else int(word) if kind == b"i:" else float(word)), end + 1
    if kind == b"s:":
        size, start = _size(data, at)
        end = start + 1 + size
        if data[start : start + 1] != b'"' or data[end : end + 2] != b'";':
            raise ValueError(f"text at byte {at} is not {size} bytes long")
        return data[start + 1 : end].decode(), end + 2
    if kind == b"a:":
        count, at = _size(data, at)
        return _array(data, at, count, depth)
    raise ValueError(f"no known value at byte {at}")


def _size(data: bytes, at: int) -> tuple[int, int]:
    colon = data.index(b":", at + 2)
    word = data[at + 2 : colon]
    if not word.isdigit():
        raise ValueError(f"no size at byte {at}")
    return int(word), colon + 1


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[dict[Any, Any], int]:
    if data[at : at + 1] != b"{":
        raise ValueError(f"no array at byte {at}")
    at, items = at + 1, {}
    for _ in range(count):
        key, at = _value(data, at, depth + 1)
        if not isinstance(key, int | str):
            raise ValueError(f"no key at byte {at}")
        items[key], at = _value(data, at, depth + 1)
    if data[at : at + 1] != b"}":
        raise ValueError(f"array does not end at byte {at}")
    return items, at + 1
