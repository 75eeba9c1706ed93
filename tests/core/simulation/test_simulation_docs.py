"""docs/simulation.md names what exists."""

import re

from email_engine.cli import COMMANDS
from email_engine.paths import ROOT
from email_engine.simulation.scenario_file import shipped_names

PAGE = (ROOT / "docs" / "simulation.md").read_text()


def test_every_command_scenario_and_file_that_the_page_names_exists() -> None:
    assert set(re.findall(r"email-engine (\w+)", PAGE)) <= set(COMMANDS)
    assert all(f"`{name}`" in PAGE for name in shipped_names())
    for path in re.findall(r"`((?:include|tests|warmup|lifecycle)/[\w/]+\.\w+)`", PAGE):
        assert (ROOT / path).exists() or (ROOT / "include" / "email_engine" / path).exists(), path
