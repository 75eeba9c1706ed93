"""Requests to MailWizz 1.9 and older: PHP's form encoding and the HMAC signature.

Source: MailWizz's API documentation and its PHP SDK of that time; the two test vectors in tests/core were measured."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus

Fields = Mapping[str, Any]


def form_pairs(fields: Fields, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings to PHP's flat names: {"details": {"status": "x"}} to ("details[status]", "x")."""
    for name, value in fields.items():
        flat = f"{prefix}[{name}]" if prefix else str(name)
        if isinstance(value, Mapping):
            yield from form_pairs(value, flat)
        else:
            yield flat, str(value)


def encode_form(fields: Fields) -> str:
    """As PHP's http_build_query does (RFC 1738): space is `+`, `~` is `%7E`."""
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in form_pairs(fields))


def by_bytes(fields: Fields) -> dict[str, Any]:
    """Sorted by the byte values of the names, upper case before lower case."""
    return dict(sorted(fields.items(), key=lambda item: item[0].encode()))


def signed_headers(
    method: str, url: str, query: Fields, form: Fields, public_key: str, private_key: str, timestamp: int
) -> dict[str, str]:
    """The four X-MW headers. `url`: absolute, without query, as MailWizz believes itself to be called;
    `timestamp`: unix seconds; stamps older than 900 s are refused."""
    stamp = {"X-MW-PUBLIC-KEY": public_key, "X-MW-TIMESTAMP": str(timestamp), "X-MW-REMOTE-ADDR": ""}
    url = url.rstrip("/")
    if query:
        url += f"?{encode_form(by_bytes(query))}"
    text = f"{method.upper()} {url}{'&' if query else '?'}{encode_form(by_bytes({**form, **stamp}))}"
    signature = hmac.new(private_key.encode(), text.encode(), hashlib.sha1).hexdigest()
    return stamp | {"X-MW-SIGNATURE": signature}


def _encode(text: str) -> str:
    return quote_plus(text).replace("~", "%7E")
