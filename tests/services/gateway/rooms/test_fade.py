"""One track of a station passes into the next, where the listener wants it so; each tells what of it was heard."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from schemas.topics import PLAYS
from tests.services.gateway.conftest import Gateway, until
from tests.services.gateway.rooms.conftest import Opened, violations
from tests.services.gateway.rooms.test_heard import stretches
from tests.services.gateway.rooms.test_listen import of, playing

SECONDS = 20
NEAR_MS = 60
# Every element that sounded, and the most that sounded at once.
WATCHED = """
  window.all = new Set();
  window.most = 0;
  const play = HTMLMediaElement.prototype.play;
  const count = () => { window.most = Math.max(window.most, window.sounding().length); };
  window.sounding = () => [...window.all].filter((audio) => !audio.paused);
  HTMLMediaElement.prototype.play = function () {
    window.all.add(this);
    this.addEventListener("playing", count);
    return play.call(this);
  };
"""
# Whether the sound of what comes next was fetched to its end.
NEXT_IS_HERE = """() => {
  const next = JSON.parse(sessionStorage.getItem("encore-station"))?.items[1]?.track.track_id;
  const fetched = performance.getEntriesByType("resource").filter(({ responseEnd }) => responseEnd > 0);
  return fetched.some(({ name }) => name.endsWith(`/${next}/audio`));
}"""


@pytest.fixture
def listener(house: Gateway) -> str:
    return house.listener(home="folk")


def tuned(enter: Opened, listener: str, fade: str) -> Page:
    """A station that is paused, with the next track here."""
    page = enter(listener=listener)
    page.add_init_script(WATCHED)
    page.reload()
    page.locator("#fade").select_option(fade)
    page.locator("#mood").fill("calm piano")
    page.locator("#length").select_option(str(SECONDS))
    page.get_by_role("button", name="Play the station").click()
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()
    page.locator(".bar .play").click()  # from its file from now on, which can be sought
    expect(page.locator(".bar .next")).to_have_text("2 more ready")
    expect(page.locator(".bar .now")).not_to_contain_text("Step")
    page.reload()  # it plays on all the same
    expect(page.locator(".bar .next")).to_have_text("2 more ready")
    until(lambda: bool(page.evaluate(NEXT_IS_HERE)))
    return page


def play_on(page: Page) -> str:
    """Plays what is paused from six seconds before its end; the track."""
    track, slider = playing(page), page.locator(".bar").get_by_role("slider")
    slider.press("Home")
    for at in range(2, SECONDS - 5, 2):
        slider.press("ArrowRight")
        expect(slider).to_have_attribute("aria-valuenow", str(at))
    page.locator(".bar .play").click()
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()
    return track


def while_both_sound(page: Page, button: str | None = None) -> str:
    """Presses a button as soon as two tracks sound, neither at its full volume; the track that begins."""
    begun = page.evaluate(
        """(button) => new Promise((done, fail) => {
          setTimeout(() => fail(new Error("no two tracks sounded")), 60000);
          const look = () => {
            const both = window.sounding();
            if (both.length < 2 || both.some((audio) => audio.volume === 1)) setTimeout(look, 10);
            else {
              const begun = JSON.parse(sessionStorage.getItem("encore-station")).items[0].track.track_id;
              if (button) document.querySelector(button).click();
              done(begun);
            }
          };
          look();
        })""",
        button,
    )
    return str(begun)


def told(house: Gateway, listener: str, track: str) -> list[dict[str, Any]]:
    """What came of a track, in order."""
    events = {event["id"]: event for event in of(house, PLAYS, listener) if event["data"]["track_id"] == track}
    return [events[key] for key in sorted(events)]


def test_one_passes_into_the_next_and_each_counts_its_own(house: Gateway, enter: Opened, listener: str) -> None:
    page = tuned(enter, listener, "5")
    first = play_on(page)
    second = while_both_sound(page)
    assert second != first
    state = page.evaluate(
        """() => new Promise((done) => {
          const look = () => {
            const [only, other] = window.sounding();
            if (other || only.volume < 1) return setTimeout(look, 10);
            const state = navigator.mediaSession.playbackState;
            document.querySelector(".bar .play").click();
            return done(state);
          };
          look();
        })"""
    )
    assert state == "playing"  # not of what has ended
    expect(page.locator(".bar .play[data-sounds]")).to_have_count(0)
    assert violations(page) == []
    until(lambda: any(event["type"] == "encore.play.paused" for event in told(house, listener, second)))
    ended, begun = told(house, listener, first), told(house, listener, second)
    assert ended[-1]["type"] == "encore.play.completed"
    assert stretches(ended)[-1][1] == SECONDS * 1000
    assert stretches(begun) == [[pytest.approx(0, abs=NEAR_MS), begun[-1]["data"]["position_ms"]]]
    assert begun[0]["time"] < ended[-1]["time"]  # both at once


@pytest.mark.parametrize("end", ["Skip", "Pause"])
def test_who_ends_what_begins_ends_what_passes_into_it(house: Gateway, enter: Opened, listener: str, end: str) -> None:
    page = tuned(enter, listener, "5")
    first = play_on(page)
    button = {"Skip": ".bar .actions button.quiet", "Pause": ".bar .play"}[end]
    second = while_both_sound(page, button)
    until(lambda: page.evaluate("window.sounding().length") == int(end == "Skip"))
    until(lambda: [event["type"] for event in told(house, listener, first)][-1:] == ["encore.play.interrupted"])
    stopped = stretches(told(house, listener, first))[-1][1]
    assert stopped == told(house, listener, first)[-1]["data"]["position_ms"] < SECONDS * 1000
    if end == "Skip":
        until(lambda: bool(told(house, listener, second)))  # what was left at its beginning
        expect(page.locator(".bar .play[data-sounds]")).to_be_visible()
    else:
        page.locator(".bar .play").click()
        until(lambda: page.evaluate("window.sounding().map((audio) => audio.volume)") == [1])
        assert playing(page) == second


def test_without_it_and_where_nothing_comes_next_a_track_ends_alone(
    house: Gateway, enter: Opened, listener: str
) -> None:
    page = tuned(enter, listener, "0")
    first = play_on(page)
    until(lambda: playing(page) != first)
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()
    assert page.evaluate("window.most") == 1
    page.locator(".bar .play").click()
    page.locator("#fade").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#fade")).to_have_value("2")
    expect(page.locator(".bar .next")).to_have_text("2 more ready")  # nothing is asked for any more
    page.route(re.compile("/v1/(tracks|pairs|fours)$"), lambda route: route.abort())
    page.get_by_text("more ready").click()
    for _ in range(page.locator(".bar .queue").get_by_role("listitem").count()):
        page.locator(".bar .queue").get_by_role("button", name="Leave out").first.click()
    expect(page.locator(".bar .queue").get_by_role("listitem")).to_have_count(0)
    last = play_on(page)
    until(
        lambda: bool(told(house, listener, last)) and told(house, listener, last)[-1]["type"] == "encore.play.completed"
    )
    assert stretches(told(house, listener, last))[-1][1] == SECONDS * 1000
    assert page.evaluate("window.most") == 1


def test_what_is_compared_is_heard_alone(enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    lengths = page.evaluate(
        """async () => {
          const { passing } = await import("/listen/fade.js");
          const of = (seconds, more) => ({ track: { seconds }, ...more });
          return [
            passing(5, of(120), of(60)), passing(5, of(8), of(60)), passing(2, of(60), of(4)),
            passing(0, of(60), of(60)),
            passing(5, of(60, { pair: {} }), of(60)), passing(5, of(60), of(60, { four: {} })),
          ];
        }"""
    )
    assert lengths == [5, 2, 1, 0, 0, 0]
