"""When an accounting file is taken: include/config/accounting.yaml as values."""

from dataclasses import dataclass
from functools import cache

from email_engine import paths
from email_engine.fleet.document import read_document
from email_engine.fleet.mistakes import FileInvalid, Mistakes


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


def _rate(text: str) -> str | None:
    try:
        good = 0 <= float(text) < 1
    except ValueError:
        good = False
    return None if good else "a rate from 0 to below 1, like 0.01"


def parse_accounting_policy(text: str, source: str = "accounting.yaml") -> AccountingPolicy:
    """Raises FileInvalid that lists every mistake."""
    mistakes = Mistakes()
    top = read_document(text, source, mistakes)
    if top is None:
        raise FileInvalid(source, mistakes.found)
    top.only(*AccountingPolicy.__dataclass_fields__)
    policy = AccountingPolicy(
        largest_rejected_rate=float(top.text("largest_rejected_rate", _rate) or 0),
        kept_of_refused=top.number("kept_of_refused", 0, 10_000),
        origin_days=top.number("origin_days", 1, 365),
        largest_unknown_rate=float(top.text("largest_unknown_rate", _rate) or 0),
        unknown_from=top.number("unknown_from", 1, 1_000_000),
        clock_skew_minutes=top.number("clock_skew_minutes", 0, 1_440),
        quiet_seconds=top.number("quiet_seconds", 0, 600),
    )
    if mistakes.found:
        raise FileInvalid(source, mistakes.found)
    return policy


@cache
def shipped_accounting_policy() -> AccountingPolicy:
    """include/config/accounting.yaml, read once in a process."""
    return parse_accounting_policy((paths.CONFIG / "accounting.yaml").read_text("utf-8"))
