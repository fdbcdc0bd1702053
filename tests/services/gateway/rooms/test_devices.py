"""A listener goes on where they were, on another device; one device sounds, and each tells what it played."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from schemas.topics import PLAYS
from tests.services.gateway.conftest import PATIENCE_MS, Gateway, until
from tests.services.gateway.rooms.conftest import Opened, violations
from tests.services.gateway.rooms.test_listen import of, playing


@pytest.fixture
def listener(house: Gateway) -> str:
    return house.listener(home="folk")


@pytest.fixture
def desk(house: Gateway, browser: Browser, window: BrowserContext, listener: str) -> Iterator[Page]:
    """Another device of the listener."""
    assert window  # which sets how patient expectations are
    context = browser.new_context(viewport={"width": 900, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(house.login("/", listener))
    yield page
    context.close()


def tuned(page: Page, words: str) -> None:
    page.locator("#mood").fill(words)
    page.locator("#length").select_option("120")
    page.get_by_role("button", name="Play the station").click()
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()


def at(house: Gateway, listener: str) -> float:
    told = house.http.get(f"/v1/listeners/{listener}/playing").json()
    return float(told["at_s"]) if told and told["tracks"] else -1.0


def test_it_goes_on_at_another_device_and_the_first_one_pauses(
    house: Gateway, enter: Opened, listener: str, desk: Page
) -> None:
    expect(desk.get_by_role("heading", name="Your station")).to_be_visible()
    expect(desk.get_by_role("button", name="Go on")).to_have_count(0)  # there is nothing yet
    phone = enter(listener=listener)
    tuned(phone, "calm piano")
    track = playing(phone)
    house.finished(track)
    phone.locator(".bar .play").click()
    expect(phone.locator(".bar .now")).not_to_contain_text("Step")  # it is finished, and can be sought
    until(lambda: at(house, listener) >= 0)
    phone.locator(".bar .play").click()
    expect(phone.locator(".bar .play[data-sounds]")).to_be_visible()
    desk.reload()
    go = desk.get_by_role("button", name=re.compile(r"^Go on: calm piano at \d:"))
    expect(go).to_be_visible()
    assert violations(desk) == []
    go.press("Enter")
    expect(desk.locator(".bar .play[data-sounds]")).to_be_visible()
    expect(desk.locator(".bar .play")).to_be_focused()
    assert playing(desk) == track
    expect(go).to_have_count(0)
    expect(phone.get_by_role("alert")).to_have_text("Paused here: it plays on another device now.")
    expect(phone.locator(".bar .play[data-sounds]")).to_have_count(0)
    expect(desk.locator(".bar .play[data-sounds]")).to_be_visible()
    assert violations(phone) == []
    phone.locator(".bar .play").click()  # and back
    expect(desk.get_by_role("alert")).to_have_text("Paused here: it plays on another device now.")
    phone.locator(".bar .play").click()
    until(lambda: len(plays(house, listener, track)) >= 3 and all(plays(house, listener, track).values()))
    for heard in plays(house, listener, track).values():  # each play tells what it played, once
        for (_, to), (after, _) in pairwise(heard):
            assert to <= after


def plays(house: Gateway, listener: str, track: str) -> dict[str, list[tuple[int, int]]]:
    """The stretches that each play of a track told, in the order of their positions."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for event in of(house, PLAYS, listener):
        if event["data"]["track_id"] == track:
            heard = event["data"].get("heard")
            found[event["data"]["play_id"]] += [(heard["from_ms"], heard["to_ms"])] if heard else []
    return {play: sorted(heard) for play, heard in found.items()}


def test_a_station_that_is_ended_is_gone_on_with_nowhere(
    house: Gateway, enter: Opened, listener: str, desk: Page
) -> None:
    phone = enter(listener=listener)
    tuned(phone, "a slow air")
    until(lambda: at(house, listener) >= 0)
    phone.get_by_role("button", name="End the station").click()
    until(lambda: at(house, listener) < 0)
    with desk.expect_response("**/playing"):
        desk.reload()
    expect(desk.get_by_role("button", name="Play the station")).to_be_visible()
    expect(desk.get_by_role("button", name="Go on")).to_have_count(0)
