"""PHP's serialize format, as far as a delivery server's meta_data needs it."""

from typing import Any


def serialize(value: object) -> bytes:
    """None, bool, int, str, list and dict to PHP's serialized text (string lengths in bytes)."""
    if value is None:
        return b"N;"
    if isinstance(value, bool):
        return b"b:%d;" % value
    if isinstance(value, int):
        return b"i:%d;" % value
    if isinstance(value, str):
        data = value.encode()
        return b's:%d:"%s";' % (len(data), data)
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        body = b"".join(serialize(key) + serialize(item) for key, item in value.items())
        return b"a:%d:{%s}" % (len(value), body)
    raise TypeError(f"no PHP form for {type(value).__name__}")


def _read(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at : at + 1]
    if kind == b"N":
        return None, at + 2
    if kind in b"bid" and kind:
        end = data.index(b";", at)
        text = data[at + 2 : end]
        return (float(text) if kind == b"d" else bool(int(text)) if kind == b"b" else int(text)), end + 1
    colon = data.index(b":", at + 2)
    length = int(data[at + 2 : colon])
    if kind == b"s":
        start = colon + 2
        return data[start : start + length].decode(), start + length + 2
    if kind != b"a":
        raise ValueError(f"unknown PHP type {kind!r} at byte {at}")
    items: dict[Any, Any] = {}
    at = colon + 2
    for _ in range(length):
        key, at = _read(data, at)
        items[key], at = _read(data, at)
    return items, at + 1


def unserialize(data: bytes) -> Any:
    """The value; PHP arrays become dicts. Raises ValueError for anything else."""
    value, _ = _read(data, 0)
    return value


def additional_headers(meta_data: bytes | None) -> dict[str, str]:
    """The additional headers of a delivery server, names in lower case; {} if it has none or they cannot be read."""
    try:
        stored = unserialize(bytes(meta_data)) if meta_data else {}
        headers = stored.get("additional_headers", {}).values()
        return {header["name"].lower(): header["value"] for header in headers}
    except (ValueError, AttributeError, KeyError, TypeError):
        return {}


def meta_data(headers: dict[str, str]) -> bytes:
    """What MailWizz stores for a server with these additional headers."""
    return serialize(
        {"additional_headers": [{"name": name, "value": value} for name, value in headers.items()]}
    )
