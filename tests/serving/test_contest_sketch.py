"""Where a base has a sketch, seeds are looked at halfway without being heard, and who is dropped takes no step more."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from schemas.generation import Dials, TrackFacts
from serving.blobs import Blobs
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.engine import Engine
from serving.engine.hearing.sound import SOUND_SIZE
from serving.engine.params import Limits, StepReport
from serving.judge import Judge
from serving.studio import Studio
from serving.tracks import Tracks
from tests.serving.sounds import encoded, melody
from tests.serving.test_studio import request, song

ROWS, STEPS = 8, 8


class Looks:
    """A sketch that likes the first seed best, and the second next."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []
        self.wanted = torch.zeros(0)

    def __call__(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        self.asked.append(tuple(latents.shape))
        turned = self.wanted.roll(1)
        styles = [self.wanted + place * turned for place in range(len(latents))]
        return torch.stack(styles), torch.zeros(len(latents), SOUND_SIZE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sketch")


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def reports() -> list[StepReport]:
    return []


@pytest.fixture
def studio(folder: Path, looks: Looks, reports: list[StepReport], monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    # However slow the machine, who rests waits to be woken.
    monkeypatch.setattr("serving.engine.engine.REST_S", 600.0)
    base = replace(random_base(0), sketch=looks)
    engine = Engine(base, Limits(rows=ROWS, queue=8, slots=4, rank=4), observe=reports.append)
    engine.start()
    yield Studio(base, engine, Blobs(folder.as_uri()), decoders=1)
    engine.stop(drain_s=0)


@pytest.fixture
def songs(studio: Studio, folder: Path) -> tuple[str, ...]:
    return (song(studio, folder.as_uri(), encoded(melody(6))).features_url,)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch, looks: Looks) -> list[int]:
    """Frames of what the judge heard."""
    found: list[int] = []
    hear = Judge.hear

    def counted(self: Judge, latents: Tensor, seconds: float) -> object:
        found.append(len(latents))
        return hear(self, latents, seconds)

    sketched = Judge.sketched

    def told(self: Judge, latents: list[Tensor]) -> list[float]:
        looks.wanted = self.wanted
        return sketched(self, latents)

    monkeypatch.setattr(Judge, "hear", counted)
    monkeypatch.setattr(Judge, "sketched", told)
    return found


def made(studio: Studio, folder: Path, songs: tuple[str, ...], **changes: object) -> TrackFacts:
    async def last() -> TrackFacts | None:
        what = request(folder.as_uri(), songs=songs, prompt="", seeds=4, **changes)
        return [progress async for progress in Tracks(studio, 120, 8).make(what)][-1].track

    facts = asyncio.run(last())
    assert facts is not None
    return facts


def test_the_worse_half_leaves_the_batch_without_having_been_heard(
    studio: Studio, folder: Path, songs: tuple[str, ...], looks: Looks, heard: list[int], reports: list[StepReport]
) -> None:
    made(studio, folder, songs)  # finds the song's noise
    for kept in (looks.asked, heard, reports):
        kept.clear()
    facts = made(studio, folder, songs)
    frames = studio.base.codec.frames_for(2.0)
    assert looks.asked == [(4, frames, 8)]
    assert heard == [frames] * 2
    assert [each.final is not None for each in facts.selection] == [True, True, False, False]
    halfway = [each.halfway or 0.0 for each in facts.selection]
    assert halfway == sorted(halfway, reverse=True)
    # Two rows a seed: all four until the look, the better half after it.
    assert sum(report.rows for report in reports) == ROWS * STEPS // 2 + ROWS // 2 * STEPS // 2
    assert studio.engine.state().rows == 0


def test_with_a_dial_seeds_are_heard_halfway(
    studio: Studio, folder: Path, songs: tuple[str, ...], looks: Looks, heard: list[int]
) -> None:
    facts = made(studio, folder, songs, dials=Dials(production=1.0))
    assert looks.asked == []
    assert len(heard) == 4 + 2
    assert all(each.rewards is not None for each in facts.selection)
