"""How new IPs come to the fleet: include/config/onboarding.yaml as values."""

from dataclasses import dataclass
from datetime import timedelta

from email_engine import paths
from email_engine.fleet.config_file import load_config, parse_config
from email_engine.fleet.document import Section


@dataclass(frozen=True, slots=True)
class OnboardPolicy:
    """`writes`: may the pipeline add lines to the fleet file itself? `remind_after`: a run that waits says so again."""

    ips_per_host: int
    writes: bool
    remind_after: timedelta


def parse_onboard_policy(text: str, source: str = "onboarding.yaml") -> OnboardPolicy:
    """Raises FileInvalid that lists every mistake."""
    return parse_config(text, source, _policy)


def _policy(top: Section) -> OnboardPolicy:
    top.only("ips_per_host", "fleet_file", "remind_days")
    ways = ("write", "show")
    return OnboardPolicy(
        ips_per_host=top.number("ips_per_host", 1, 4096),
        writes=top.text("fleet_file", lambda given: None if given in ways else "write or show") == "write",
        remind_after=timedelta(days=top.number("remind_days", 1, 90)),
    )


def shipped_onboard_policy() -> OnboardPolicy:
    """include/config/onboarding.yaml."""
    return load_config(paths.CONFIG / "onboarding.yaml", "onboarding policy", _policy)
