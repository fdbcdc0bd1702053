"""Words are what a simulated listener lacks most; true ones gain where a tone moves the ear, random ones do not."""

from statistics import fmean

import numpy as np
import pytest

from training.study.features import MEASURED, NAMES
from training.study.population import beyond
from training.study.trial.figures import estimate
from training.study.trial.said import ABOUT_SOUND, ASKED, LINES, Heard, gained, moved, row, spoken

BRIGHTNESS, BASS = MEASURED.index("brightness"), MEASURED.index("bass")


def listener(seed: int, reach: float) -> Heard:
    """Whose tracks lie about the songs, and whose tones move brightness and bass by so many deviations."""
    rng = np.random.default_rng(seed)
    songs = 0.3 * rng.normal(size=(3, len(NAMES)))
    tracks = songs.mean(0) + 0.1 * rng.normal(size=(4, len(NAMES)))
    toned = np.stack([tracks] * len(ASKED))
    for place, (bright, bass) in enumerate(ASKED):
        toned[place, :, BRIGHTNESS] += reach * bright
        toned[place, :, BASS] += reach * bass
    return Heard(songs, songs.mean(0) + 0.1 * rng.normal(size=(4, len(NAMES))), toned)


def mean_gain(kind: str, reach: float = 0.5, lines: tuple[str, ...] = ABOUT_SOUND) -> tuple[float, float, float]:
    """Over forty listeners, with its 95 % interval."""
    found = estimate([
        fmean(gained(listener(place, reach), lines, 1, kind, (place, n))[0] for n in range(6))
        for place in range(40)
    ])  # fmt: skip
    return found.low, found.mean, found.high


def test_true_words_gain_wrong_ones_less_and_random_ones_nothing() -> None:
    true, wrong, random = (mean_gain(kind) for kind in ("true", "wrong", "random"))
    assert true[0] > 0.03
    assert 0 < wrong[1] < true[1]
    assert random[1] < 0
    assert random[0] > -0.1, "what a wrong word costs is bounded"


def test_a_word_that_reaches_no_tone_changes_nothing() -> None:
    assert mean_gain("true", lines=("fast", "happy")) == (0, 0, 0)
    assert mean_gain("true", reach=0.0) == (0, 0, 0)


@pytest.mark.parametrize("sign", [-1, 1])
def test_listeners_correct_the_line_that_costs_them_most(sign: int) -> None:
    rng = np.random.default_rng(1)
    taste = beyond(np.zeros((3, len(NAMES))), rng)
    first = np.tile(np.concatenate([taste.ideal, taste.least]), (4, 1))
    first[:, BASS] -= sign * 5 / np.sqrt(taste.weights[BASS])
    for seed in range(20):
        assert spoken(taste, first, tuple(LINES), 1, "true", np.random.default_rng(seed)) == {"bass": sign}
    said = [spoken(taste, first, tuple(LINES), 1, "wrong", np.random.default_rng(seed))["bass"] for seed in range(400)]
    assert 0.7 < np.mean(np.array(said) == sign) < 0.9


def test_both_tables_say_what_was_found() -> None:
    listeners = [listener(place, 0.5) for place in range(4)]
    assert "| bright | brightness +0.50 |" in moved(listeners)
    assert row(listeners, ABOUT_SOUND, 1, 2).startswith("| bright, bass | 1 | ")
    assert row(listeners, ABOUT_SOUND, 1, 2).endswith("| 100% |")
