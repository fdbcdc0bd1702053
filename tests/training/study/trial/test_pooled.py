"""What others' answers add, on listeners whose tracks differ in one number that everybody wants enough of."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from serving.engine.adapters.scorer import described_size
from serving.engine.hearing.sound import SOUND_SIZE
from training.study.features import MEASURED, NAMES
from training.study.population import Scale
from training.study.trial.making import Wish
from training.study.trial.pooled import FIRST, SEEDS, WISHES, Asked, Rater, Shown, between, gains, rater, shown, table

STYLE = 6
TRACKS = FIRST + WISHES * SEEDS


def listener(seed: int) -> Shown:
    """What the ear hears lacking is told by one number of sound; closeness knows nothing of it."""
    rng = np.random.default_rng(seed)
    lacking = rng.uniform(0, 2, TRACKS)
    features = np.zeros((TRACKS, len(NAMES)))
    features[:, len(MEASURED)] = -0.5 - lacking
    descriptions = np.zeros((TRACKS, described_size(STYLE)))
    descriptions[:, 1 : 1 + STYLE] = rng.normal(size=(TRACKS, STYLE))
    descriptions[:, 1 + STYLE + SOUND_SIZE - 1] = lacking
    return Shown(np.zeros((3, len(NAMES))), descriptions, features)


def drawn(listeners: list[Shown], draw: int, *, permuted: bool) -> list[Rater]:
    return [rater(each, (draw, place), permuted=permuted) for place, each in enumerate(listeners)]


def test_one_listener_gains_by_what_others_answered_and_nothing_by_answers_at_random() -> None:
    everyone = [listener(seed) for seed in range(13)]
    true, placebo = ([drawn(everyone, n, permuted=permuted) for n in range(3)] for permuted in (False, True))
    learned, close, oracle, believed = np.mean([gains(each[:1], each[1:])[0, 0] for each in true], axis=0)
    assert oracle >= learned > close + 0.5 * (oracle - close)
    assert believed > 0
    without = np.mean([gains(each[:1], [])[0, 0] for each in true], axis=0)
    assert without[0] < learned
    at_random = np.mean([gains(each[:1], each[1:])[0, 0] for each in placebo], axis=0)
    assert at_random[0] < close + 0.3 * (oracle - close)


def test_another_may_rate_more_tracks() -> None:
    few, many = (rater(listener(0), (1, 2), ratings, permuted=False).heard for ratings in (FIRST, 16))
    assert (len(few.mean), len(many.mean)) == (FIRST, 16)
    assert np.array_equal(many.descriptions[:FIRST], few.descriptions)


def test_who_only_rates_gets_the_same_first_tracks_and_no_more_and_all_are_made_once(tmp_path: Path) -> None:
    made: list[Wish] = []

    def make(wishes: Sequence[Wish]) -> list[Any]:
        made.extend(wishes)
        sounds = [torch.full((SOUND_SIZE,), float(wish.seed % 7)) for wish in wishes]
        return [SimpleNamespace(style=torch.ones(STYLE), sound=sound, audio=sound) for sound in sounds]

    ear = SimpleNamespace(hear=lambda audio: audio[: len(NAMES)])
    hall: Any = SimpleNamespace(
        studio=SimpleNamespace(make=make), ears=[ear], scale=Scale(np.zeros(len(NAMES)), np.ones(len(NAMES))),
        heard={"song": np.zeros(len(NAMES))},
    )  # fmt: skip
    song = SimpleNamespace(sound=torch.zeros(SOUND_SIZE))
    member: Any = SimpleNamespace(
        songs=(song,), style=torch.ones(STYLE), person=SimpleNamespace(seed=3, songs=("song",))
    )
    alone, whole = (shown(hall, member, tmp_path, "2-0", rated=rated) for rated in (True, False))
    assert (len(alone.features), len(whole.features)) == (FIRST, TRACKS)
    assert np.array_equal(alone.descriptions, whole.descriptions[:FIRST])
    assert len(made) == FIRST + TRACKS
    assert np.array_equal(shown(hall, member, tmp_path, "2-0").features, whole.features)
    assert len(made) == FIRST + TRACKS


def test_a_placebo_has_the_same_taste_and_gets_the_same_stars() -> None:
    true, placebo = (rater(listener(0), (1, 2), permuted=permuted) for permuted in (False, True))
    assert np.array_equal(true.taste.ideal, placebo.taste.ideal)
    assert not np.array_equal(true.heard.mean, placebo.heard.mean)
    assert np.allclose(sorted(true.heard.mean), sorted(placebo.heard.mean))


def test_a_table_has_a_row_for_each_number_of_others_and_of_seeds() -> None:
    one, other = ([listener(10 * place + number) for number in range(4)] for place in range(2))
    lines = table([one], [other], [Asked(0), Asked(4, 16)], [4, 8], tastes=1).splitlines()
    assert [line.split(" | ")[:3] for line in lines[2:]] == [
        ["| 4", "0", "8"], ["| 4", "4", "16"], ["| 8", "0", "8"], ["| 8", "4", "16"],
    ]  # fmt: skip
    oracles = [float(line.split(" | ")[3].split()[0]) for line in lines[2:]]
    assert oracles[0] == oracles[1] < oracles[2] == oracles[3]


def test_an_interval_over_populations_is_that_of_their_means() -> None:
    """Three means of 0, 1 and 2: 4.303 deviations of 1 over the root of three."""
    assert between(np.repeat([0.0, 1.0, 2.0], [2, 3, 4]), [2, 3, 4]) == "2.484"
    assert between(np.ones(4), [4]) == ""
