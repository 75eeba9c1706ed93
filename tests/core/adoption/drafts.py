"""Drafts of `email-engine import` in tests: filled in without thinking, and read back."""

import itertools
import re

from email_engine.adoption.adopt import Adoption, Wishes, adopt
from email_engine.fleet.model import Fleet
from email_engine.fleet.parse import parse_fleet
from email_engine.pmta.language.assembly import assemble

_BLANK = re.compile(r"^( *(?:- )?)([a-z_]+): <\.\.\.> # FILL IN: (.*)$", re.MULTILINE)
_ANSWERS = {
    "version": "5.0r5",
    "daily_quota": "100000000",
    "purpose": "news",
    "consent": "double opt-in",
    "risk_class": "standard",
    "daily_target": "10000",
    "selector": "s9",
    "state": "standby",
    "tenant": "somebody",
    "warmed_on": "2026-01-31",
}


def adopted(text: str, tenant: str | None = "big", ranges: bool = True) -> Adoption:
    """The draft of a configuration, with the head-room that the project ships."""
    return adopt(assemble(text, "config"), Wishes(120, tenant=tenant, ranges=ranges))


def filled(draft: str, warming: tuple[str, ...] = ()) -> str:
    """Every blank with an answer of its own. `warming`: number spans that warm up; all other unknown ones stand by."""
    serial = itertools.count(1)
    servers = itertools.count(1, 5000)

    def answer(match: re.Match[str]) -> str:
        indent, key, hint = match.groups()
        if key == "warming":
            span = re.match(r"of ([\d, -]+), the warming", hint)
            assert span is not None
            return f'{indent}{"warming" if span[1] in warming else "standby"}: "{span[1]}"'
        if key.startswith("mailwizz_"):
            return f"{indent}{key}: {next(servers)}"
        if key == "address":
            bound = re.search(r"for \d+\.(\S+),", hint)
            assert bound is not None
            return f"{indent}{key}: 45.{bound[1]}"
        if key in _ANSWERS:
            return f"{indent}{key}: {_ANSWERS[key]}"
        n = next(serial)
        if "{n}" in hint:
            return f'{indent}{key}: "n{{n}}.filled{n}.example"'
        words = {
            "domain": f"filled{n}.example",
            "hostname": f"host.filled{n}.example",
            "key_path": f"/etc/pmta/filled{n}.pem",
            "name": "somebody" if indent == "  - " else f"filled-{n}",
        }
        return f"{indent}{key}: {words.get(key, f'filled-{n}')}"

    return _BLANK.sub(answer, draft)


def fleet_of(draft: str) -> Fleet:
    """A filled draft, proven by the checks of the fleet file."""
    return parse_fleet(filled(draft), "draft.yaml")
