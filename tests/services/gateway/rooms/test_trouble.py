"""What goes wrong in the rooms says what it is, stops nothing that could go on, and is over when it is over."""

from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from schemas.topics import FOURS, PAIRS, PLAYS, RATINGS
from tests.services.gateway.conftest import Gateway, until
from tests.services.gateway.rooms.conftest import Opened, violations
from tests.services.gateway.rooms.test_four import asked_for_four, heard_all
from tests.services.gateway.rooms.test_listen import of, skip, tuned
from tests.services.gateway.test_page import hear


@pytest.fixture
def listener(house: Gateway) -> str:
    return house.listener(home="folk")


def spent(route: Route) -> None:
    problem = {"code": "over_budget", "message": "The listener's budget of tracks is spent: 0 of 9 are left."}
    route.fulfill(status=429, json=problem, headers={"Retry-After": "1"})


def at_first(answer: Callable[[Route], None]) -> Callable[[Route], None]:
    """This answer to the first request, the gateway's own to all others."""
    given: list[Route] = []

    def once(route: Route) -> None:
        given.append(route)
        if len(given) == 1:
            answer(route)
        else:
            route.continue_()

    return once


def expired(house: Gateway, track: str) -> None:
    with psycopg.connect(house.settings.postgres_dsn) as connection:
        connection.execute("update gateway.tracks set audio_expired_at = now() where track_id = %s", (track,))


def long_tuned(page: Page) -> None:
    """A station whose tracks do not end within the test."""
    page.locator("#length").select_option("120")
    page.get_by_role("button", name="Play the station").click()
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()


def test_a_station_without_budget_says_so_and_goes_on_when_there_is_more(enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    long_tuned(page)
    expect(page.locator(".bar .next")).to_contain_text("2 more ready")
    page.route("**/v1/tracks", spent)
    skip(page)
    skip(page)
    expect(page.locator(".bar .next")).to_contain_text("That is as much as you may have for now. There is more in 1 s.")
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()
    assert violations(page) == []
    page.unroute("**/v1/tracks")
    expect(page.locator(".bar .next")).to_contain_text("more ready")


@pytest.mark.parametrize("what", ["audio", "events"])
def test_a_budget_of_sound_or_streams_that_is_spent_loses_no_track(enter: Opened, listener: str, what: str) -> None:
    page = enter(listener=listener)
    page.route(f"**/v1/tracks/*/{what}", at_first(spent))
    tuned(page)
    expect(page.locator(".bar .now")).not_to_contain_text("as much as you may have")
    expect(page.locator(".bar .next")).to_contain_text("2 more ready")
    page.unroute(f"**/v1/tracks/*/{what}")


def test_a_track_in_the_list_is_followed_on_after_its_stream_was_refused(enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    page.route("**/v1/tracks/*/events", at_first(spent))
    page.get_by_role("button", name="Make a track").click()
    expect(page.locator("#tracks .card .state")).to_contain_text("ready to hear")


def test_what_does_not_play_says_why_until_it_does(house: Gateway, enter: Opened, listener: str) -> None:
    track = house.ask(listener, prompt="an air", seconds=60)["track_id"]
    house.finished(track)
    page = enter(listener=listener)
    card = page.locator(f"[data-track='{track}']")
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url) if request.url.endswith("/audio") else None)
    page.route("**/audio", lambda route: route.abort())
    page.reload()
    expect(card.locator(".state")).to_contain_text("60 seconds, ready to hear.")
    page.wait_for_load_state("networkidle")
    assert fetched == []  # before it is played
    card.get_by_role("button", name="Play").click()
    expect(card.locator(".state")).to_contain_text("Encore does not answer")
    page.unroute("**/audio")
    expect(card.locator(".wave canvas")).to_have_count(0)
    card.get_by_role("button", name="Play").click()
    expect(card.locator(".play[data-sounds]")).to_be_visible()
    expect(card.locator(".state")).to_contain_text("60 seconds, ready to hear.")
    until(lambda: bool(page.evaluate("id => localStorage.getItem(`encore-waves-${id}`)", listener)))
    card.get_by_role("button", name="Pause").click()
    expect(card.locator(".play[data-sounds]")).to_have_count(0)
    fetched.clear()
    page.reload()
    expect(card.locator(".wave canvas").first).to_be_visible()  # as it was drawn before
    assert fetched == []


def test_takes_whose_sound_is_gone_are_left_out(house: Gateway, enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    card = asked_for_four(page, "a slow air")
    page.keyboard.press("1")
    expect(card).to_contain_text("Still to hear: 2, 3, 4.")
    expired(house, str(card.locator("[data-track]").nth(3).get_attribute("data-track")))
    page.reload()
    expect(card.get_by_text("Its sound is kept no longer")).to_have_count(1)
    card.focus()
    for take, says in (("1", "Still to hear: 2, 3."), ("2", "Still to hear: 3."), ("3", "Pick one, or none.")):
        page.keyboard.press(take)
        expect(card).to_contain_text(says)
    expect(card.get_by_role("button", name="Take 4", exact=True)).to_be_disabled()
    expect(card.get_by_role("button", name="Take 3", exact=True)).to_be_enabled()


def test_a_pick_stays_when_none_of_its_takes_can_be_heard_any_more(
    house: Gateway, enter: Opened, listener: str
) -> None:
    page = enter(listener=listener)
    card = asked_for_four(page, "a slow air")
    heard_all(page, card)
    card.get_by_role("button", name="Take 2", exact=True).click()
    expect(card).to_contain_text("Your pick is counted. You may pick another.")
    for track in card.locator("[data-track]").all():
        expired(house, str(track.get_attribute("data-track")))
    page.reload()
    expect(card.get_by_role("button", name="Take 2", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(card.get_by_role("button", name="Take 2", exact=True)).to_be_disabled()
    expect(card).to_contain_text("Your pick is counted.")
    expect(card).not_to_contain_text("You may pick another")


def test_a_pair_of_which_one_is_gone_asks_for_no_vote(house: Gateway, enter: Opened, listener: str) -> None:
    pair = house.http.post("/v1/pairs", json={"listener_id": listener, "seconds": 5}).json()
    for side in ("first", "second"):
        house.finished(pair[side]["track_id"])
    expired(house, pair["first"]["track_id"])
    page = enter(listener=listener)
    expect(page.locator(".card.pair .ballot")).to_contain_text("One of the two cannot be heard")
    expect(page.locator(".card.pair .ballot button:enabled")).to_have_count(0)


def test_who_left_a_pair_unheard_is_asked_nothing_about_it(enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    long_tuned(page)
    for _ in range(5):
        skip(page)
    expect(page.locator(".bar .now")).to_contain_text("B of two")
    expect(page.locator(".bar .ballot")).to_be_visible()
    skip(page)
    expect(page.locator(".bar .now")).not_to_contain_text("of two")
    expect(page.locator(".bar .ballot")).to_have_count(0)


SOUNDS = """
  window.sounds = [];
  const Plain = window.Audio;
  window.Audio = function (...given) { const made = new Plain(...given); window.sounds.push(made); return made; };
"""
SOUNDING = "window.sounds.filter((each) => !each.paused).length"


@pytest.mark.parametrize("where", ["card", "station"])
def test_nothing_sounds_and_nothing_is_told_once_one_is_erased(
    house: Gateway, enter: Opened, listener: str, where: str
) -> None:
    house.finished(house.ask(listener, prompt="an air", seconds=60)["track_id"])
    page = enter(listener=listener)
    page.add_init_script(SOUNDS)
    page.reload()
    expect(page.locator("#tracks .card .state")).to_contain_text("ready to hear")
    if where == "card":
        page.locator("#tracks .card").get_by_role("button", name="Play").click()
        expect(page.locator("#tracks .card .play[data-sounds]")).to_be_visible()
    else:
        tuned(page)
    until(lambda: bool(of(house, PLAYS, listener)))
    assert page.evaluate(SOUNDING) == 1
    page.get_by_role("button", name="Erase me: everything of you").click()
    page.get_by_role("button", name="Erase me for good: everything of you").click()
    expect(page.get_by_role("heading", name="You are erased")).to_be_focused()
    assert page.evaluate(SOUNDING) == 0
    assert listener not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    expect(page.locator(".bar")).to_be_hidden()
    expect(page.locator("#notice")).to_be_hidden()


@pytest.mark.parametrize("path", ["/operate/", "/analyse/"])
def test_who_is_signed_in_no_longer_is_asked_for_a_login(house: Gateway, enter: Opened, path: str) -> None:
    page = enter(path)
    problem = {"code": "unauthorized", "message": "The token is over."}
    page.goto("about:blank")  # what the room still asks for is not answered so before it opens again
    page.route("**/v1/**", lambda route: route.fulfill(status=401, json=problem))
    page.goto(house.url + path)
    expect(page.get_by_role("heading", name="Enter")).to_be_visible()
    expect(page.get_by_label("One-time login")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("The token is over.")
    assert violations(page) == []
    page.unroute("**/v1/**")
    page.get_by_label("One-time login").fill(code_of(house.login(path)))
    page.keyboard.press("Enter")
    expect(page.locator("#enter")).to_have_count(0)
    expect(page.locator("#now, #picture").first).to_be_visible()


def code_of(login: str) -> str:
    return login.partition("login=")[2].partition("&")[0]


def test_a_login_that_was_used_before_leads_to_where_one_enters(house: Gateway, window: BrowserContext) -> None:
    login = house.login("/operate/")
    for _ in range(2):
        page = window.new_page()
        page.goto(login)
        expect(page.locator("#now, #enter").first).to_be_visible()
    expect(page.get_by_role("heading", name="Enter")).to_be_visible()
    expect(page.get_by_role("alert")).not_to_be_empty()


@pytest.mark.parametrize(
    ("path", "says"),
    [("/", "rate is kept here"), ("/operate/", "is from before"), ("/analyse/", "What is shown stays")],
)
def test_each_room_says_what_being_offline_means_there(enter: Opened, listener: str, path: str, says: str) -> None:
    page = enter(path, listener=listener)
    page.context.set_offline(True)
    expect(page.locator("#offline")).to_contain_text(says)
    page.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()


def test_what_is_said_without_a_network_is_seen_at_once_and_sent_later(
    house: Gateway, enter: Opened, listener: str
) -> None:
    page = enter(listener=listener)
    pair = house.http.post("/v1/pairs", json={"listener_id": listener, "seconds": 2}).json()
    for side in ("first", "second"):
        house.finished(pair[side]["track_id"])
    page.reload()
    ballot = page.locator(f"[data-pair='{pair['pair_id']}']")
    for place in range(2):
        hear(page, ballot.locator(".card").nth(place))
    vote = ballot.get_by_role("button", name="B", exact=True)
    expect(vote).to_be_enabled()
    card = asked_for_four(page, "a slow air")
    heard_all(page, card)
    long_tuned(page)
    page.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    heart = page.get_by_role("button", name="Love it: five stars")
    heart.click()
    expect(heart).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".bar .now")).to_contain_text("5 of 5 is kept here")
    card.get_by_role("button", name="Take 3", exact=True).click()
    expect(card).to_contain_text("Your pick is kept here")
    expect(card.get_by_role("button", name="Take 3", exact=True)).to_have_attribute("aria-pressed", "true")
    vote.click()
    expect(ballot).to_contain_text("Your vote is kept here, and sent when the network is back.")
    page.context.set_offline(False)
    expect(ballot).to_contain_text("Your vote is counted")
    expect(card).to_contain_text("Your pick is counted")
    until(lambda: [each["data"]["stars"] for each in of(house, RATINGS, listener)] == [5])
    until(lambda: [each["data"]["choice"] for each in of(house, FOURS, listener)] == ["third"])
    until(lambda: [each["data"]["choice"] for each in of(house, PAIRS, listener)] == ["second"])
    expect(heart).to_have_attribute("aria-pressed", "true")
