"""The listening page in headless Chromium, against the whole stack: bring a song, ask, hear, rate, compare."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.services.gateway.conftest import PATIENCE_MS, until
from tests.services.gateway.engine import wav
from tests.stacks import RunningStack


def listen(page: Page, login: str, song: Path) -> str:
    """What a newcomer does on the page; the listener's id."""
    page.goto(login)
    page.get_by_label("What do you mostly listen to?").fill("folk")
    page.get_by_role("button", name="Start listening").click()
    expect(page.locator("#songs")).to_be_visible(timeout=PATIENCE_MS)
    page.set_input_files("#files", song)
    expect(page.locator("#song-list")).to_contain_text(f"{song.name}, 6 s", timeout=PATIENCE_MS)
    page.locator("#prompt").fill("a lively reel")
    page.locator("#seconds").fill("6")
    page.get_by_role("button", name="Make a track").click()
    card = page.locator("#tracks > .card").first
    expect(card.locator(".state")).to_contain_text("ready to hear", timeout=PATIENCE_MS)
    hear(page, card)
    card.get_by_title("4 of 5").click()
    expect(card.locator(".state")).to_contain_text("Rated 4 of 5", timeout=PATIENCE_MS)
    return str(page.evaluate("JSON.parse(sessionStorage.getItem('encore-session-listen')).listener_id"))


def hear(page: Page, card: Any) -> None:
    """Plays a track to its end."""
    with page.expect_response(
        lambda answer: answer.url.endswith("/v1/events") and "play.completed" in (answer.request.post_data or ""),
        timeout=PATIENCE_MS,
    ):
        card.get_by_role("button", name="Play").click()


def compare(page: Page) -> None:
    """Asks for a blind pair, hears both and prefers the second."""
    page.get_by_role("button", name="Make two and compare them blind").click()
    pair = page.locator("#tracks > .card.pair").first
    vote = pair.get_by_role("button", name="B", exact=True)
    sides = pair.locator(".card")
    for side in (sides.nth(0), sides.nth(1)):
        expect(side.locator(".state")).to_contain_text("ready to hear", timeout=PATIENCE_MS)
        expect(vote).to_be_disabled()
        hear(page, side)
    expect(vote).to_be_enabled(timeout=PATIENCE_MS)
    vote.click()
    expect(pair.locator(".state").last).to_contain_text("counted", timeout=PATIENCE_MS)


def count(dsn: str, query: str, listener_id: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode(), (listener_id,)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.e2e
def test_what_is_done_on_the_page_arrives(stack: RunningStack, page: Page, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(wav(6))
    listener_id = listen(page, stack.login(), song)
    compare(page)
    dsn = stack.postgres_dsn
    until(
        lambda: (
            count(dsn, "select count(*) from feedback.ratings where stars = 4 and listener_id = %s", listener_id) == 1
        )
    )
    until(lambda: count(dsn, "select count(*) from feedback.pair_votes where listener_id = %s", listener_id) == 1)
    heard = "select count(*) from feedback.listens where completed and listener_id = %s"
    until(lambda: count(dsn, heard, listener_id) == 3)
