"""What a listener wants heeded beside their taste goes with every wish that heeds it, until it is taken back."""

from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from tests.services.gateway.conftest import Gateway
from tests.services.gateway.rooms.conftest import Opened, violations
from tests.services.gateway.rooms.test_listen import tuned


@pytest.fixture
def listener(house: Gateway) -> str:
    return house.listener(home="folk")


def wished(page: Page, path: str, button: str) -> dict[str, Any]:
    """What is asked for when the button is pressed; it is granted."""
    with page.expect_response(lambda answer: answer.url.endswith(path) and answer.request.method == "POST") as told:
        page.get_by_role("button", name=button).click()
    assert told.value.ok
    return said(told.value.request)


def said(request: Request) -> dict[str, Any]:
    wish: Any = request.post_data_json
    return dict(wish)


def test_what_counts_beside_taste_goes_with_every_wish_that_heeds_it(enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    assert "dials" not in wished(page, "/v1/tracks", "Make a track")
    page.get_by_text("What counts beside your taste").click()
    page.get_by_label("Harmony that is right").select_option("Twice as much")
    page.get_by_label("Clean sound").select_option("Not at all")
    assert wished(page, "/v1/tracks", "Make a track")["dials"] == {"harmony": 2, "production": 0}
    assert wished(page, "/v1/pairs", "Make two")["dials"] == {"harmony": 2, "production": 0}
    assert "dials" not in wished(page, "/v1/fours", "Make four")
    assert violations(page) == []


def test_it_is_kept_in_this_browser_and_can_be_taken_back(enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    page.get_by_text("What counts beside your taste").click()
    page.get_by_label("Hangs together").select_option("As much as your taste")
    page.reload()
    expect(page.get_by_label("Hangs together")).to_have_value("1")
    with page.expect_request(lambda asked: asked.url.endswith("/v1/tracks") and asked.method == "POST") as told:
        tuned(page)
    assert said(told.value)["dials"] == {"coherence": 1}
    page.get_by_label("Hangs together").select_option("As usual")
    assert "dials" not in wished(page, "/v1/tracks", "Make a track")
