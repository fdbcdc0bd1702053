"""Each room in each of its states: nothing yet, something, wrong, narrow and dark. axe finds nothing in any of them."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import Page, Route, expect

from infra.analyst.asking import Gateway as Command
from schemas.analysis import ComparedCell
from services.gateway.analyst import report
from services.gateway.analyst.formats import encoded
from services.gateway.analyst.question import Question
from services.gateway.analyst.report import BY, questions
from tests.helm.conftest import CHART
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.engine import STATUS
from tests.services.gateway.rooms.conftest import Opened, violations
from tests.services.gateway.rooms.past import AGES, HOMES, write_past

DASHBOARD = json.loads((CHART / "files/dashboard.json").read_text())
ROOMS = ("/", "/operate/", "/analyse/")


@pytest.fixture(scope="module")
def past(house: Gateway) -> list[UUID]:
    return write_past(house.settings.postgres_dsn)


NOTHING: dict[str, Any] = {
    "uplift/cells": {
        "release_id": None, "status": None, "metric": "stars", "unit": "stars", "arm": "candidate", "baseline": "cold",
        "by": ["home"], "per": "whole", "interval": "anytime", "level": 0.95, "family": 0, "hidden": 0,
        "heterogeneity": None, "as_of": None, "complete": False, "cells": [],
    },
    "engine": {"replicas": [STATUS]},
    "feedback": {"folded": 0, "dead_lettered": 0, "lag": {}},
}  # fmt: skip


def nothing(route: Route) -> None:
    path = route.request.url.partition("/v1/")[2].partition("?")[0]
    route.fulfill(status=200, content_type="application/json", body=json.dumps(NOTHING.get(path, [])))


def broken(route: Route) -> None:
    body = '{"code": "postgres_away", "message": "The database is away."}'
    route.fulfill(status=503, content_type="application/json", body=body)


@pytest.mark.parametrize("path", ROOMS)
def test_who_has_no_token_is_asked_for_one(enter: Opened, path: str) -> None:
    page = enter(path)
    page.evaluate("sessionStorage.clear()")
    page.reload()
    expect(page.get_by_role("heading", name="Enter")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize(
    ("path", "answer", "says"),
    [
        ("/operate/", nothing, "No release yet"),
        ("/operate/", broken, "The database is away"),
        ("/analyse/", nothing, "Nothing to compare here yet"),
        ("/analyse/", broken, "The database is away"),
        ("/", broken, "The database is away"),
    ],
)
def test_nothing_and_wrong_say_what_to_do(
    house: Gateway, enter: Opened, path: str, answer: Callable[[Route], None], says: str
) -> None:
    page = enter(path, listener=house.listener())
    page.goto("about:blank")  # what the room still asks for is not answered so before it opens again
    page.route("**/v1/**", answer)
    page.goto(house.url + path)
    expect(page.locator("body")).to_contain_text(says)
    assert violations(page) == []


def narrow(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 700})


def dark(page: Page) -> None:
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("look", [narrow, dark])
@pytest.mark.parametrize("path", ROOMS)
def test_narrow_and_dark_are_as_good(house: Gateway, enter: Opened, path: str, look: Callable[[Page], None]) -> None:
    page = enter(path, listener=house.listener(home="folk"))
    look(page)
    shown = {"/": "#station", "/operate/": ".chart svg", "/analyse/": ".chart svg"}[path]
    expect(page.locator(shown).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page) == []


def test_a_release_shows_its_looks_their_reasons_and_its_view_in_grafana(
    house: Gateway, enter: Opened, past: list[UUID]
) -> None:
    page = enter("/operate/")
    entry = page.locator(f"#release-{past[0]}")
    entry.locator("summary").first.click()
    expect(entry.get_by_role("img")).to_have_attribute(
        "aria-label",
        "2 looks. At the last one, with 102% of the planned "
        "comparisons, candidate less champion is +0.38 in stars and votes, and at least +0.11 at the error that this "
        "look may make. "
        "A bound above zero promotes.",
    )
    expect(entry.get_by_role("row")).to_have_count(3)
    expect(page.locator("#now")).to_contain_text("the candidate is skipped early more often: 19 against 4")
    view = urlsplit(str(entry.get_by_role("link", name="In Grafana").get_attribute("href")))
    asked = parse_qs(view.query)
    assert (view.netloc, view.path) == ("127.0.0.1:3000", f"/d/{DASHBOARD['uid']}")
    release = house.http.get(f"/v1/releases/{past[0]}").json()
    times = [datetime.fromisoformat(release[name]).timestamp() * 1000 for name in ("started_at", "decided_at")]
    assert [int(asked[name][0]) for name in ("from", "to")] == pytest.approx(times, abs=1)
    assert asked["var-release"] == [str(past[0])]
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert variables["release"]["type"] == "query"
    panels = page.evaluate("async () => (await import('/operate/grafana.js')).PANELS")
    assert set(panels.values()) <= {each["id"] for each in DASHBOARD["panels"]}
    shown = next(each for each in DASHBOARD["panels"] if each["id"] == int(asked["viewPanel"][0]))
    assert "$release" in shown["targets"][0]["expr"]


def test_a_guardrail_near_its_bound_needs_someone_while_it_runs(enter: Opened, past: list[UUID]) -> None:
    page = enter("/operate/")
    near = page.locator("#now li[data-kind=near]").filter(has_text=str(past[2])[-8:])
    expect(near).to_have_count(1)
    expect(near).to_contain_text(
        "Early skips: chance alone would show as much against it in 3.1% of releases that are no worse; "
        "at 1.3% it ends."
    )
    expect(page.locator("#now li[data-kind=near]").filter(has_text=str(past[1])[-8:])).to_have_count(0)
    entry = page.locator(f"#release-{past[2]}")
    if entry.locator("details").first.get_attribute("open") is None:
        entry.locator("summary").first.click()
    skips = entry.get_by_role("meter", name="Early skips: Chance alone would show as much in 3.1% of releases")
    value, near_from, almost = skips.evaluate("element => [element.value, element.low, element.high]")
    assert 0.6 < near_from < value < almost < 1
    assert 0.75 < value < 0.85
    failures = entry.get_by_role("meter", name="Failures: Nothing speaks against the candidate.")
    assert failures.evaluate("element => element.value") == 0
    assert violations(page) == []


def test_what_needs_someone_leads_to_its_release_by_keys(enter: Opened, past: list[UUID]) -> None:
    page = enter("/operate/")
    ended = page.locator("#now li[data-kind=rolled_back]").filter(has_text=str(past[1])[-8:])
    entry = page.locator(f"#release-{past[1]}")
    expect(entry.locator("details").first).not_to_have_attribute("open", "")
    ended.get_by_role("link", name="Look").press("Enter")
    expect(entry.locator("summary").first).to_be_focused()
    expect(entry.locator("details").first).to_have_attribute("open", "")
    page.keyboard.press("Tab")
    assert entry.evaluate("element => element.contains(document.activeElement)")
    page.get_by_role("button", name="Kill switch").press("Enter")
    expect(page.get_by_role("heading", name="Kill switch")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#switch-whom")).to_be_focused()


def answered(answer: object) -> Callable[[Route], None]:
    return lambda route: route.fulfill(json=answer)


NOW = datetime.now(UTC)
ROUND: dict[str, Any] = {
    "round_id": str(uuid4()), "status": "trained", "listeners": 9, "versions": 9, "detail": "", "release_id": None,
    "created_at": NOW.isoformat(), "finished_at": NOW.isoformat(),
}  # fmt: skip
RELEASE: dict[str, Any] = {
    "release_id": str(uuid4()), "round_id": ROUND["round_id"], "status": "canary", "listeners": 40, "joined": 20,
    "watched": 0, "paused": False, "started_at": NOW.isoformat(), "decided_at": None,
    "ends_by": (NOW - timedelta(hours=1)).isoformat(), "guardrails": [], "decisions": [],
}  # fmt: skip
REFUSED: dict[str, Any] = {
    "status": 429, "code": "over_budget", "last_hour": 12, "last_day": 40, "last_at": NOW.isoformat(),
}  # fmt: skip
# What a part of the API says, and what needs someone then: its kind and some of its words.
NEEDS: list[tuple[str, object, str, str]] = [
    ("engine", {"replicas": []}, "engine", "No replica answers"),
    ("engine", {"replicas": [{**STATUS, "waiting": 33, "most_rows": 8}]}, "engine", "33 tracks wait at replica a1"),
    ("rounds?*", [ROUND], "due", "its 9 versions wait for their release"),
    ("releases?*", [RELEASE], "due", "was to be decided by"),
    ("releases?*", [{**RELEASE, "paused": True}], "paused", "its clock stands still"),
    ("refusals", [REFUSED, REFUSED], "refusals", "24 requests within an hour asked for more than they may have"),
]


def test_what_is_due_refused_paused_or_cannot_follow_needs_someone(enter: Opened) -> None:
    page = enter("/operate/")
    for path, answer, kind, says in NEEDS:
        page.route(f"**/v1/{path}", answered(answer))
        page.reload()
        expect(page.locator(f"#now li[data-kind={kind}]").filter(has_text=says)).to_have_count(1)
        page.unroute(f"**/v1/{path}")
    page.route("**/v1/refusals", answered([REFUSED]))  # fewer than need anybody
    page.route("**/v1/rounds?*", answered([{**ROUND, "release_id": RELEASE["release_id"]}]))
    page.reload()
    expect(page.locator("#refusals")).to_contain_text("429: asked for more than they may have")
    expect(page.locator("#now li, #now .calm").first).to_be_visible()
    assert page.locator("#now li:is([data-kind=refusals], [data-kind=due])").count() == 0


def downloaded(page: Page, button: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path().read_bytes()


def test_a_link_opens_the_same_picture_and_its_files_are_those_of_the_command(
    house: Gateway, enter: Opened, past: list[UUID]
) -> None:
    page = enter("/analyse/")
    page.get_by_label("Over", exact=True).select_option("base")
    page.get_by_label("Intervals", exact=True).select_option("family")
    page.get_by_label("Release").select_option(str(past[1]))
    expect(page.get_by_role("row")).to_have_count(6)
    expect(page).to_have_url(re.compile(f"{past[1]}.*"))
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_label("Over", exact=True)).to_have_value("base")
    asked = {"release_id": str(past[1]), "by": "home", "baseline": "base"}
    told = house.http.get("/v1/uplift/cells", params=asked).json()["cells"]
    folk = next(each for each in told if each["cell"] == {"home": "folk"})
    row = page.get_by_role("row").filter(has_text="folk")
    expect(row).to_contain_text(f"{folk['estimate']:+.2f}")
    expect(row).to_contain_text(f"{folk['family_low']:+.2f} to {folk['family_high']:+.2f}")
    expect(page.get_by_role("row").filter(has_text="polka")).to_contain_text("too few listeners to tell apart")
    analyst = Command(house.url, house.token("analyst", "anna"))
    question = Question(by="home", baseline="base", release=str(past[1]))
    answer = analyst.cells(question)
    for button, form in (("Download as CSV", "csv"), ("As Parquet", "parquet"), ("As Arrow", "arrow")):
        assert downloaded(page, button) == encoded(answer, form), form
    release = analyst.release(str(past[1]))
    answers = {each: analyst.cells(each) for each in questions(past[1], BY)}
    assert downloaded(page, "The whole release as a page").decode() == report.page(release, BY, answers)
    text = downloaded(page, "This picture as a page").decode()
    assert "<svg" in text
    assert f"{folk['estimate']:+.2f}" in text
    assert "analytics.uplift_by" in text
    assert violations(page) == []


@pytest.mark.usefixtures("past")
def test_a_crossing_and_the_course_of_time_are_shown(enter: Opened) -> None:
    page = enter("/analyse/")
    expect(page.get_by_label("Home")).to_be_checked()
    page.get_by_label("Age band").check()
    expect(page.get_by_role("row")).to_have_count(len(HOMES) * len(AGES) + 2)
    page.get_by_label("Age band").uncheck()
    page.get_by_label("Time").select_option("cumulative")
    expect(page.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(r"over time in 5 cells, .* a cross is a day of a cell that cannot be told \([1-9]")
    )
    expect(page.locator(".chart [aria-label='fy-axis tick label'] text")).to_have_text([*HOMES, "polka"])
    assert violations(page) == []


@pytest.mark.usefixtures("past")
def test_all_releases_together_are_shown_by_how_candidates_were_made(enter: Opened) -> None:
    page = enter("/analyse/")
    expect(page.get_by_label("Home")).to_be_checked()
    page.get_by_label("Tenure").check()
    expect(page.get_by_role("row").filter(has_text="folk · ")).not_to_have_count(0)
    page.get_by_label("Release").select_option("All releases together")
    expect(page.get_by_label("Tenure")).not_to_be_checked()
    expect(page.get_by_label("Tenure")).to_be_disabled()
    page.get_by_label("How it was made").check()
    expect(page.get_by_role("row").filter(has_text="folk · unknown")).to_have_count(1)
    expect(page.get_by_label("Time").get_by_role("option")).to_have_text(["The whole time"])
    expect(page.get_by_text("analytics.uplift_by")).to_contain_text("ffffffff-ffff-ffff-ffff-ffffffffffff")
    assert violations(page) == []


@pytest.mark.usefixtures("past")
def test_everyone_is_shown_where_nobody_chose_and_no_home_can_be_told(enter: Opened) -> None:
    page = enter("/analyse/")
    expect(page.get_by_label("Home")).to_be_checked()
    facts = {name: None for name in ComparedCell.model_fields if name not in ("cell", "hidden")}
    cell = {"cell": {"home": "folk"}, "hidden": True, **facts}
    page.route("**/v1/uplift/cells?by=home&*", answered({**NOTHING["uplift/cells"], "cells": [cell]}))
    page.reload()
    expect(page.get_by_role("row").filter(has_text="everyone")).to_have_count(1)
    expect(page.get_by_label("Home")).not_to_be_checked()
    page.get_by_label("Home").check()
    expect(page.get_by_role("row").filter(has_text="too few listeners to tell apart")).to_have_count(1)
