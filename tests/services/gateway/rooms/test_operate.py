"""The room to operate in: where a version comes from and where a rating went, a round's curve, and both sides heard."""

from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from tests.services.gateway.conftest import Gateway
from tests.services.gateway.engine import wav
from tests.services.gateway.rooms.conftest import Opened, violations
from tests.services.gateway.rooms.past import write_releases
from tests.services.gateway.test_lineage import learn


@pytest.fixture
def learned(house: Gateway) -> dict[str, Any]:
    """A listener with two versions that learned from the same first track, in a release that tries the second."""
    listener = house.listener(home="folk")
    song = house.upload(listener, wav(2)).json()["song_id"]
    tracks = [house.ask(listener, seconds=2)["track_id"] for _ in range(2)]
    with psycopg.connect(house.settings.postgres_dsn, autocommit=True) as connection:
        learn(house, connection, listener, 1, tracks[:1], song)
        learn(house, connection, listener, 2, tracks, song)
        release = write_releases(house.settings.postgres_dsn)[-1]
        connection.execute(
            "insert into rollout.members (release_id, listener_id, candidate_version, champion_version)"
            " values (%s, %s, 2, 1)",
            (release, listener),
        )
        connection.execute("update rollout.releases set started_at = now() where release_id = %s", (release,))
    return {"listener": listener, "tracks": tracks, "release": release}


def test_a_version_leads_to_what_it_learned_from_and_back(enter: Opened, learned: dict[str, Any]) -> None:
    page = enter("/operate/")
    part = page.locator("#versions")
    part.get_by_label("Listener", exact=True).fill(learned["listener"])
    part.get_by_role("button", name="Find").click()
    table = part.get_by_role("region", name="Versions, newest first")
    expect(table.get_by_role("row")).to_have_count(3)
    table.get_by_role("row").nth(1).get_by_role("button", name="What it learned from").click()
    lesson = part.get_by_role("region", name="What it learned from")
    expect(lesson.get_by_role("row")).to_have_count(4)
    expect(lesson.get_by_role("row").nth(1)).to_contain_text("Not used")
    expect(lesson.get_by_role("row").nth(3)).to_contain_text("Away")
    expect(part).to_contain_text("3 songs and ratings, starting from version 1")
    assert violations(page) == []
    lesson.get_by_role("button", name=f"Versions that learned from {learned['tracks'][1][-8:]}").click()
    expect(table.get_by_role("row")).to_have_count(2)
    expect(part.get_by_label("Learned from this song or track")).to_have_value(learned["tracks"][1])


def test_a_listener_is_pinned_with_a_reason(house: Gateway, enter: Opened, learned: dict[str, Any]) -> None:
    page = enter("/operate/")
    part = page.locator("#versions")
    part.get_by_label("Listener", exact=True).fill(learned["listener"])
    part.get_by_role("button", name="Find").click()
    expect(part.get_by_label("Which version to pin")).to_have_value("2")
    part.get_by_label("Which version to pin").fill("1")
    part.get_by_label("Why").fill("they asked for it")
    part.get_by_role("button", name="Pin", exact=True).click()
    expect(part.get_by_role("status")).to_contain_text("Ordered: Pin.")
    order = house.http.get("/v1/orders").json()[0]
    assert (order["action"], order["listener_id"], order["version"]) == ("pin", learned["listener"], 1)
    assert (order["reason"], order["by"]) == ("they asked for it", "anna")
    expect(page.locator("#orders")).to_contain_text(f"Version 1 of listener {learned['listener'][-8:]}")
    assert violations(page) == []
    rows = part.get_by_role("region", name="Versions, newest first").get_by_role("row")
    expect(rows.filter(has_text="pinned")).to_have_count(0)
    with psycopg.connect(house.settings.postgres_dsn) as connection:  # as the rollout does then
        connection.execute(
            "insert into rollout.listener_models (listener_id, champion_version, pinned) values (%s, 1, true)",
            (learned["listener"],),
        )
    part.get_by_role("button", name="Find").click()
    expect(rows.filter(has_text="Champion, pinned")).to_have_count(1)


def test_a_round_shows_its_curve_and_its_versions(enter: Opened, learned: dict[str, Any]) -> None:
    assert learned
    page = enter("/operate/")
    page.locator("#rounds").get_by_role("button", name="The curve of round").first.click()
    expect(page.locator("#rounds").get_by_text("No curve is kept").or_(page.locator("#rounds figure"))).to_be_visible()
    row = page.locator("#rounds").get_by_role("row").filter(has=page.get_by_role("cell", name="1", exact=True)).first
    row.get_by_role("button", name="The curve of round").click()
    picture = page.locator("#rounds").get_by_role("img", name="Mean loss over 2 steps, from 0.50 to 0.25.")
    expect(picture.locator("svg")).to_be_visible()
    assert violations(page) == []
    page.locator("#rounds").get_by_role("button", name="Its versions").click()
    rows = page.get_by_role("region", name="Versions, newest first").get_by_role("row")
    expect(rows).to_have_count(2)


def test_any_listener_of_a_release_is_heard_on_both_sides_with_one_seed(
    house: Gateway, enter: Opened, learned: dict[str, Any]
) -> None:
    page = enter("/operate/")
    part = page.locator("#compare")
    expect(part.get_by_label("Release")).to_have_value(str(learned["release"]))
    expect(part.get_by_label("Listener")).to_have_value(learned["listener"])
    part.get_by_label("Words").fill("a slow air")
    part.get_by_role("button", name="Make both").click()
    expect(part.locator(".spectrogram canvas").first).to_be_visible()
    asked = [request for request in house.engine.asked if request.prompt == "a slow air"]
    assert {(request.arm, request.adapter and request.adapter.version) for request in asked} == {
        ("champion", 1),
        ("candidate", 2),
    }
    assert len({request.seed for request in asked}) == 1
    part.get_by_role("button", name="Hear Candidate").click()
    expect(part.get_by_role("button", name="Hear Candidate")).to_have_attribute("aria-pressed", "true")
    assert violations(page) == []
    page.reload()
    expect(page.locator("#audit")).to_contain_text("release heard")
    expect(page.locator("#audit")).to_contain_text("anna, operator")


def test_a_table_of_100_000_rows_keeps_few_in_the_page_and_reaches_its_end(enter: Opened) -> None:
    page = enter("/operate/")
    expect(page.locator("#audit table")).to_be_visible()
    page.evaluate(
        """async () => {
          const { table } = await import("/common/table.js");
          const rows = Array.from({ length: 100000 }, (_, n) => [`row ${n}`]);
          document.getElementById("main").replaceChildren(table("Many", ["a"], rows));
        }"""
    )
    rows = page.locator("tbody tr")
    expect(page.get_by_role("button", name="Show more (99,900 left)")).to_be_visible()
    for _ in range(4):
        page.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(200)
    expect(rows.last).to_have_text("row 499")
    for first in (200, 100, 0):
        page.get_by_role("button", name="Show earlier ones").press("Enter")
        expect(rows.first).to_have_text(f"row {first}")
    expect(rows.last).to_have_text("row 199")
    expect(page.get_by_role("button", name="Show earlier ones")).to_be_hidden()
    assert page.evaluate("document.activeElement.outerHTML").startswith('<div class="scroll"')
    page.evaluate(
        """new Promise((done) => {
          const more = document.querySelector(".scroll > button:last-child");
          const on = () => (more.hidden ? done() : (more.click(), setTimeout(on, 0)));
          on();
        })"""
    )
    expect(rows.last).to_have_text("row 99999")
    assert violations(page) == []
