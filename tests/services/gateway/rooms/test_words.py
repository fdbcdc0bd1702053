"""Whatever the gateway may answer has a word of its own in the rooms: a state nobody named would show as undefined."""

from collections.abc import Sequence
from typing import Any, get_args

import pytest
from playwright.sync_api import Browser, Page

from schemas import api, operating
from schemas.analysis import Metric
from schemas.events import Arm
from tests.services.gateway.conftest import Gateway


def literals(kind: Any) -> list[str]:
    """The values of a Literal, or of a union of them."""
    values = get_args(kind)
    return [each for value in values for each in (literals(value) if get_args(value) else [value])]


def field(model: Any, name: str) -> list[str]:
    return literals(model.model_fields[name].annotation)


SAID = [
    ("operate.releases.status", literals(api.ReleaseStatus)),
    ("operate.releases.verdict", literals(api.Verdict | api.Later)),
    ("operate.guardrails.name", field(api.GuardrailView, "name")),
    ("operate.rounds.status", field(api.RoundView, "status")),
    ("operate.orders.action", literals(operating.Action)),
    ("operate.orders.status", [each for each in field(operating.OrderView, "status") if each != "waiting"]),
    ("analyse.metrics", literals(Metric)),
    ("analyse.arms", literals(Arm)),
]


@pytest.fixture(scope="module")
def words(house: Gateway, browser: Browser) -> Page:
    page = browser.new_page()
    page.goto(house.url)
    return page


@pytest.mark.parametrize(("place", "values"), SAID, ids=[place for place, _ in SAID])
def test_each_value_has_a_word(words: Page, place: str, values: Sequence[str]) -> None:
    said = words.evaluate(
        "async (path) => path.split('.').reduce((at, name) => at[name], (await import('/common/en.js')).en)", place
    )
    assert said.keys() == set(values)
    assert all(word and word != value for value, word in said.items() if "_" in value)


@pytest.mark.parametrize(
    ("module", "name", "values"),
    [
        ("operate/releases.js", "ORDERS", literals(api.ReleaseStatus)),
        ("operate/looks.js", "COLOURS", literals(api.Verdict | api.Later)),
    ],
)
def test_each_state_has_its_orders_and_each_verdict_its_colour(
    words: Page, module: str, name: str, values: Sequence[str]
) -> None:
    known = words.evaluate("async ([path, name]) => Object.keys((await import(path))[name])", [f"/{module}", name])
    assert set(known) == set(values)
