"""The room to operate in is live: what changes is shown as it does, and a stream that is lost is said."""

from collections import Counter

from playwright.sync_api import expect

from tests.services.gateway.conftest import Gateway
from tests.services.gateway.rooms.conftest import Opened, at_rest, violations

FOLLOW = "**/v1/operate/events"
SWITCHES = 'event: changed\ndata: {"parts": ["switches"]}\n\n'


def throw(house: Gateway, reason: str) -> None:
    house.http.post("/v1/switches", json={"cohort": "home=folk", "reason": reason}).raise_for_status()


def test_what_changes_is_shown_as_it_does(house: Gateway, enter: Opened) -> None:
    page = enter("/operate/")
    expect(page.locator("#live")).to_contain_text("Live")
    throw(house, "a hum that is told")
    for part in ("switches", "now", "audit"):
        expect(page.locator(f"#{part}")).to_contain_text("a hum that is told")
    expect(page.locator("#live")).to_contain_text("Live")
    assert violations(page) == []


def test_what_is_told_to_have_changed_is_asked_for_and_nothing_else(enter: Opened) -> None:
    page = enter("/operate/")
    page.route(FOLLOW, lambda route: route.fulfill(content_type="text/event-stream", body=SWITCHES))
    page.reload()
    at_rest(page)
    asked: Counter[str] = Counter()
    page.on("request", lambda request: asked.update([request.url.partition("/v1/")[2].partition("?")[0]]))
    while asked["operate/events"] < 4 or asked["switches"] < 4:  # the stream ends each time, and is asked for again
        page.wait_for_event("request")
    assert asked["rounds"] == asked["orders"] == asked["refusals"] == 0, asked


def test_a_lost_stream_is_said_and_what_changes_is_shown_all_the_same(house: Gateway, enter: Opened) -> None:
    page = enter("/operate/")
    away = {"code": "postgres_away", "message": "The database is away."}
    page.route(FOLLOW, lambda route: route.fulfill(status=503, json=away))
    page.clock.install()
    page.reload()
    expect(page.locator("#live")).to_contain_text("Not live since")
    expect(page.locator("#live")).to_contain_text("The database is away.")
    expect(page.locator("#switches [aria-live]")).not_to_have_attribute("aria-busy", "true")
    assert violations(page) == []
    throw(house, "a hum while nothing is told")
    page.clock.fast_forward(10_000)
    expect(page.locator("#switches")).to_contain_text("a hum while nothing is told")
    expect(page.locator("#live")).to_contain_text("Not live since")
    page.unroute(FOLLOW)
    page.clock.fast_forward(10_000)
    expect(page.locator("#live")).to_contain_text("Live: what changes")


def test_a_room_that_nobody_looks_at_holds_no_stream(house: Gateway, enter: Opened) -> None:
    page = enter("/operate/")
    expect(page.locator("#live")).to_contain_text("Live")
    hide = "Object.defineProperty(document, 'hidden', { value: %s, configurable: true })"
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/v1/operate/events")):
        page.evaluate(f"{hide % 'true'}; dispatchEvent(new Event('visibilitychange'))")
    throw(house, "a hum that nobody sees")
    with page.expect_request(FOLLOW):
        page.evaluate(f"{hide % 'false'}; dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#switches")).to_contain_text("a hum that nobody sees")
