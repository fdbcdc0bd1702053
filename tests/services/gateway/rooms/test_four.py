"""Four takes in the room: heard by keys, picked once all were heard, and picked anew."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from schemas.topics import FOURS, PLAYS, RATINGS
from tests.services.gateway.conftest import Gateway, until
from tests.services.gateway.rooms.conftest import Opened, violations
from tests.services.gateway.rooms.test_keyboard import focused, tab_to
from tests.services.gateway.rooms.test_listen import of
from tests.services.gateway.rooms.test_states import narrow

TAKES = ("1", "2", "3", "4")


def asked_for_four(page: Page, words: str) -> Locator:
    """Asks for four; the card, whose takes can all be heard."""
    page.get_by_label("What should it sound like?").fill(words)
    page.locator("#seconds").fill("20")
    page.get_by_role("button", name="Make four and pick one").click()
    card = page.locator(".card.four").first
    expect(card).to_be_focused()
    ready(card)
    return card


def ready(card: Locator) -> None:
    expect(card.get_by_text("ready to hear")).to_have_count(len(TAKES))


def heard_all(page: Page, card: Locator) -> None:
    """Plays each take by its key until enough of it was heard."""
    for take in TAKES[:-1]:
        page.keyboard.press(take)
        expect(card).to_contain_text(f"Still to hear: {', '.join(TAKES[int(take) :])}.")
    page.keyboard.press(TAKES[-1])
    expect(card).to_contain_text("Pick one, or none.")
    page.keyboard.press(TAKES[-1])
    expect(card.locator(".play[data-sounds]")).to_have_count(0)


def picks(house: Gateway, listener: str) -> list[Any]:
    return [each["data"]["choice"] for each in of(house, FOURS, listener)]


@pytest.fixture
def listener(house: Gateway) -> str:
    return house.listener(home="folk")


def test_four_are_heard_and_picked_from_by_keys_alone(house: Gateway, enter: Opened, listener: str) -> None:
    page = enter("/", listener=listener)
    expect(page.locator("#ask")).to_be_visible()
    tab_to(page, "What should it sound like?")
    page.keyboard.type("a slow air")
    tab_to(page, "Length:")
    page.keyboard.press("PageUp")
    tab_to(page, "Make four and pick one")
    page.keyboard.press("Enter")
    card = page.locator(".card.four")
    expect(card).to_be_focused()
    expect(card.get_by_role("heading", name="a slow air")).to_be_visible()
    ready(card)
    expect(card.get_by_role("button", name="None of them")).to_be_disabled()
    heard_all(page, card)
    tab_to(page, "Take 3")
    page.keyboard.press("Enter")
    expect(card).to_contain_text("Your pick is counted")
    assert focused(page)["name"] == "Take 3"
    tab_to(page, "None of them")
    page.keyboard.press("Enter")
    expect(card.get_by_role("button", name="None of them")).to_have_attribute("aria-pressed", "true")
    expect(card.get_by_role("button", name="Take 3")).to_have_attribute("aria-pressed", "false")
    until(lambda: picks(house, listener) == ["third", "none"])
    until(lambda: len({each["data"]["track_id"] for each in of(house, PLAYS, listener)}) == len(TAKES))
    assert of(house, RATINGS, listener) == []
    assert violations(page) == []


def test_one_take_sounds_at_a_time_and_what_was_picked_is_there_after_a_reload(
    house: Gateway, enter: Opened, listener: str
) -> None:
    page = enter("/", listener=listener)
    card = asked_for_four(page, "")
    page.keyboard.press("1")
    expect(card.locator(".card").nth(0).locator(".play[data-sounds]")).to_be_visible()
    page.keyboard.press("2")
    expect(card.locator(".card").nth(1).locator(".play[data-sounds]")).to_be_visible()
    expect(card.locator(".play[data-sounds]")).to_have_count(1)
    page.keyboard.press("2")
    expect(card.locator(".play[data-sounds]")).to_have_count(0)
    heard_all(page, card)
    card.get_by_role("button", name="Take 1", exact=True).click()
    expect(card).to_contain_text("Your pick is counted")
    until(lambda: picks(house, listener) == ["first"])
    page.reload()
    again = page.locator(".card.four")
    expect(again).to_have_count(1)
    expect(again.get_by_role("button", name="Take 1", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#tracks > .card")).to_have_count(1)
    ready(again)


def test_a_take_that_failed_is_left_out_and_the_rest_can_be_picked_from(enter: Opened, listener: str) -> None:
    page = enter("/", listener=listener)
    page.route("**/v1/fours", lost_one)
    page.locator("#seconds").fill("20")
    page.get_by_role("button", name="Make four and pick one").click()
    card = page.locator(".card.four")
    expect(card).to_be_focused()
    expect(card.get_by_text("ready to hear")).to_have_count(3)
    narrow(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for take, left in (("2", "3, 4."), ("3", "4.")):
        page.keyboard.press(take)
        expect(card).to_contain_text(f"Still to hear: {left}")
    page.keyboard.press("4")
    expect(card).to_contain_text("Pick one, or none.")
    expect(card.get_by_role("button", name="Take 1", exact=True)).to_be_disabled()
    expect(card.get_by_role("button", name="Take 2", exact=True)).to_be_enabled()
    assert violations(page) == []


def lost_one(route: Any) -> None:
    """The answer as it is where the first take could not be made."""
    answer = route.fetch()
    four = answer.json()
    first = four["tracks"][0]
    first["status"], first["problem"] = "failed", {"code": "engine_away", "message": "The engine was away."}
    route.fulfill(response=answer, json=four)


def test_it_says_why_a_four_cannot_be_had(enter: Opened, listener: str) -> None:
    page = enter("/", listener=listener)
    narrow(page)
    problem = {"code": "too_many_open_tracks", "message": "Earlier tracks are still in the making."}
    page.route("**/v1/fours", lambda route: route.fulfill(status=429, json=problem))
    page.get_by_role("button", name="Make four and pick one").click()
    expect(page.get_by_role("alert")).to_contain_text("still in the making")
    assert violations(page) == []
