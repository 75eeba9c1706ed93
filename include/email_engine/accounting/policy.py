"""When an accounting file is taken: include/config/accounting.yaml as values."""

from dataclasses import dataclass
from functools import cache

from email_engine import paths
from email_engine.fleet.config_file import load_config, parse_config
from email_engine.fleet.document import Section
from email_engine.fleet.scalars import between

_RATE = between(0, 0.999_999, "a rate from 0 to below 1, like 0.01")


@dataclass(frozen=True, slots=True)
class AccountingPolicy:
    """`largest_rejected_rate` 0..1 of a file's rows; `kept_of_refused` rows; `origin_days` days; `largest_unknown_rate` 0..1 of
    a file's bounces and deferrals, if it has `unknown_from` of them; `clock_skew_minutes` that a row may lie ahead; a file waits until nobody
    has written to it for `quiet_seconds`."""

    largest_rejected_rate: float
    kept_of_refused: int
    origin_days: int
    largest_unknown_rate: float
    unknown_from: int
    clock_skew_minutes: int
    quiet_seconds: int


def parse_accounting_policy(text: str, source: str = "accounting.yaml") -> AccountingPolicy:
    """Raises FileInvalid that lists every mistake."""
    return parse_config(text, source, _policy)


def _policy(top: Section) -> AccountingPolicy:
    top.only(*AccountingPolicy.__dataclass_fields__)
    return AccountingPolicy(
        largest_rejected_rate=top.real("largest_rejected_rate", _RATE),
        kept_of_refused=top.number("kept_of_refused", 0, 10_000),
        origin_days=top.number("origin_days", 1, 365),
        largest_unknown_rate=top.real("largest_unknown_rate", _RATE),
        unknown_from=top.number("unknown_from", 1, 1_000_000),
        clock_skew_minutes=top.number("clock_skew_minutes", 0, 1_440),
        quiet_seconds=top.number("quiet_seconds", 0, 600),
    )


@cache
def shipped_accounting_policy() -> AccountingPolicy:
    """include/config/accounting.yaml, read once in a process."""
    return load_config(paths.CONFIG / "accounting.yaml", "accounting policy", _policy)
