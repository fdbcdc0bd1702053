"""A song answers before its noise is found; the noise follows, and what a killed replica left the next track finds."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import torch
from safetensors.torch import load

from schemas.generation import SongFacts, SongRequest
from serving.blobs import Blobs
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.engine import Engine
from serving.engine.params import Job, Limits
from serving.engine.ticket import Notify, Ticket
from serving.features import dump_features, parse_song
from serving.songs import take_song
from serving.studio import Studio
from serving.tracks import Tracks
from tests.serving.sounds import encoded, melody
from tests.serving.test_studio import code, made, request


class Counting(Engine):
    """Remembers who submitted jobs."""

    def __init__(self) -> None:
        super().__init__(random_base(0), Limits(rows=4, queue=4, slots=4, rank=4))
        self.listeners: list[str] = []

    def submit(self, job: Job, notify: Notify | None = None) -> Ticket:
        self.listeners.append(job.listener)
        return super().submit(job, notify)


@contextmanager
def replica(folder: Path, *, steps: bool) -> Iterator[tuple[Studio, Counting]]:
    """One whose engine steps, or stands still from the beginning."""
    engine = Counting()
    if steps:
        engine.start()
    yield Studio(engine.base, engine, Blobs(folder.as_uri()), decoders=1), engine
    if steps:
        engine.stop(drain_s=0)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with replica(tmp_path, steps=True) as (studio, _):
        yield studio


async def taken(studio: Studio, folder: Path) -> SongFacts:
    root = folder.as_uri()
    studio.blobs.write(f"{root}/incoming/one", encoded(melody(12)))
    return await take_song(
        studio, SongRequest(song_id=uuid4(), source=f"{root}/incoming/one", destination=f"{root}/songs/one")
    )


def noise_file(folder: Path) -> Path:
    return folder / "songs/one/noise.safetensors"


def test_the_song_answers_while_the_engine_stands_still(tmp_path: Path) -> None:
    with replica(tmp_path, steps=False) as (studio, _):
        facts = asyncio.run(asyncio.wait_for(taken(studio, tmp_path), 60))
        assert not noise_file(tmp_path).exists()
        assert studio.blobs.read(facts.audio_url, field="file")


def test_the_noise_follows_and_is_found_once_however_many_ask(tmp_path: Path) -> None:
    async def play(studio: Studio) -> None:
        facts = await taken(studio, tmp_path)
        features = parse_song(studio.blobs.read(facts.features_url, field="songs"), studio.base)
        first, second = await asyncio.gather(*(studio.noises.of(facts.features_url, features) for _ in range(2)))
        assert torch.equal(first, second)
        assert torch.equal(first, await studio.noises.of(facts.features_url, features))
        assert torch.equal(load(noise_file(tmp_path).read_bytes())["noise"], first)
        assert first.shape == features["latents"].shape
        assert (first - features["latents"]).abs().max() > 0.01

    with replica(tmp_path, steps=True) as (studio, engine):
        asyncio.run(play(studio))
        assert len(engine.listeners) == 1


def test_what_a_killed_replica_left_the_first_track_finds(tmp_path: Path) -> None:
    with replica(tmp_path, steps=False) as (studio, _):
        facts = asyncio.run(taken(studio, tmp_path))
    with replica(tmp_path, steps=True) as (studio, _):
        what = request(tmp_path.as_uri(), songs=(facts.features_url,))
        assert made(studio, what)[-1].stage == "done"
        assert noise_file(tmp_path).exists()


def test_one_who_leaves_does_not_take_it_from_the_others(studio: Studio, tmp_path: Path) -> None:
    async def play() -> None:
        facts = await taken(studio, tmp_path)
        features = parse_song(studio.blobs.read(facts.features_url, field="songs"), studio.base)
        leaves = asyncio.ensure_future(studio.noises.of(facts.features_url, features))
        await asyncio.sleep(0)
        leaves.cancel()
        assert (await studio.noises.of(facts.features_url, features)).shape == features["latents"].shape

    asyncio.run(play())


def test_songs_of_a_former_version_bring_their_noise_along(studio: Studio, tmp_path: Path) -> None:
    facts = asyncio.run(taken(studio, tmp_path))
    features = parse_song(studio.blobs.read(facts.features_url, field="songs"), studio.base)
    own = torch.ones_like(features["latents"])
    url = f"{tmp_path.as_uri()}/songs/old/features.safetensors"
    studio.blobs.write(url, dump_features(**features, noise=own))
    assert torch.equal(asyncio.run(Tracks(studio, deadline_s=120)._song(url)).noise, own)


BAD = (b"no tensors", dump_features(noise=torch.ones(3, 2)), dump_features(other=torch.ones(1)))


@pytest.mark.parametrize("bad", BAD)
def test_a_noise_that_is_none_is_refused_by_name(bad: bytes, tmp_path: Path) -> None:
    with replica(tmp_path, steps=False) as (studio, _):
        facts = asyncio.run(taken(studio, tmp_path))
        noise_file(tmp_path).write_bytes(bad)
        assert code(studio, request(tmp_path.as_uri(), songs=(facts.features_url,))) == (422, "bad_features", "songs")
