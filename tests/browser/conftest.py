"""A real browser in front of the running stack; the machine's Chromium, driven by Playwright."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserType, Page, sync_playwright

from tests.browser import pages
from tests.stack_fixtures import Everything

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
Opened = Callable[[int], Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[BrowserType]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine. Next: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture
def opened(chromium: BrowserType, tmp_path: Path, everything: Everything) -> Iterator[Opened]:
    """Logs in with a fresh profile, in a window so wide; a picture of every page is left beside the profile."""
    contexts = []

    def open_page(width: int) -> Page:
        context = chromium.launch_persistent_context(
            str(tmp_path / f"profile-{width}"),
            executable_path=CHROMIUM,
            headless=True,
            viewport={"width": width, "height": 800},
            args=FLAGS,
        )
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.pages[0]
        pages.log_in(page, everything.settings.address, everything.settings.secrets()["admin"])
        return page

    yield open_page
    for number, context in enumerate(contexts):
        context.pages[0].screenshot(path=tmp_path / f"last-{number}.png")
        context.close()
