"""A small population on an untrained base: it learns, goes on where it was stopped, and arms share their luck."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from serving.engine.adapters.pool import attach
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.hearing.sound import SOUND_SIZE
from serving.engine.music.plan import PLAN_CHANNELS, Feel, Key
from training.blobs import Blobs
from training.snapshot import Recipe
from training.study.features import NAMES, Ear
from training.study.population import Person, Scale
from training.study.taste import Taste
from training.study.trial.approaches import Approach, Branch, branches
from training.study.trial.brought import Brought
from training.study.trial.cycle import BASE, COLD, Population
from training.study.trial.figures import study
from training.study.trial.hearing import Member, Room
from training.study.trial.learning import Pupil, Version
from training.study.trial.making import Studio
from training.study.trial.options import parse
from training.study.trial.records import Part, Record

FEATURES = len(NAMES)
METHODS = ("signed", "distillation", "rewards", "steering", "controls+selection", "evolution")


class LoudnessEar:
    """Hears how much of each part of the sound there is; needs no other program."""

    def hear(self, waveform: torch.Tensor) -> torch.Tensor:
        level = torch.stack([part.std() for part in waveform[: FEATURES * 1000].reshape(FEATURES, 1000)]) * 10
        return 1 + 5 * (level - level.mean())


def member(number: int, folder: Path) -> Member:
    generator = torch.Generator().manual_seed(number)
    songs, files = [], []
    for place in range(2):
        latents, noise = (torch.randn(108, 8, generator=generator) for _ in range(2))
        style, plan = torch.randn(200, generator=generator), torch.zeros(108, PLAN_CHANNELS)
        sound = torch.randn(SOUND_SIZE, generator=generator)
        songs.append(Brought(style, sound, latents, noise, plan, Feel(100.0 + place, Key(place, minor=False))))
        file = folder / f"song-{number}-{place}.safetensors"
        save_file({"style": style, "sound": sound, "latents": latents, "noise": noise, "plan": plan}, file)
        files.append(str(file))
    taste = Taste(np.ones(FEATURES - 2), np.full(FEATURES - 2, 1 / (FEATURES - 2)), np.full(2, -9.0), 0.0, 0.3, 0.03)
    person = Person(f"listener {number}", {}, (), taste, number + 7)
    return Member(number, person, tuple(songs), tuple(files), unseen=number == 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("population")


@pytest.fixture(scope="module")
def population(folder: Path) -> Population:
    base = random_base(1)
    pool = attach(base.transformer, 5, Recipe().rank, torch.float32)
    arguments = [
        "--listeners",
        "2",
        "--cycles",
        "2",
        "--tracks",
        "3",
        "--first",
        "9",
        "--seconds",
        "2",
        "--train-steps",
        "3",
    ]
    options, _ = parse(arguments)
    ears = [cast("Ear", LoudnessEar())]
    members = [member(number, folder) for number in range(2)]
    return Population(
        room=Room(
            Studio(base, pool, 2.0, 1, 8),
            ears,
            Scale(np.zeros(FEATURES), np.ones(FEATURES)),
            options.tracks,
            options.first,
            Blobs(folder.as_uri()),
        ),
        members=members,
        others=(),
        options=options,
        folder=folder / "seed-1",
        seed=1,
        tell=lambda _cycle, _name, _part: None,
    )


@pytest.fixture(scope="module")
def parts(population: Population) -> dict[tuple[int, str], Part]:
    return population.run(branches(METHODS, ("stars", "permuted")))


def test_every_branch_hears_in_every_cycle_and_the_figures_come_out(parts: dict[tuple[int, str], Part]) -> None:
    found = study([parts], [{0}], torch.randn(10, 200))
    assert {(row.name, row.cycle) for row in found.rows} == {
        (f"{method} / {signal}", cycle) for method in METHODS for signal in ("stars", "permuted") for cycle in (1, 2)
    }
    assert all(len(part.records) == 2 * (3 if cycle else 9) for (cycle, _), part in parts.items())


def test_arms_of_a_cycle_share_prompts_and_the_luck_of_raters(parts: dict[tuple[int, str], Part]) -> None:
    for cycle in (1, 2):
        prompts = [[record.prompt for record in parts[cycle, name].records] for name in (COLD, BASE, "signed / stars")]
        assert prompts[0] == prompts[1] == prompts[2]
    assert [r.prompt for r in parts[1, COLD].records] != [r.prompt for r in parts[2, COLD].records]


def test_steering_changes_what_is_made_and_cold_stays_what_it_was(
    parts: dict[tuple[int, str], Part], population: Population
) -> None:
    cold, steered = (parts[2, name].records for name in (COLD, "steering / stars"))
    assert any(not torch.equal(a.tensors["latents"], b.tensors["latents"]) for a, b in zip(cold, steered, strict=True))
    again = population.room.hear(population.members, [Version()] * 2, Approach(), 2, population.folder / "again")
    for one, other in zip(cold, again, strict=True):
        assert torch.allclose(one.tensors["latents"], other.tensors["latents"], atol=1e-4)


def test_seeds_compete_unheard_for_what_an_adapter_is_to_learn(
    parts: dict[tuple[int, str], Part], population: Population
) -> None:
    for cycle, name, wishes in ((0, "cold of 4", 9), (1, "distillation-by-stars of 4", 3)):
        won = Part.load(population.folder / f"cycle-{cycle}" / name / "part.json").records
        assert len(won) == 2 * wishes
        assert all(len(each.scores) == 4 and each.scores[0] == max(each.scores) for each in won)
    alone = parts[2, "distillation / stars"].records
    assert all(not each.scores for each in alone)
    assert any(adapter is not None for adapter in parts[2, "distillation / stars"].adapters)


def test_what_is_done_is_not_made_again(parts: dict[tuple[int, str], Part], population: Population) -> None:
    file = population.folder / "cycle-2" / "signed-by-stars" / "part.json"
    stamps = {path: path.stat().st_mtime_ns for path in population.folder.rglob("part.json")}
    file.unlink()
    again = population.run(branches(METHODS, ("stars", "permuted")))
    made = {path for path in stamps if path.stat().st_mtime_ns != stamps[path]}
    assert made == {file}
    first, second = ([record.satisfaction for record in each[2, "signed / stars"].records] for each in (parts, again))
    assert first == pytest.approx(second, abs=1e-3)


def test_a_placebo_knows_no_true_stars_of_others_either(
    population: Population, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Sequence[Pupil]] = {}

    def spy(
        _base: object, branch: Branch, pupils: Sequence[Pupil], others: Sequence[Pupil], *_: object
    ) -> list[Version]:
        told[branch.signal] = others
        return [Version()] * len(pupils)

    monkeypatch.setattr("training.study.trial.cycle.versions", spy)
    rated = [
        Record(2, f"track {place}", "a tune", "", 100.0, minor=False, satisfaction=0.5, stars=5 if place < 8 else 1,
               heard=1.0, tempo_kept=None, instrument=None, copied=0.0)
        for place in range(16)
    ]  # fmt: skip
    once = replace(population.options, cycles=1, tracks=2, first=2)
    beside = replace(population, options=once, folder=tmp_path, others=[Pupil(2, (), torch.ones(4), rated, None)])
    beside.run(branches(("selection-4",), ("stars", "permuted")))
    true, dealt = ([record.stars for record in told[signal][0].heard] for signal in ("stars", "permuted"))
    assert true == [5] * 8 + [1] * 8
    assert Counter(dealt) == Counter(true)
    assert dealt != true
