"""When a DKIM key is due and how long the steps of a rotation last: include/config/dkim.yaml as values."""

from dataclasses import dataclass
from datetime import timedelta

from email_engine import paths
from email_engine.fleet.config_file import load_config, parse_config
from email_engine.fleet.document import Section


@dataclass(frozen=True, slots=True)
class DkimPolicy:
    rotate_after: timedelta
    seen_for: timedelta
    overlap: timedelta
    remind: timedelta


def parse_dkim_policy(text: str, source: str = "dkim.yaml") -> DkimPolicy:
    """Raises FileInvalid that lists every mistake."""
    return parse_config(text, source, _policy)


def _policy(top: Section) -> DkimPolicy:
    top.only("rotate_after_days", "seen_hours", "overlap_days", "remind_days")
    return DkimPolicy(
        rotate_after=timedelta(days=top.number("rotate_after_days", 30, 730)),
        seen_for=timedelta(hours=top.number("seen_hours", 1, 168)),
        overlap=timedelta(days=top.number("overlap_days", 7, 90)),
        remind=timedelta(days=top.number("remind_days", 1, 30)),
    )


def shipped_dkim_policy() -> DkimPolicy:
    """include/config/dkim.yaml."""
    return load_config(paths.CONFIG / "dkim.yaml", "DKIM policy", _policy)
