"""A real browser in front of the running stack; the machine's Chromium, driven by Playwright."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, BrowserType, Page, sync_playwright

from tests.browser import pages
from tests.stack_fixtures import Everything

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NOWHERE = "about:blank"
Opened = Callable[[int], Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[BrowserType]:
    """While Playwright is there an event loop runs: these tests come last in a session of their own (Makefile, `test-whole`)."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine. Next: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="session")
def windows(chromium: BrowserType) -> Iterator[dict[int, BrowserContext]]:
    """By width, those that were opened."""
    contexts: dict[int, BrowserContext] = {}
    yield contexts
    for context in contexts.values():
        context.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture
def opened(
    chromium: BrowserType, windows: dict[int, BrowserContext], folder: Path, everything: Everything
) -> Iterator[Opened]:
    """The list of connections in a window so wide, logged in once with a fresh profile; a picture of the last page is left beside it. No
    page stays open behind a test: Airflow's ask and paint for ever."""

    def open_page(width: int) -> Page:
        address = everything.settings.address
        if width in windows:
            page = windows[width].pages[0]
            page.goto(f"{address}/connections")
            page.get_by_text("email_engine_db", exact=True).wait_for()
            return page
        windows[width] = context = chromium.launch_persistent_context(
            str(folder / f"profile-{width}"),
            executable_path=CHROMIUM,
            headless=True,
            viewport={"width": width, "height": 800},
            args=FLAGS,
        )
        context.set_default_timeout(60_000)
        pages.log_in(context.pages[0], address, everything.settings.secrets()["admin"])
        return context.pages[0]

    yield open_page
    for width, context in windows.items():
        if context.pages[0].url != NOWHERE:
            context.pages[0].screenshot(path=folder / f"last-{width}.png")
            context.pages[0].goto(NOWHERE)
