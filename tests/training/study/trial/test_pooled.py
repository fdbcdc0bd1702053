"""What others' answers add, on listeners whose tracks differ in one number that everybody wants enough of."""

import numpy as np

from serving.engine.adapters.scorer import described_size
from serving.engine.hearing.sound import SOUND_SIZE
from training.study.features import MEASURED, NAMES
from training.study.trial.pooled import FIRST, SEEDS, WISHES, Shown, gains

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


def test_one_listener_gains_by_what_others_answered_and_nothing_by_answers_at_random() -> None:
    alone, others = [listener(0)], [listener(seed) for seed in range(1, 13)]
    learned, close, oracle = np.mean([gains(alone, others, (1, n), permuted=False)[0] for n in range(3)], axis=0)
    assert oracle >= learned > close + 0.5 * (oracle - close)
    without = np.mean([gains(alone, [], (1, n), permuted=False)[0] for n in range(3)], axis=0)
    assert without[0] < learned
    placebo = np.mean([gains(alone, others, (1, n), permuted=True)[0] for n in range(3)], axis=0)
    assert placebo[0] < close + 0.3 * (oracle - close)
