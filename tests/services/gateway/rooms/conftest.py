"""One gateway for all tests of a module, one browser for all modules; each test has its own listener and its own
window."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.databases import Databases
from tests.services.gateway.conftest import FLAGS, PATIENCE_MS, Gateway, until
from tests.services.gateway.rooms.house import furnished

Opened = Callable[..., Page]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", metavar="FOLDER", help="where the pictures of the rooms go")


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[str]:
    """A fresh, migrated database, dropped after the module."""
    with databases.fresh() as dsn:
        yield dsn


@pytest.fixture(scope="module")
def house(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with furnished(database, tmp_path_factory.mktemp("house"), engine_patience=1.0) as gateway:
        yield gateway


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def window(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of its own; its pages' faults are the test's."""
    context = browser.new_context(viewport={"width": 900, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    yield context
    context.close()
    assert not faults


@pytest.fixture
def enter(house: Gateway, window: BrowserContext) -> Opened:
    """Opens a room by a login: Listen as this listener or as somebody new, the others as staff."""

    def opened(path: str = "/", listener: str | None = None) -> Page:
        page = window.new_page()
        page.goto(house.login(path, listener))
        if listener or path != "/":
            until(lambda: bool(page.evaluate("sessionStorage.length")))
        return page

    return opened


def at_rest(page: Page) -> None:
    """Returns when nothing is asked for any more but the stream by which Operate is live, which never ends.

    Not for a page that was loaded again while its station was known: what it told as it left outlives it, and
    playwright may wait for the answer for ever.
    """
    if page.locator("body[data-room=operate]").count():
        expect(page.locator("#live")).to_contain_text("Live")
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
    else:
        page.wait_for_load_state("networkidle")


AXE = Path(__file__).parent / "vendor/axe-core/axe.min.js"


def violations(page: Page) -> list[str]:
    """What axe finds on the page as it is, as `rule: element`."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found["violations"] for node in rule["nodes"]]
