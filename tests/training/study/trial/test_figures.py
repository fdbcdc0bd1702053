"""The study's figures on parts whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from training.study.trial.approaches import branches
from training.study.trial.cycle import BASE, COLD
from training.study.trial.figures import Parts, estimate, study
from training.study.trial.records import Part, Record
from training.study.trial.report import markdown, picture

LISTENERS, TRACKS = 20, 6


def part(folder: Path, name: str, above: float, seed: int) -> Part:
    """Tracks of an arm whose listeners are so many stars more satisfied than those of cold, with noise of their own."""
    rng = np.random.default_rng(seed)
    file = folder / f"{name}.safetensors"
    if not file.exists():
        save_file({"style": torch.randn(200, generator=torch.Generator().manual_seed(seed))}, file)
    found = []
    for listener in range(LISTENERS):
        level = 2.5 + np.random.default_rng(listener).normal(0, 0.8) + above
        for track in range(TRACKS):
            stars = float(np.clip(level + rng.normal(0, 0.2), 1, 5))
            asked = track % 3 == 0
            found.append(
                Record(
                    listener=listener, key=f"{name} {listener} {track}", prompt="", file=str(file), bpm=100.0,
                    minor=False, satisfaction=(stars - 1) / 4, stars=3, heard=1.0, tempo_kept=True if asked else None,
                    instrument=None, copied=0.5, scores=(0.5, 0.25),
                )
            )  # fmt: skip
    return Part(found, [None] * LISTENERS, learning_s=40.0, making_s=60.0)


@pytest.fixture
def populations(tmp_path: Path) -> list[Parts]:
    found: list[Parts] = []
    for seed in (1, 2):
        arms = {COLD: 0.0, BASE: -0.8, "signed / stars": 0.3, "signed / permuted": 0.0}
        parts = {
            (1, name): part(tmp_path, name.replace(" / ", "-"), above, seed * 10 + place)
            for place, (name, above) in enumerate(arms.items())
        }
        found.append({(0, COLD): parts[1, COLD], **parts})
    return found


def test_a_planted_gain_is_found_with_its_interval_and_the_placebo_is_not_told_from_nothing(
    populations: list[Parts],
) -> None:
    found = study(populations, [{0, 1}, {2}], torch.randn(12, 200))
    true, placebo = (next(row for row in found.rows if row.name == f"signed / {s}") for s in ("stars", "permuted"))
    assert abs(true.over_cold.mean - 0.3) < 0.1
    assert true.over_cold.low > 0.1
    assert true.over_cold.listeners == 2 * LISTENERS
    assert placebo.over_cold.low < 0 < placebo.over_cold.high
    assert true.unseen is not None
    assert true.unseen.listeners == 3
    assert true.clearly_worse < 0.1
    assert (true.learning_s, true.making_s) == (2.0, 0.5)
    assert true.tempo == 0.0
    assert found.shares["ratings: signed / stars - permuted"].low > 0.1
    assert found.shares["songs: cold - base"].low > 0.5


def test_the_table_says_in_words_what_is_not_told_from_zero(populations: list[Parts]) -> None:
    table = markdown(study(populations, [set(), set()], torch.randn(12, 200)))
    line = next(line for line in table.splitlines() if line.startswith("| signed / permuted - cold"))
    assert "not told from 0" in line
    assert picture(study(populations, [set(), set()], torch.randn(12, 200))).count("<polyline") == 2


def test_tracks_of_one_listener_are_no_independent_trials() -> None:
    few, many = estimate([0.1, 0.5, -0.2]), estimate([0.1, 0.5, -0.2] * 10)
    assert few.mean == pytest.approx(many.mean)
    assert few.high - few.low > 4 * (many.high - many.low)
    assert estimate([0.4]).low == -np.inf


def test_a_part_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    one = part(tmp_path, "cold", 0.0, 1)
    one.save(tmp_path / "deep" / "part.json")
    assert vars(Part.load(tmp_path / "deep" / "part.json")) == vars(one)


def test_songs_have_no_placebo_and_everything_else_has_one() -> None:
    names = [branch.name for branch in branches(("songs", "signed"), ("stars", "permuted"))]
    assert names == ["songs / stars", "signed / stars", "signed / permuted"]


def test_without_any_signal_only_what_chooses_is_left() -> None:
    names = [branch.name for branch in branches(("songs", "signed", "selection-4"), ("stars", "none"))]
    assert names == ["songs / stars", "signed / stars", "selection-4 / stars", "selection-4 / none"]


def test_over_all_cycles_a_listener_is_worse_off_by_all_they_heard(populations: list[Parts]) -> None:
    [first, *_] = populations
    better, worse = first[1, "signed / stars"], first[1, "signed / permuted"]
    once = {(1, "a / stars"): better, (2, "a / stars"): worse, (1, COLD): first[1, COLD], (2, COLD): first[1, COLD]}
    found = study([{(0, COLD): worse, (1, BASE): worse, (2, BASE): worse, **once}], [set()], torch.randn(12, 200))
    one, other = (row.over_cold.mean for row in found.rows)
    assert found.overall["a / stars - cold"].mean == pytest.approx((one + other) / 2)
    assert found.shares["a / stars - cold"].mean == pytest.approx(other)
    assert found.worse_off["a / stars"] < 0.2 < found.rows[1].worse_off
    assert "| a / stars | " in markdown(found).split("worse off by all they heard")[1]
