"""How an allowance becomes quotas: the part `quotas` of include/config/mailer.yaml."""

from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from typing import Any

import yaml

from email_engine.errors import InputError


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """`spread_hours`: a day's mail takes at least so many hours; `hourly_max`: messages an hour and IP;
    `server_types`: delivery-server types that may be governed; `digest` names this version of the file."""

    spread_hours: int = 10
    hourly_max: int = 1000
    server_types: frozenset[str] = frozenset({"smtp", "smtp-pmta", "smtp-postmastery"})
    digest: str = "default"

    def hourly_quota(self, daily: int) -> int:
        """At least 1 (0 would mean unlimited) and never more than the day's."""
        return max(1, min(self.hourly_max, ceil(daily / self.spread_hours), max(daily, 1)))


def parse_quota_policy(text: str, source: str = "mailer.yaml") -> QuotaPolicy:
    """Raises InputError that lists every mistake."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as failure:
        mark = getattr(failure, "problem_mark", None)
        raise _wrong(source, [f"line {mark.line + 1 if mark else '?'}: not YAML"]) from failure
    quotas = document.get("quotas") if isinstance(document, dict) else None
    if not isinstance(quotas, dict):
        raise _wrong(source, ["no `quotas:` at the top"])
    mistakes = [
        f"quotas.{key}: no such key"
        for key in sorted(set(quotas) - {"spread_hours", "hourly_max", "server_types"})
    ]
    spread = _whole(quotas, "spread_hours", 10, 1, 24, mistakes)
    hourly = _whole(quotas, "hourly_max", 1000, 1, 1_000_000, mistakes)
    types = quotas.get("server_types", sorted(QuotaPolicy().server_types))
    if not isinstance(types, list) or not types or not all(isinstance(name, str) for name in types):
        mistakes.append(f"quotas.server_types: {types!r} is no list of types")
        types = []
    if mistakes:
        raise _wrong(source, mistakes)
    return QuotaPolicy(spread, hourly, frozenset(types), sha256(text.encode()).hexdigest()[:12])


def _whole(raw: dict[str, Any], key: str, default: int, least: int, most: int, mistakes: list[str]) -> int:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        mistakes.append(f"quotas.{key}: {value!r} is no whole number from {least} to {most}")
        return default
    return value


def _wrong(source: str, mistakes: list[str]) -> InputError:
    return InputError(
        source,
        "; ".join(mistakes),
        "a quota policy as include/config/mailer.yaml shows it",
        "correct the file",
    )
