"""What a listener says of sound reaches their next track: within bounds, against their ratings, until it is taken back,
and never what learning is measured against."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Arm
from schemas.generation import FLAT, MAX_TONE_DB, TONES, Tone
from services.gateway.taste import KIND_OF, words_of
from services.gateway.tone import tone_of
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.test_cold import Asked, asked
from tests.services.gateway.test_taste import rated

__all__ = ["asked"]
LEARNED: tuple[Arm, ...] = ("champion", "candidate")
FROZEN: tuple[Arm, ...] = ("base", "cold")


def say(gateway: Gateway, listener_id: str, **corrections: float | None) -> None:
    answer = gateway.http.put(f"/v1/listeners/{listener_id}/taste", json={"corrections": corrections})
    assert answer.status_code == 200


def test_a_word_about_sound_reaches_the_next_track_until_it_is_taken_back(
    gateway: Gateway, listener_id: str, asked: Asked
) -> None:
    asked.upload(200)
    say(gateway, listener_id, bright=1, bass=-0.5, piano=1)
    assert [asked.on(arm).tone for arm in LEARNED] == [Tone(treble_db=4.5, bass_db=-2.25)] * 2
    assert [asked.on(arm).tone for arm in FROZEN] == [FLAT] * 2
    shown = gateway.http.get(f"/v1/listeners/{listener_id}/taste").json()
    assert shown["tone"] == {"bass_db": -2.25, "treble_db": 4.5}, "what the card says is what is asked for"
    say(gateway, listener_id, bright=None, bass=None)
    assert "tone" not in asked.on("champion").model_fields_set, "a version from before reads it"


def test_ratings_that_speak_against_a_word_take_from_it(gateway: Gateway, listener_id: str, asked: Asked) -> None:
    asked.upload(200)
    say(gateway, listener_id, bright=1)
    rated(gateway, listener_id, *[("bright bells", 1), ("a tune", 5)] * 6)
    found = asked.on("champion").tone
    assert 0 < found.treble_db < 2
    rated(gateway, listener_id, *[("bright bells", 1), ("a tune", 5)] * 12)
    assert asked.on("champion").tone.treble_db < 0


def test_another_listener_hears_nothing_of_it(gateway: Gateway, asked: Asked) -> None:
    asked.upload(200)
    say(gateway, gateway.listener(), bright=1)
    assert asked.on("champion").tone == FLAT


def test_an_engine_of_before_makes_the_track_without_a_tone(gateway: Gateway, listener_id: str, asked: Asked) -> None:
    asked.upload(200)
    say(gateway, listener_id, dark=1)
    gateway.engine.older = True
    assert asked.on("champion").tone == FLAT, "the last that it was asked"


@given(st.dictionaries(st.sampled_from(sorted(KIND_OF)), st.floats(-1, 1)))
def test_whatever_is_said_the_tone_is_within_its_bounds_and_the_opposite_is_the_opposite(
    said: dict[str, float],
) -> None:
    found = tone_of(words_of([], said))
    opposite = tone_of(words_of([], {word: -liking for word, liking in said.items()}))
    assert max(abs(found.bass_db), abs(found.treble_db)) <= MAX_TONE_DB
    assert (opposite.bass_db, opposite.treble_db) == pytest.approx((-found.bass_db, -found.treble_db), abs=0.011)
    if not said.keys() & TONES.keys():
        assert found == FLAT


def test_what_was_only_rated_is_no_word() -> None:
    assert tone_of(words_of([("bright bells", 5), ("a tune", 1)] * 20, {})) == FLAT
