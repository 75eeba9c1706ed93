"""A real browser in front of the running stack; the machine's Chromium, driven by Playwright."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, BrowserType, Page, sync_playwright

from tests.browser import pages
from tests.stack_fixtures import Everything

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
Opened = Callable[[int], Page]


@pytest.fixture(scope="package")
def chromium() -> Iterator[BrowserType]:
    """Ends with this folder: while Playwright is there an event loop runs, which later tests must not meet."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine. Next: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="package")
def opened(
    chromium: BrowserType, tmp_path_factory: pytest.TempPathFactory, everything: Everything
) -> Iterator[Opened]:
    """The list of connections in a window so wide, logged in once with a fresh profile; a picture of the last page is left beside it."""
    folder, contexts = tmp_path_factory.mktemp("browser"), dict[int, BrowserContext]()

    def open_page(width: int) -> Page:
        address = everything.settings.address
        if width in contexts:
            page = contexts[width].pages[0]
            page.goto(f"{address}/connections")
            page.get_by_text("email_engine_db", exact=True).wait_for()
            return page
        contexts[width] = context = chromium.launch_persistent_context(
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
    for width, context in contexts.items():
        context.pages[0].screenshot(path=folder / f"last-{width}.png")
        context.close()
