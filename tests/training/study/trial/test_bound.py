"""What ratings could tell at most: nothing without an answer, and less than knowing the ideal with some."""

from dataclasses import replace

import numpy as np
import pytest

from training.scorer import Array
from training.study.features import NAMES
from training.study.population import beyond
from training.study.taste import in_stars
from training.study.trial import bound
from training.study.trial.bound import gained, stacked
from training.study.trial.pooled import Shown

DRAWN = np.random.default_rng(3)
SONGS = DRAWN.normal(size=(3, len(NAMES)))
APART = 0.5 * DRAWN.normal(size=(40, len(NAMES)))
TRACKS = SONGS.mean(0) + 0.3 + APART


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bound, "TASTES", 800)


def mean(ratings: int, words: int, reach: float = 1.0) -> Array:
    found = [gained(SONGS, TRACKS, APART, reach, ratings, words, [place]) for place in range(10)]
    averaged: Array = np.stack(found).mean(0)
    return averaged


def test_many_tastes_at_once_are_satisfied_as_each_is() -> None:
    rng = np.random.default_rng(4)
    tastes = [beyond(SONGS, rng) for _ in range(5)]
    expected = [[taste.satisfaction(track) for track in TRACKS] for taste in tastes]
    np.testing.assert_allclose(stacked(tastes).satisfaction(tastes[0].least, TRACKS), expected)


def test_likelihood_is_the_chance_of_what_the_rater_says() -> None:
    rng = np.random.default_rng(5)
    taste = replace(beyond(SONGS, rng), offset=0.7, gain=1.3, carelessness=0.2)
    given = np.array([taste.stars(TRACKS[0], rng) for _ in range(4000)])
    for stars in range(1, 6):
        log = stacked([taste]).likelihood(taste.least, TRACKS[:1], np.array([stars]))
        assert np.exp(log[0]) == pytest.approx((given == stars).mean(), abs=0.03)
    assert 1 < in_stars(taste.satisfaction(TRACKS[0])) < 5


def test_no_answer_adds_nothing_and_words_add_less_than_knowing_the_ideal() -> None:
    silent, told = mean(0, 0), mean(0, 2)
    assert abs(silent[0] - silent[1]) < 0.06
    assert told[0] > told[1] + 0.1
    assert told[2] > told[0]
    assert silent[3] == 0


def test_what_cannot_be_moved_gains_nothing_whatever_is_answered() -> None:
    np.testing.assert_allclose(mean(8, 0, reach=0.0)[:3], 0, atol=1e-12)


def test_a_row_says_what_the_answers_add() -> None:
    listeners = [Shown(SONGS, np.zeros((len(TRACKS), 1)), TRACKS)] * 2
    assert bound.row(listeners, 0.0, 4, 0, 1).startswith("| 0 | 4 | 0 | +0.000 (+0.000 to +0.000) | +0.00 |")


def test_more_than_can_be_weighed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for flag, said, most in (("--ratings", "8,25", 24), ("--words", "-1", 2)):
        with pytest.raises(SystemExit):
            bound.main([f"{flag}={said}"])
        assert f"{flag}: expected numbers from 0 to {most}" in capsys.readouterr().err
