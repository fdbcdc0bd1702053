"""A song in and a personal track out on an ACE-Step checkpoint: the replica's path, no Ray."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from safetensors.torch import load

from schemas.generation import GenerationRequest, SongRequest
from serving.audio import read_song
from serving.blobs import Blobs
from serving.engine.bases.load import load_base
from serving.engine.engine import Engine
from serving.engine.hearing.sound import SOUND_SIZE
from serving.engine.params import Limits
from serving.songs import take_song
from serving.studio import Studio
from serving.tracks import Tracks
from tests.serving.engine.miniature import CHANNELS, HIDDEN, save
from tests.serving.sounds import encoded, melody

LISTENER = UUID("018f0000-0000-7000-8000-000000000001")


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    save(tmp_path / "checkpoint", turbo=True)
    engine = Engine(load_base(tmp_path / "checkpoint"), Limits(rows=4, queue=4, slots=4, rank=4))
    engine.start()
    yield Studio(engine.base, engine, Blobs(tmp_path.as_uri()), decoders=1)
    engine.stop(drain_s=0)


def test_a_song_changes_the_track_and_the_track_is_in_the_store(studio: Studio, tmp_path: Path) -> None:
    root = tmp_path.as_uri()
    studio.blobs.write(f"{root}/incoming/one", encoded(melody(12, 44_100), 44_100, channels=2))
    wish = SongRequest(song_id=uuid4(), source=f"{root}/incoming/one", destination=f"{root}/songs/one")
    song = asyncio.run(take_song(studio, wish))
    features = load(studio.blobs.read(song.features_url, field="file"))
    assert {name: tuple(value.shape) for name, value in features.items()} == {
        "style": (HIDDEN,), "sound": (SOUND_SIZE,), "latents": (250, CHANNELS),
        "feel": (3,), "plan": (250, 0),
    }  # fmt: skip

    async def made(songs: tuple[str, ...]) -> bytes:
        request = GenerationRequest(
            track_id=uuid4(), listener_id=LISTENER, arm="champion", prompt="piano", seconds=2.0, seed=1, songs=songs,
            destination=f"{root}/tracks/{len(songs)}",
        )  # fmt: skip
        facts = [progress async for progress in Tracks(studio, deadline_s=120).make(request)][-1].track
        assert facts is not None
        assert read_song(studio.blobs.read(facts.audio_url, field="file")).seconds == pytest.approx(2.0)
        return studio.blobs.read(facts.features_url, field="file")

    plain, own = (load(asyncio.run(made(songs)))["latents"] for songs in ((), (song.features_url,)))
    assert plain.shape == own.shape
    assert (plain - own).abs().max() > 0.01
