"""Public DKIM keys from a JSON file: `{"DOMAIN": {"SELECTOR": "BASE64"}}`."""

import json
from collections.abc import Collection
from typing import Any

from email_engine.dnsauth.by_hand import parse_domain
from email_engine.dnsauth.dkim import LEAST_BITS, BadKey, key_in_use
from email_engine.errors import InputError
from email_engine.fleet.names import SELECTOR
from email_engine.plural import excerpt

FORM = 'JSON such as {"news.example.com": {"s1": "MIIBIjANBg..."}}, the key as base64 without line breaks'
SHOWN = 10


def parse_keys(text: str, source: str, domains: Collection[str]) -> dict[tuple[str, str], str]:
    """(domain, selector) to the key, base64 of SPKI or of the 32 bytes of an Ed25519 key. `domains`: sending domains of the fleet.

    Raises:
        InputError: no such JSON; or with every domain, selector and key that is none.
    """
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise InputError(source, "nested too deeply", FORM, "correct the file") from None
    except ValueError as error:
        raise InputError(source, f"not read as JSON: {error}", FORM, "correct the file") from None
    if not isinstance(document, dict):
        raise InputError(source, excerpt(document), FORM, "correct the file")
    keys: dict[tuple[str, str], str] = {}
    mistakes: list[str] = []
    for name, selectors in document.items():
        try:
            domain = parse_domain(source, name)
        except InputError as refused:
            mistakes.append(refused.observed)
            continue
        if domain not in domains:
            mistakes.append(f"{domain} is no sending domain of the fleet")
        elif not isinstance(selectors, dict) or not selectors:
            mistakes.append(f"{domain}: {excerpt(selectors)} is no mapping of selectors")
        else:
            for selector, key in selectors.items():
                mistake = _mistake(selector, key)
                if mistake or (domain, selector) in keys:
                    mistakes.append(f"{domain}: {mistake or f'selector {selector} twice'}")
                else:
                    keys[domain, selector] = key
    if mistakes:
        more = f"; and {len(mistakes) - SHOWN} more" if len(mistakes) > SHOWN else ""
        raise InputError(source, "; ".join(mistakes[:SHOWN]) + more, FORM, "correct the file")
    return keys


def _mistake(selector: str, key: Any) -> str:
    if not SELECTOR.fullmatch(selector):
        return f"{excerpt(selector)} is no selector"
    if not isinstance(key, str):
        return f"selector {selector}: {excerpt(key)} is no text"
    try:
        found = key_in_use(key)
    except BadKey as bad:
        return f"selector {selector}: {str(bad).replace('p=', 'the key')}"
    if found.kind == "rsa" and found.bits < LEAST_BITS:
        return f"selector {selector}: an RSA key of {found.bits} bits, {LEAST_BITS} at least are valid (RFC 8301)"
    return "" if found.spki else f"selector {selector}: a bare RSA key (PKCS#1) in place of SPKI"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for n, (key, _) in enumerate(pairs) if key in dict(pairs[:n]))
        raise ValueError(f"{excerpt(twice)} stands twice in one mapping")
    return found
