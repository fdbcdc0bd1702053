"""What newcomers gain, on listeners of whom one home wants much of what the other wants little of."""

import numpy as np

from serving.engine.adapters.scorer import described_size
from serving.engine.hearing.sound import SOUND_SIZE
from tests.training.study.trial.test_pooled import listener
from training.cohorts import LEAST_LISTENERS
from training.study.trial.newcomers import Resident, gains, table
from training.study.trial.pooled import Shown, rater

STYLE = 6


def turned(seed: int) -> Shown:
    """Hears lacking where the others hear enough."""
    shown = listener(seed)
    descriptions = shown.descriptions.copy()
    column = described_size(STYLE) - SOUND_SIZE - 1
    descriptions[:, column] = 2 - descriptions[:, column]
    return Shown(shown.songs, descriptions, shown.features)


def people(first: int, each: int) -> list[Resident]:
    here = [Resident(listener(first + place), "here") for place in range(each)]
    return here + [Resident(turned(first + each + place), "there") for place in range(each)]


def test_a_newcomer_gains_by_their_home_where_homes_differ() -> None:
    others, newcomers = people(0, 2 * LEAST_LISTENERS), people(500, 3)
    told, silent = (
        [rater(each.shown, (draw, place), permuted=False) for place, each in enumerate(those)]
        for draw, those in enumerate((others, newcomers))
    )
    found = gains(silent, told, [each.home for each in (*newcomers, *others)])
    _, everyone, cohort, believed = found.mean(0)
    assert believed == 1
    assert cohort > everyone + 0.1


def test_a_table_has_true_answers_and_both_placebos_which_are_not_believed() -> None:
    lines = table([people(500, 2)], [people(0, LEAST_LISTENERS)], tastes=1).splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines[2:]]
    assert [row[0] for row in cells] == ["true", "stars dealt out", "homes dealt out"]
    assert len({row[1] for row in cells}) == 1
    assert [row[-1] for row in cells[1:]] == ["0%", "0%"]
    assert np.isclose(float(cells[1][2].split()[0]), 0)
