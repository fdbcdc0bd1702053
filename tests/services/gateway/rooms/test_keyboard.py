"""Each room's main job by keys alone: what has the focus is seen, and it is never lost when a part is drawn anew."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from schemas.topics import PLAYS, RATINGS
from tests.services.gateway.conftest import Gateway, until
from tests.services.gateway.rooms.conftest import Opened, at_rest
from tests.services.gateway.rooms.past import write_past
from tests.services.gateway.rooms.test_listen import of

MOST_STOPS = 150

# The name of what has the focus, and whether an outline shows it.
FOCUS = """(() => {
  const at = document.activeElement;
  if (at === document.body) return null;
  const label = at.labels?.[0]?.textContent ?? "";
  const shown = getComputedStyle(at);
  return {
    name: (at.getAttribute("aria-label") ?? (label || at.textContent)).trim(),
    id: at.id, seen: shown.outlineStyle !== "none" && parseFloat(shown.outlineWidth) >= 2,
  };
})()"""


def focused(page: Page) -> dict[str, Any]:
    """What has the focus; something must."""
    at = page.evaluate(FOCUS)
    assert at is not None, "the focus is lost"
    return dict(at)


def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Presses Tab until the control of this name, or whose name begins so, has the focus; every stop is seen."""
    for _ in range(MOST_STOPS):
        page.keyboard.press(key)
        at = page.evaluate(FOCUS)
        if at is None:  # around the end of the page
            continue
        assert at["seen"] or at["id"] == "main", at
        if at["name"].startswith(name):
            return
    raise AssertionError(f"no Tab comes to {name}")


def test_listening(house: Gateway, enter: Opened) -> None:
    listener = house.listener(home="folk")
    page = enter("/", listener=listener)
    expect(page.locator("#station")).to_be_visible()
    tab_to(page, "In the mood for")
    page.keyboard.type("calm piano")
    tab_to(page, "Each track")
    page.keyboard.press("End")  # a track that does not end within the test
    tab_to(page, "Play the station")
    page.keyboard.press("Enter")
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()
    assert focused(page)["name"].startswith("Play the station")
    tab_to(page, "Love it")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Love it: five stars")).to_have_attribute("aria-pressed", "true")
    assert focused(page)["name"].startswith("Love it")
    tab_to(page, "5 of 5 stars")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="Love it: five stars")).to_have_attribute("aria-pressed", "false")
    until(lambda: [each["data"]["stars"] for each in of(house, RATINGS, listener)] == [5, 4])
    assert focused(page)["name"] == "4 of 5 stars"
    tab_to(page, "Skip")
    page.keyboard.press("Enter")
    until(lambda: len({each["data"]["track_id"] for each in of(house, PLAYS, listener)}) == 2)
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()
    assert focused(page)["name"] == "Skip"
    tab_to(page, "Pause", "Shift+Tab")
    page.keyboard.press("Space")
    expect(page.locator(".bar .play[data-sounds]")).to_have_count(0)
    assert focused(page)["name"] == "Play"
    tab_to(page, "End the station")
    page.keyboard.press("Enter")
    expect(page.locator(".bar")).to_be_hidden()
    focused(page)


def test_operating(house: Gateway, enter: Opened) -> None:
    write_past(house.settings.postgres_dsn)
    page = enter("/operate/")
    expect(page.locator(".timeline")).to_be_visible()
    tab_to(page, "Canary")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    tab_to(page, "Why")
    page.keyboard.type("by keys alone")
    tab_to(page, "Pause")
    page.keyboard.press("Enter")
    expect(page.locator("#releases")).to_contain_text("Ordered: Pause.")
    assert focused(page)["name"] == "Pause"
    (order,) = [each for each in house.http.get("/v1/orders").json() if each["reason"] == "by keys alone"]
    assert order["action"] == "pause"
    tab_to(page, "The curve of round")
    page.keyboard.press("Enter")
    expect(page.locator("#rounds h3")).to_be_visible()
    focused(page)


@pytest.mark.usefixtures("house")
def test_analysing(house: Gateway, enter: Opened) -> None:
    write_past(house.settings.postgres_dsn)
    page = enter("/analyse/")
    expect(page.locator(".chart svg").first).to_be_visible()
    tab_to(page, "Age band")
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("age_band"))
    expect(page.get_by_role("row")).to_have_count(14)
    assert focused(page)["name"] == "Age band"
    tab_to(page, "Over")
    page.keyboard.press("End")
    expect(page).to_have_url(re.compile("baseline=base"))
    expect(page.locator("#picture[aria-busy]")).to_have_count(0)
    assert focused(page)["name"].startswith("Over")
    tab_to(page, "Download as CSV")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert "estimate" in download.value.path().read_text().splitlines()[0]
    assert focused(page)["name"] == "Download as CSV"


@pytest.mark.parametrize("path", ["/", "/operate/", "/analyse/"])
def test_nothing_moves_for_who_wants_no_motion(house: Gateway, enter: Opened, path: str) -> None:
    page = enter(path, listener=house.listener())
    page.emulate_media(reduced_motion="reduce")
    at_rest(page)
    moving = """[...document.querySelectorAll("*")].filter((each) => {
      const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(each);
      const moves = transitionDuration.split(", ").some((time) => parseFloat(time) > 0) || animationName !== "none";
      return moves || scrollBehavior !== "auto";
    }).map((each) => each.outerHTML.slice(0, 100))"""
    assert page.evaluate(moving) == []


def test_at_360_pixels_nothing_is_wider_than_its_window(house: Gateway, enter: Opened) -> None:
    write_past(house.settings.postgres_dsn)
    page = enter("/", listener=house.listener(home="folk"))
    page.set_viewport_size({"width": 360, "height": 700})
    page.locator("#length").select_option("10")
    page.get_by_role("button", name="Play the station").click()
    expect(page.locator(".bar .heart")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.goto(house.login("/operate/"))
    expect(page.locator("#compare form")).to_be_visible()
    page.locator("#rounds").get_by_role("button", name="The curve of round").first.click()
    expect(page.locator("#rounds h3")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
