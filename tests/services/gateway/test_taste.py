"""What is believed of a listener is told in plain words, with how sure it is; their own word counts for more."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from services.gateway.taste import KIND_OF, words_of
from tests.services.gateway.conftest import Gateway


def rated(gateway: Gateway, listener_id: str, *prompts: tuple[str, int]) -> None:
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        for prompt, stars in prompts:
            track = uuid4()
            connection.execute(
                "insert into feedback.tracks (track_id, listener_id, arm, propensity, prompt, seconds, features_url,"
                " sha256, made_at) values (%s, %s, 'base', 0.5, %s, 5, '', '', now())",
                (track, listener_id, prompt),
            )
            connection.execute(
                "insert into feedback.ratings values (%s, %s, %s, now(), %s)", (listener_id, track, stars, uuid4())
            )


def told(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["word"]: each for each in view["words"]}


def test_ratings_and_corrections_make_the_taste(gateway: Gateway, listener_id: str) -> None:
    url = f"/v1/listeners/{listener_id}/taste"
    empty = {"listener_id": listener_id, "songs": 0, "ratings": 0, "version": None, "words": []}
    empty["tone"] = {"bass_db": 0.0, "treble_db": 0.0}
    assert gateway.http.get(url).json() == empty
    rated(gateway, listener_id, *[("slow piano", 5), ("Fast brass!", 1)] * 4)
    gateway.upload(listener_id)
    view = gateway.http.get(url).json()
    assert (view["songs"], view["ratings"]) == (1, 8)
    words = told(view)
    assert words["piano"]["says"] == "probably likes piano"
    assert words["brass"]["says"] == "probably dislikes brass"
    assert [each["liking"] for each in view["words"]] == sorted((e["liking"] for e in view["words"]), reverse=True)
    corrected = gateway.http.put(url, json={"corrections": {"brass": 1, "harp": -1}})
    assert corrected.status_code == 200
    words = told(corrected.json())
    assert words["brass"]["liking"] > 0.2
    assert words["brass"]["corrected"]
    assert words["harp"]["says"] == "surely dislikes harp"
    back = told(gateway.http.put(url, json={"corrections": {"brass": None, "harp": None}}).json())
    assert back["brass"] == told(view)["brass"]
    assert "harp" not in back


def test_a_taste_is_one_listeners_own(gateway: Gateway, listener_id: str) -> None:
    gateway.http.put(f"/v1/listeners/{listener_id}/taste", json={"corrections": {"harp": 1}})
    other = gateway.listener()
    assert gateway.http.get(f"/v1/listeners/{other}/taste").json()["words"] == []


@pytest.mark.parametrize(
    ("corrections", "field"),
    [({"trombonium": 1}, "corrections.trombonium"), ({"harp": 2}, "corrections.harp"), ({}, "corrections")],
)
def test_what_no_taste_is_told_in_is_refused_and_changes_nothing(
    gateway: Gateway, listener_id: str, corrections: dict[str, float], field: str
) -> None:
    url = f"/v1/listeners/{listener_id}/taste"
    answer = gateway.http.put(url, json={"corrections": {**({"piano": 1} if corrections else {}), **corrections}})
    assert answer.status_code == 422
    assert answer.json()["field"].startswith(field)
    assert gateway.http.get(url).json()["words"] == []


def test_nobody_has_no_taste(gateway: Gateway) -> None:
    nobody = UUID(int=0)
    assert gateway.http.get(f"/v1/listeners/{nobody}/taste").status_code == 404
    assert gateway.http.put(f"/v1/listeners/{nobody}/taste", json={"corrections": {"harp": 1}}).status_code == 404


def test_the_more_is_rated_the_surer_and_nothing_goes_beyond_its_range() -> None:
    sure = 0.0
    for count in (1, 4, 16, 64):
        (word,) = [each for each in words_of([("piano", 5), ("drums", 1)] * count, {}) if each.word == "piano"]
        assert sure < word.sure < 1
        assert -1 <= word.liking <= 1
        sure = word.sure
    assert all(-1 <= each.liking <= 1 for each in words_of([], dict.fromkeys(KIND_OF, 1.0)))


def test_own_ratings_are_listed_the_newest_first(gateway: Gateway, listener_id: str) -> None:
    url = f"/v1/listeners/{listener_id}/ratings"
    assert gateway.http.get(url).json() == []
    rated(gateway, listener_id, ("slow piano", 2))
    rated(gateway, listener_id, ("fast brass", 5))
    rated(gateway, gateway.listener(home="rock"), ("not mine", 1))
    listed = gateway.http.get(url).json()
    assert [(each["prompt"], each["stars"]) for each in listed] == [("fast brass", 5), ("slow piano", 2)]
    assert listed[0].keys() == {"track_id", "prompt", "stars", "rated_at"}
    assert gateway.http.get(url, params={"limit": 1}).json() == listed[:1]
