"""docs/architecture.md and docs/changing.md: every path that they name exists, and architecture names every room."""

import re

import pytest

from email_engine.paths import ROOT

PAGES = ("architecture.md", "changing.md")
PATH = re.compile(r"`((?:include|plugins|dags|stack|tests|docs|templates|lab)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_exists(page: str) -> None:
    named = {path for path in PATH.findall((ROOT / "docs" / page).read_text()) if "NAME" not in path}
    assert len(named) > 15
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_room_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [p.name for p in (ROOT / "include" / "email_engine").iterdir() if (p / "__init__.py").exists()]
    told_elsewhere = {"commands", "doctor"}
    assert [room for room in sorted(rooms) if room not in told_elsewhere and f"{room}/" not in text] == []
