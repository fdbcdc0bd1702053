"""The listening page plays a track while it is made, in headless Chromium; its parts are stored by the tests."""

from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from schemas.base import Problem
from schemas.generation import SAMPLE_RATE
from schemas.topics import PLAYS
from services.gateway.settings import GatewaySettings
from tests.services.gateway.conftest import PATIENCE_MS, Gateway, until
from tests.services.gateway.engine import store_part

# When each piece of sound was told to start and how long it is, and the seconds that have sounded.
WATCHED = """
  window.pieces = [];
  window.sounded = 0;
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (when) {
    window.pieces.push([when, this.buffer.duration]);
    this.addEventListener("ended", () => (window.sounded += this.buffer.duration));
    start.call(this, when);
  };
"""
SECONDS = 8


def being_made(gateway: Gateway, page: Page) -> Locator:
    """The card of a track of which the engine says that a second can be heard, and which it holds at its first step."""
    gateway.engine.paused, gateway.engine.ready_s = True, 1.0
    page.add_init_script(WATCHED)
    page.goto(gateway.login())
    page.get_by_role("button", name="Start listening").click()
    page.locator("#seconds").fill(str(SECONDS))
    page.get_by_role("button", name="Make a track").click()
    card = page.locator("#tracks > .card").first
    expect(card.locator(".state")).to_contain_text("Step 1 of 3")
    return card


def store_seconds(settings: GatewaySettings, card: Locator, number: int, seconds: int) -> None:
    store_part(settings, card.get_attribute("data-track") or "", number, 1_000, seconds * SAMPLE_RATE)


def plays(gateway: Gateway) -> list[tuple[str, dict[str, Any]]]:
    """What was told of plays, in order."""
    events = sorted(gateway.events(PLAYS), key=lambda event: str(event["time"]))
    return [(event["type"].removeprefix("encore.play."), event["data"]) for event in events]


def complete(page: Page, act: Any) -> None:
    """Acts and waits until a play's end was told."""
    with page.expect_response(
        lambda answer: answer.url.endswith("/v1/events") and "play.completed" in (answer.request.post_data or ""),
        timeout=PATIENCE_MS,
    ):
        act()


def test_a_track_is_heard_from_its_first_part_to_its_end(
    gateway: Gateway, settings: GatewaySettings, page: Page
) -> None:
    card = being_made(gateway, page)
    store_seconds(settings, card, 0, 4)
    card.get_by_role("button", name="Play").click()
    until(lambda: page.evaluate("window.pieces.length > 0"))
    store_seconds(settings, card, 1, 1)
    # All that there is has been heard, and the track is still being made.
    until(lambda: page.evaluate("window.sounded > 4.99"))
    expect(card.locator(".state")).to_contain_text("Step 1 of 3")
    assert plays(gateway) == []

    def make_the_rest() -> None:
        store_seconds(settings, card, 2, 3)
        gateway.engine.paused = False

    complete(page, make_the_rest)
    expect(card.locator(".state")).to_contain_text("ready to hear")
    told = plays(gateway)
    assert [kind for kind, _ in told if kind != "heartbeat"] == ["started", "completed"]
    heard = [data["heard"] for _, data in told if data.get("heard")]
    assert (heard[0]["from_ms"], heard[-1]["to_ms"]) == (0, SECONDS * 1000)

    pieces = page.evaluate("window.pieces")
    assert len(pieces) >= 3
    assert sum(seconds for _, seconds in pieces) == pytest.approx(SECONDS)
    gaps = [later - (start + seconds) for (start, seconds), (later, _) in pairwise(pieces)]
    # One pause for want of sound; everywhere else sample follows sample.
    assert sum(abs(gap) > 1 / SAMPLE_RATE / 2 for gap in gaps) == 1

    # From now on it is the file.
    complete(page, card.get_by_role("button", name="Play").click)
    assert page.evaluate("window.pieces") == pieces
    assert len({data["play_id"] for _, data in plays(gateway)}) == 2


def test_a_track_that_fails_while_it_is_heard_was_never_played(
    gateway: Gateway, settings: GatewaySettings, page: Page
) -> None:
    card = being_made(gateway, page)
    store_seconds(settings, card, 0, 1)
    card.get_by_role("button", name="Play").click()
    until(lambda: page.evaluate("window.sounded > 0.99"))
    gateway.engine.refusal = Problem(code="engine_failed", message="the forward failed")
    gateway.engine.paused = False
    expect(card.locator(".state")).to_contain_text("It failed")
    expect(card.locator(".player")).to_be_hidden()
    assert plays(gateway) == []


def test_what_a_station_played_live_counts_where_it_was_skipped_before_it_was_ready(
    gateway: Gateway, settings: GatewaySettings, page: Page
) -> None:
    gateway.engine.paused, gateway.engine.ready_s = True, 1.0
    page.add_init_script(WATCHED)
    page.goto(gateway.login())
    page.get_by_role("button", name="Start listening").click()
    with page.expect_response(lambda answer: answer.url.endswith("/v1/tracks") and answer.status == 202) as asked:
        page.get_by_role("button", name="Play the station").click()
    track_id = asked.value.json()["track_id"]
    for number in range(4):
        store_part(settings, track_id, number, 1_000, SAMPLE_RATE)
    until(lambda: page.evaluate("window.sounded > 0.99"))
    page.get_by_role("button", name="Skip", exact=True).click()
    assert plays(gateway) == []
    gateway.engine.paused = False
    until(lambda: "interrupted" in [kind for kind, data in plays(gateway) if data["track_id"] == track_id])
    told = [(kind, data) for kind, data in plays(gateway) if data["track_id"] == track_id]
    assert [kind for kind, _ in told if kind != "heartbeat"] == ["started", "interrupted"]
    assert max(data["heard"]["to_ms"] for _, data in told if data.get("heard")) > 900
