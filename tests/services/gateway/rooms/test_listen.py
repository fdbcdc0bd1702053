"""The room to listen in: a station that plays on, what is said of its tracks, and a taste that can be corrected."""

import io
import re
import zipfile
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from schemas.topics import FOURS, PAIRS, PLAYS, RATINGS
from tests.services.gateway.conftest import Gateway, until
from tests.services.gateway.engine import wav
from tests.services.gateway.rooms.conftest import Opened, violations


@pytest.fixture
def listener(house: Gateway) -> str:
    return house.listener(home="folk")


def of(house: Gateway, topic: str, listener: str) -> list[dict[str, Any]]:
    return [event for event in house.events(topic) if event["subject"] == listener]


def tuned(page: Page, words: str = "") -> None:
    """Presses play and waits until it sounds; no track ends by itself within a test."""
    page.locator("#mood").fill(words)
    page.locator("#length").select_option("60")
    page.get_by_role("button", name="Play the station").click()
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()


def playing(page: Page) -> str:
    """The track at the front of the station."""
    return str(page.evaluate("JSON.parse(sessionStorage.getItem('encore-station')).items[0].track.track_id"))


def skip(page: Page) -> None:
    page.get_by_role("button", name="Skip", exact=True).click()
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()


# What the page does at a key of the keyboard, a headset or the lock screen, by the name of its action.
MEDIA_KEYS = """
  window.keys = {};
  const set = navigator.mediaSession.setActionHandler;
  navigator.mediaSession.setActionHandler = function (name, act) {
    window.keys[name] = act;
    set.call(this, name, act);
  };
"""


def test_media_keys_and_the_lock_screen_rule_what_sounds(house: Gateway, enter: Opened, listener: str) -> None:
    house.finished(house.ask(listener, prompt="an old air", seconds=60)["track_id"])
    page = enter(listener=listener)
    page.add_init_script(MEDIA_KEYS)
    page.reload()
    page.locator("#mood").fill("calm piano")
    page.locator("#length").select_option("120")
    page.get_by_role("button", name="Play the station").click()
    sounds, state = page.locator(".bar .play[data-sounds]"), "navigator.mediaSession.playbackState"
    expect(sounds).to_be_visible()
    until(lambda: page.evaluate("navigator.mediaSession.metadata?.title") == "calm piano")
    page.evaluate("window.keys.pause()")
    expect(sounds).to_have_count(0)
    until(lambda: page.evaluate(state) == "paused")
    expect(page.locator(".bar .now")).not_to_contain_text("Step")  # it is finished, and can be sought
    for action, at in (
        ("seekto({ seekTime: 70 })", "1:10"),
        ("seekbackward({})", "1:00"),
        ("seekforward({ seekOffset: 5 })", "1:05"),
    ):
        page.evaluate(f"window.keys.{action}")
        expect(page.locator(".bar .clock")).to_have_text(f"{at} / 2:00")
    page.evaluate("window.keys.play()")
    expect(sounds).to_be_visible()
    until(lambda: page.evaluate(state) == "playing")
    before = playing(page)
    page.evaluate("window.keys.nexttrack()")
    until(lambda: playing(page) != before)
    expect(sounds).to_be_visible()
    card = page.locator("#tracks .card")
    card.get_by_role("button", name="Play").click()
    expect(card.locator(".play[data-sounds]")).to_be_visible()
    expect(sounds).to_have_count(0)
    until(lambda: page.evaluate("navigator.mediaSession.metadata.title") == "an old air")
    until(lambda: page.evaluate("window.keys.nexttrack") is None)  # there is nothing to skip to
    page.evaluate("window.keys.pause()")
    expect(card.locator(".play[data-sounds]")).to_have_count(0)


def test_a_station_plays_on_and_what_is_said_of_it_counts(house: Gateway, enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    tuned(page, "calm piano")
    page.get_by_role("button", name="Love it: five stars").click()
    expect(page.get_by_role("button", name="Love it: five stars")).to_have_attribute("aria-pressed", "true")
    until(lambda: [each["data"]["stars"] for each in of(house, RATINGS, listener)] == [5])
    page.locator(".bar").get_by_title("2 of 5").click()
    expect(page.get_by_role("button", name="Love it: five stars")).to_have_attribute("aria-pressed", "false")
    until(lambda: [each["data"]["stars"] for each in of(house, RATINGS, listener)] == [5, 2])
    assert violations(page) == []
    skip(page)
    until(lambda: len({each["data"]["track_id"] for each in of(house, PLAYS, listener)}) == 2)
    told = sorted(of(house, PLAYS, listener), key=lambda event: str(event["id"]))
    kinds = [each["type"] for each in told if each["type"] != "encore.play.heartbeat"]
    assert kinds[:3] == ["encore.play.started", "encore.play.interrupted", "encore.play.started"]


def test_what_comes_next_can_be_seen_and_left_out(enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    tuned(page, "calm piano")
    page.locator(".bar .play").click()  # paused: it does not end meanwhile
    queue = page.locator(".bar .queue")
    expect(queue.locator("summary")).to_have_text("2 more ready")
    queue.locator("summary").click()
    before = playing(page)
    first, second = waiting(page)
    expect(queue.get_by_role("listitem")).to_have_text(["calm piano: ready Leave out"] * 2)
    queue.get_by_role("button", name="Leave out").first.click()
    expect(queue.get_by_role("listitem")).to_have_text(["calm piano: ready Leave out"] * 2)
    expect(queue.get_by_role("button", name="Leave out").first).to_be_focused()
    next_one, another = waiting(page)
    assert next_one == second
    assert another not in (first, second)
    assert playing(page) == before
    assert violations(page) == []


def waiting(page: Page) -> list[str]:
    """Ids of the tracks that play next, in order."""
    items = page.evaluate("JSON.parse(sessionStorage.getItem('encore-station')).items")
    return [str(item["track"]["track_id"]) for item in items][1:]


def test_it_is_there_again_after_a_reload_and_plays_on_without_a_network(
    house: Gateway, enter: Opened, listener: str
) -> None:
    page = enter(listener=listener)
    tuned(page)
    expect(page.locator(".bar .next")).to_contain_text("more ready")
    until(lambda: page.evaluate("JSON.parse(sessionStorage.getItem('encore-station')).at") > 1)
    before = playing(page)
    page.reload()
    expect(page.locator(".bar .wave")).not_to_have_attribute("aria-valuenow", "0")
    assert playing(page) == before
    expect(page.locator(".bar .next")).to_contain_text("2 more ready")
    until(
        lambda: (
            page.evaluate("performance.getEntriesByType('resource').filter((e) => e.name.endsWith('/audio')).length")
            > 2
        )
    )
    page.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    page.locator(".bar .play").click()
    expect(page.locator(".bar .play[data-sounds]")).to_be_visible()
    skip(page)
    until(lambda: playing(page) != before)
    page.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()
    until(lambda: len({each["data"]["track_id"] for each in of(house, PLAYS, listener)}) == 2)


def test_a_pair_comes_now_and_then_and_is_voted_on_in_the_station(house: Gateway, enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    tuned(page)
    for _ in range(4):
        skip(page)
    expect(page.locator(".bar .now")).to_contain_text("A of two")
    vote = page.locator(".bar .ballot").get_by_role("button", name="B", exact=True)
    expect(vote).to_be_disabled()
    expect(page.locator(".bar .clock")).to_contain_text(re.compile(r"^0:(0[4-9]|[1-5]\d)"))
    skip(page)
    expect(page.locator(".bar .now")).to_contain_text("B of two")
    vote.click()
    until(lambda: [each["data"]["choice"] for each in of(house, PAIRS, listener)] == ["second"])


def test_one_of_four_is_picked_now_and_then_in_the_station(house: Gateway, enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    a_four_comes(page, listener, seconds=2)
    now, poll = page.locator(".bar .now"), page.locator(".bar .ballot")
    expect(now).to_contain_text("Take 1 of four")
    expect(poll).to_contain_text("Still to hear: 1, 2, 3, 4.")
    expect(page.locator(".bar .heart")).to_have_count(0)  # a take of four is not rated
    assert violations(page) == []
    page.locator(".bar .play").click()
    expect(now).not_to_contain_text("of four")  # each has played to its end
    poll.get_by_role("button", name="Take 3", exact=True).click()
    until(lambda: [each["data"]["choice"] for each in of(house, FOURS, listener)] == ["third"])
    page.unroute("**/v1/tracks")
    expect(page.locator(".bar .heart")).to_be_visible()


def test_what_is_left_of_a_four_is_left_out_and_not_what_plays(enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    a_four_comes(page, listener, seconds=60)
    now, queue = page.locator(".bar .now"), page.locator(".bar .queue")
    expect(now).to_contain_text("Take 1 of four")
    queue.locator("summary").click()
    expect(queue.get_by_role("listitem")).to_have_text(["Four to pick from, A surprise: ready Leave out"])
    skip(page)
    expect(now).to_contain_text("Take 2 of four")
    before = playing(page)
    queue.get_by_role("button", name="Leave out").click()
    expect(queue.get_by_role("listitem")).to_have_count(0)
    assert playing(page) == before
    expect(page.locator(".bar .ballot")).to_contain_text(re.compile(r"Still to hear: 1(, 2)?\."))  # the second plays


def a_four_comes(page: Page, listener: str, seconds: int) -> None:
    """A station of seven tracks before, of which the next is a four; nothing comes after it."""
    expect(page.get_by_role("button", name="Play the station")).to_be_visible()
    seven_made = {"wish": {"listener_id": listener, "prompt": "", "seconds": seconds}, "made": 7, "items": [], "at": 0}
    page.evaluate("was => sessionStorage.setItem('encore-station', JSON.stringify(was))", seven_made)
    page.route("**/v1/tracks", lambda route: route.abort())
    page.reload()


def test_songs_are_dropped_heard_and_listed(enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    expect(page.locator("#song-list")).to_contain_text("No songs yet")
    page.set_input_files("#files", {"name": "mine.wav", "mimeType": "audio/wav", "buffer": io.BytesIO(wav(6)).read()})
    expect(page.locator("#song-list")).to_contain_text("mine.wav, 6 s")
    page.set_input_files("#files", {"name": "not.wav", "mimeType": "audio/wav", "buffer": b"words"})
    expect(page.get_by_role("alert")).to_contain_text("no audio")


def test_a_taste_is_told_and_corrected_and_says_what_a_word_does(house: Gateway, enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    expect(page.locator("#taste")).to_contain_text("Nothing yet")
    page.get_by_label("Something it does not know yet").fill("brass")
    page.locator("#taste").get_by_role("button", name="I do not", exact=True).click()
    expect(page.locator("#taste")).to_contain_text("dislikes brass")
    assert violations(page) == []
    expect(page.locator("#taste")).not_to_contain_text("your next tracks")
    page.get_by_label("Something it does not know yet").fill("bright")
    page.locator("#taste").get_by_role("button", name="I like it", exact=True).click()
    expect(page.locator("#taste")).to_contain_text("your next tracks are asked for brighter.")
    page.get_by_role("button", name="Take back what I said of bright").click()
    expect(page.locator("#taste")).not_to_contain_text("your next tracks")
    page.get_by_role("button", name="Take back what I said of brass").click()
    expect(page.locator("#taste")).to_contain_text("Nothing yet")
    assert house.http.get(f"/v1/listeners/{listener}/taste").json()["words"] == []


def test_own_ratings_are_drawn_by_the_week(house: Gateway, enter: Opened, listener: str) -> None:
    with psycopg.connect(house.settings.postgres_dsn) as connection:
        for days, stars in ((1, 5), (2, 4), (22, 2)):
            connection.execute(
                "with made as (insert into feedback.tracks (track_id, listener_id, arm, propensity, prompt, seconds,"
                " features_url, sha256, made_at) values (gen_random_uuid(), %s, 'base', 0.5, '', 5, '', '', now())"
                " returning track_id, listener_id) insert into feedback.ratings"
                " select listener_id, track_id, %s, now() - %s * interval '1 day', gen_random_uuid() from made",
                (listener, stars, days),
            )
    page = enter(listener=listener)
    page.get_by_text("Your ratings of the last weeks").click()
    picture = page.get_by_role("img", name="3 ratings in")
    expect(picture.locator("svg")).to_be_visible()
    assert "2.00 in the first" in str(picture.get_attribute("aria-label"))
    assert violations(page) == []


def test_consent_is_given_and_taken_back_each_for_itself(house: Gateway, enter: Opened, listener: str) -> None:
    page = enter(listener=listener)
    learning = page.get_by_label("Learn from what I hear and rate")
    was = house.http.get(f"/v1/listeners/{listener}/consent").json()
    expect(learning).to_be_checked(checked=was["training"])
    expect(page.locator("#consent-training-says")).not_to_contain_text("Said on")
    learning.focus()
    page.keyboard.press("Space")
    expect(page.locator("#consent-training-says")).to_contain_text("Said on")
    expect(learning).to_be_checked(checked=not was["training"])
    expect(learning).to_be_focused()
    now = house.http.get(f"/v1/listeners/{listener}/consent").json()
    assert (now["training"], now["analysis"]) == (not was["training"], was["analysis"])
    assert (now["history"][0]["said_by"], now["history"][0]["text_version"]) == ("listener", "room-2")
    assert violations(page) == []
    page.route("**/consent", lambda route: route.fulfill(status=503, json={"code": "away", "message": "It is away."}))
    page.get_by_label("Count me when releases are judged").click()
    expect(page.get_by_role("alert")).to_contain_text("It is away.")
    expect(page.get_by_label("Count me when releases are judged")).to_be_checked(checked=was["analysis"])


def test_a_song_is_taken_back_by_keys_once_it_was_asked_for_twice(house: Gateway, enter: Opened, listener: str) -> None:
    for hertz in (200, 300):
        house.upload(listener, wav(hertz=hertz)).raise_for_status()
    page = enter(listener=listener)
    take_back = page.get_by_role("button", name="Take back: song.wav")
    take_back.first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Take it back for good: song.wav")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(take_back).to_have_count(2)
    page.route("**/songs/*", lambda route: route.fulfill(status=503, json={"code": "away", "message": "It is away."}))
    take_back.first.click()
    page.get_by_role("button", name="Take it back for good: song.wav").click()
    expect(page.get_by_role("alert")).to_contain_text("It is away.")
    page.unroute("**/songs/*")
    assert violations(page) == []
    page.get_by_role("button", name="Take it back for good: song.wav").click()
    expect(page.locator("#song-list li")).to_have_count(1)
    assert len(house.http.get(f"/v1/listeners/{listener}/songs").json()) == 1


def test_a_listener_takes_their_data_away_as_a_file(house: Gateway, enter: Opened, listener: str) -> None:
    house.upload(listener).raise_for_status()
    page = enter(listener=listener)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Take your data away").click()
    assert saved.value.suggested_filename == f"encore-{listener}.zip"
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert archive.testzip() is None
        assert "manifest.json" in archive.namelist()


def test_a_track_whose_sound_is_kept_no_longer_says_so_and_can_be_rated(
    house: Gateway, enter: Opened, listener: str
) -> None:
    track = house.ask(listener, prompt="an old air", seconds=2)["track_id"]
    house.finished(track)
    with psycopg.connect(house.settings.postgres_dsn) as connection:
        connection.execute("update gateway.tracks set audio_expired_at = now() where track_id = %s", (track,))
    page = enter(listener=listener)
    card = page.locator(f"[data-track='{track}']")
    expect(card).to_contain_text("Its sound is kept no longer")
    expect(card.locator(".player")).to_be_hidden()
    card.get_by_title("4 of 5").click()
    until(lambda: [each["data"]["stars"] for each in of(house, RATINGS, listener)] == [4])
    assert violations(page) == []


def test_a_listener_erases_themselves_by_keys_once_it_was_asked_for_twice(
    house: Gateway, enter: Opened, listener: str
) -> None:
    house.upload(listener).raise_for_status()
    page = enter(listener=listener)
    page.evaluate("id => localStorage.setItem(`encore-taste-${id}`, '[]')", listener)
    ask = page.get_by_role("button", name="Erase me: everything of you")
    ask.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Erase me for good: everything of you")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(ask).to_be_focused()
    assert house.http.get(f"/v1/listeners/{listener}").status_code == 200
    page.keyboard.press("Enter")
    assert violations(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You are erased")).to_be_focused()
    assert violations(page) == []
    assert house.http.get(f"/v1/listeners/{listener}").status_code == 404
    held = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert listener not in held
    page.reload()
    expect(page.get_by_role("heading", name="Enter")).to_be_visible()
