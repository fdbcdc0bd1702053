"""`./encore pictures FOLDER`: every state of the three rooms as a picture, on a gateway of its own with a scripted
engine. Each is one test, so that what cannot be shown is told."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.services.gateway.conftest import Gateway
from tests.services.gateway.engine import wav
from tests.services.gateway.rooms.conftest import Opened, at_rest
from tests.services.gateway.rooms.past import write_past
from tests.services.gateway.rooms.test_four import asked_for_four, heard_all
from tests.services.gateway.rooms.test_listen import skip, tuned
from tests.services.gateway.rooms.test_operate import learned
from tests.services.gateway.rooms.test_states import broken, dark, narrow, nothing

__all__ = ["learned"]  # a fixture

WIDE = {"/": (900, 1150), "/operate/": (1200, 1000), "/analyse/": (1200, 900)}
SHOWN = {"/": "#station", "/operate/": ".chart svg", "/analyse/": ".chart svg"}
NAMES = {"/": "listen", "/operate/": "operate", "/analyse/": "analyse"}
STYLES = ("a lively reel with fiddle", "calm piano, slow", "a dark march, brass", "warm strings, dreamy")


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest) -> Path:
    place = Path(request.config.getoption("--pictures"))
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.fixture(scope="module")
def past(house: Gateway) -> list[UUID]:
    return write_past(house.settings.postgres_dsn)


@pytest.fixture
def listener(house: Gateway) -> str:
    """Somebody with a song, a few rated tracks, and something to say of their taste."""
    listener = house.listener(home="folk", age_band="30-39")
    house.upload(listener, wav(6))
    for words in STYLES:
        house.finished(house.ask(listener, prompt=words, seconds=10)["track_id"])
    house.http.put(f"/v1/listeners/{listener}/taste", json={"corrections": {"piano": 1, "fiddle": 0.6, "brass": -0.8}})
    return listener


@pytest.fixture
def shown(enter: Opened, listener: str, past: list[UUID]) -> Callable[[str], Page]:
    """A room with something in it."""
    assert past

    def opened(path: str) -> Page:
        page = enter(path, listener=listener)
        page.set_viewport_size(dict(zip(("width", "height"), WIDE[path], strict=True)))  # type: ignore[arg-type]
        expect(page.locator(SHOWN[path]).first).to_be_visible()
        at_rest(page)
        return page

    return opened


def keep(page: Page, folder: Path, name: str, **how: Any) -> None:
    page.screenshot(path=folder / f"{name}.png", animations="disabled", **how)


@pytest.mark.parametrize("path", WIDE)
def test_full(shown: Callable[[str], Page], folder: Path, path: str) -> None:
    keep(shown(path), folder, NAMES[path], full_page=path != "/")


@pytest.mark.parametrize("look", [narrow, dark])
@pytest.mark.parametrize("path", WIDE)
def test_looks(shown: Callable[[str], Page], folder: Path, path: str, look: Callable[[Page], None]) -> None:
    page = shown(path)
    look(page)
    keep(page, folder, f"{NAMES[path]}-{look.__name__}")


def waits(route: Route) -> None:
    """An answer that does not come."""


@pytest.mark.parametrize(("answer", "state"), [(nothing, "empty"), (broken, "error"), (waits, "loading")])
@pytest.mark.parametrize("path", ["/operate/", "/analyse/"])
def test_nothing_wrong_and_waiting(
    enter: Opened, folder: Path, path: str, answer: Callable[[Route], None], state: str
) -> None:
    page = enter(path)
    page.route("**/v1/**", answer)
    page.reload()
    said = page.locator(".state, .calm").first
    expect(said).to_be_visible()
    keep(page, folder, f"{NAMES[path]}-{state}")


def test_a_stream_that_is_lost(shown: Callable[[str], Page], folder: Path) -> None:
    page = shown("/operate/")
    page.route("**/v1/operate/events", broken)
    page.reload()
    expect(page.locator("#live")).to_contain_text("Not live")
    expect(page.locator("#now li").first).to_be_visible()
    keep(page, folder, "operate-lost")
    narrow(page)
    keep(page, folder, "operate-lost-narrow")


def test_a_newcomer(enter: Opened, folder: Path) -> None:
    page = enter("/")
    expect(page.get_by_label("What do you mostly listen to?")).to_be_visible()
    keep(page, folder, "listen-newcomer")
    page.get_by_role("button", name="Start listening").click()
    expect(page.locator("#station")).to_be_visible()
    page.wait_for_load_state("networkidle")
    keep(page, folder, "listen-empty", full_page=True)


def test_who_has_no_session(enter: Opened, folder: Path) -> None:
    page = enter("/")
    page.evaluate("sessionStorage.clear()")
    page.reload()
    expect(page.get_by_role("heading", name="Enter")).to_be_visible()
    keep(page, folder, "listen-enter")


def test_a_station(shown: Callable[[str], Page], folder: Path) -> None:
    page = shown("/")
    tuned(page, "calm piano, slow")
    page.get_by_role("button", name="Love it: five stars").click()
    expect(page.locator(".bar .clock")).to_contain_text(re.compile(r"^0:(0[4-9]|[1-5]\d)"))
    keep(page, folder, "listen-station")
    narrow(page)
    keep(page, folder, "listen-station-narrow")
    page.set_viewport_size({"width": 900, "height": 1150})
    page.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    keep(page, folder, "listen-offline")
    page.context.set_offline(False)
    for _ in range(4):
        skip(page)
    expect(page.locator(".bar .now")).to_contain_text("A of two")
    keep(page, folder, "listen-pair")


def test_another_device(
    shown: Callable[[str], Page], house: Gateway, browser: Browser, folder: Path, listener: str
) -> None:
    page = shown("/")
    tuned(page, "calm piano, slow")
    expect(page.locator(".bar .clock")).to_contain_text("0:04")
    context = browser.new_context(viewport={"width": 900, "height": 1150})
    other = context.new_page()
    other.goto(house.login("/", listener))
    go_on = other.get_by_role("button", name="Go on: calm piano")
    expect(go_on).to_be_visible()
    keep(other, folder, "listen-go-on")
    narrow(other)
    dark(other)
    keep(other, folder, "listen-go-on-narrow-dark")
    go_on.click()
    expect(page.get_by_role("alert")).to_contain_text("another device")
    keep(page, folder, "listen-elsewhere")
    context.close()


def test_one_of_four(shown: Callable[[str], Page], folder: Path) -> None:
    page = shown("/")
    card = asked_for_four(page, "calm piano, slow")
    heard_all(page, card)
    card.get_by_role("button", name="Take 3", exact=True).click()
    expect(card).to_contain_text("Your pick is counted")
    card.screenshot(path=folder / "listen-four.png", animations="disabled")
    narrow(page)
    card.screenshot(path=folder / "listen-four-narrow.png", animations="disabled")


def test_taste_and_tracks(shown: Callable[[str], Page], folder: Path) -> None:
    page = shown("/")
    page.locator("#taste-title").scroll_into_view_if_needed()
    keep(page, folder, "listen-taste", full_page=True)


def test_songs_and_data(shown: Callable[[str], Page], folder: Path) -> None:
    page = shown("/")
    page.get_by_role("button", name="Take back: ").first.click()
    data = page.locator("section").filter(has=page.get_by_role("heading", name="Your data"))
    expect(data.get_by_role("checkbox")).to_have_count(2)
    page.locator("#songs").screenshot(path=folder / "listen-songs.png", animations="disabled")
    data.get_by_role("button", name="Erase me").click()
    data.screenshot(path=folder / "listen-data.png", animations="disabled")
    data.get_by_role("button", name="Erase me for good").click()
    expect(page.get_by_role("heading", name="You are erased")).to_be_visible()
    keep(page, folder, "listen-erased")


def test_a_crossing_and_time(shown: Callable[[str], Page], folder: Path) -> None:
    page = shown("/analyse/")
    page.get_by_label("Age band").check()
    expect(page.get_by_role("row")).to_have_count(14)
    keep(page, folder, "analyse-crossing")
    page.get_by_label("Age band").uncheck()
    page.get_by_label("Time").select_option("cumulative")
    expect(page.get_by_role("img", name="over time in")).to_be_visible()
    keep(page, folder, "analyse-time")


def test_two_side_by_side(shown: Callable[[str], Page], house: Gateway, folder: Path, learned: dict[str, Any]) -> None:
    assert house
    page = shown("/operate/")
    page.get_by_label("Listener", exact=True).first.fill(learned["listener"])
    page.get_by_role("button", name="Make both").click()
    expect(page.locator(".spectrogram canvas").first).to_be_visible()
    at_rest(page)
    page.locator("#compare").screenshot(path=folder / "operate-side-by-side.png")


def test_where_a_version_comes_from(shown: Callable[[str], Page], folder: Path, learned: dict[str, Any]) -> None:
    page = shown("/operate/")
    part = page.locator("#versions")
    part.get_by_label("Listener", exact=True).fill(learned["listener"])
    part.get_by_role("button", name="Find").click()
    part.get_by_role("button", name="What it learned from").first.click()
    expect(part.get_by_role("region", name="What it learned from")).to_be_visible()
    part.screenshot(path=folder / "operate-versions.png")
    part.get_by_role("row").nth(1).get_by_role("button").nth(1).click()
    page.locator("#rounds").get_by_role("button", name="The curve of round").first.click()
    expect(page.locator("#rounds h3")).to_be_visible()
    page.locator("#rounds").screenshot(path=folder / "operate-rounds.png")
    page.locator("#audit").screenshot(path=folder / "operate-audit.png")


@pytest.fixture(autouse=True)
def quiet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    capsys.readouterr()
