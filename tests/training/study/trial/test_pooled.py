"""What others' answers add, on listeners whose tracks differ in one number that everybody wants enough of."""

import numpy as np

from serving.engine.adapters.scorer import described_size
from serving.engine.hearing.sound import SOUND_SIZE
from training.study.features import MEASURED, NAMES
from training.study.trial.pooled import FIRST, SEEDS, WISHES, Asked, Rater, Shown, gains, rater, table

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
