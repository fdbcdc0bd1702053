"""A track that repeats a song of its listener is made again, and not stored if it does so each time."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import torch
from safetensors.torch import load

from schemas.generation import GenerationRequest, Progress, SongFacts, SongRequest
from serving import tracks as making
from serving.audio import Levelled, read_song
from serving.blobs import Blobs
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.engine import Engine
from serving.engine.hearing.melody import NOTES
from serving.engine.params import Job, Limits
from serving.engine.ticket import Notify, Ticket
from serving.errors import Refused
from serving.features import dump_features
from serving.judge import Sound, heard
from serving.originals import ATTEMPTS, Originals, beside
from serving.songs import take_song
from serving.studio import Studio
from serving.tracks import Tracks
from tests.serving.engine.hearing.test_melody import tune
from tests.serving.sounds import encoded

LISTENER = UUID("018f0000-0000-7000-8000-000000000001")


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    engine = Engine(random_base(0), Limits(rows=4, queue=4, slots=4, rank=4))
    engine.start()
    yield Studio(engine.base, engine, Blobs(tmp_path.as_uri()), decoders=1)
    engine.stop(drain_s=0)


@pytest.fixture
def song(studio: Studio, tmp_path: Path) -> SongFacts:
    source = f"{tmp_path.as_uri()}/incoming/one"
    studio.blobs.write(source, encoded(tune(1).numpy()))
    wish = SongRequest(song_id=uuid4(), source=source, destination=f"{tmp_path.as_uri()}/songs/one")
    return asyncio.run(take_song(studio, wish))


class Counted:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def made(studio: Studio, again: Counted, **wish: Any) -> list[Progress]:
    request = GenerationRequest(
        track_id=uuid4(), listener_id=LISTENER, arm="champion", seconds=8.0, seed=5,
        destination=f"{studio.blobs.url('tracks')}/one", **wish,
    )  # fmt: skip

    async def collect() -> list[Progress]:
        return [progress async for progress in Tracks(studio, 120, again=again).make(request)]

    return asyncio.run(collect())


@pytest.fixture
def seeds(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Where each attempt started."""
    starts: list[torch.Tensor] = []
    submit = studio.submit

    def kept(job: Job, notify: Notify | None = None) -> Ticket:
        if job.listener == str(LISTENER):  # not those that seek a song's noise
            starts.append(job.start)
        return submit(job, notify)

    monkeypatch.setattr(studio, "submit", kept)
    return starts


def sounding_like(studio: Studio, song: SongFacts, monkeypatch: pytest.MonkeyPatch, attempts: int) -> None:
    """The first attempts sound like the song."""
    whole = read_song(studio.blobs.read(song.audio_url, field="file")).waveform
    left = [attempts]

    def copied(studio: Studio, waveform: torch.Tensor, seconds: float) -> Sound:
        sound = heard(studio, waveform, seconds)
        left[0] -= 1
        return sound if left[0] < 0 else replace(sound, audio=Levelled(whole[: 8 * 22_050], -16.0))

    monkeypatch.setattr(making, "heard", copied)


def test_a_songs_notes_are_stored_beside_its_features(studio: Studio, song: SongFacts) -> None:
    notes = load(studio.blobs.read(beside(song.features_url), field="songs"))["notes"]
    assert notes.dtype == torch.uint8
    assert notes.shape[1] == NOTES
    assert notes.any()


@pytest.mark.parametrize("named", ["songs", "known"])
def test_a_track_that_repeats_a_song_is_made_again_from_another_seed(
    studio: Studio, song: SongFacts, seeds: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    sounding_like(studio, song, monkeypatch, attempts=1)
    again = Counted()
    progress = made(studio, again, **{named: (song.features_url,)})
    assert progress[-1].track is not None
    assert again.times == 1
    first, second = seeds
    assert not torch.equal(first, second)
    stored = read_song(studio.blobs.read(progress[-1].track.audio_url, field="file")).waveform
    whole = read_song(studio.blobs.read(song.audio_url, field="file")).waveform[: len(stored)]
    assert np.corrcoef(stored, whole)[0, 1] < 0.5


def test_one_that_repeats_it_each_time_fails_with_the_reason_and_leaves_nothing(
    studio: Studio, song: SongFacts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sounding_like(studio, song, monkeypatch, attempts=99)
    again = Counted()
    with pytest.raises(Refused) as caught:
        made(studio, again, known=(song.features_url,))
    assert (caught.value.status, caught.value.problem.code) == (409, "repeats_a_song")
    assert again.times == ATTEMPTS
    assert not (tmp_path / "tracks").exists()
    assert studio.engine.state().rows == 0


def test_songs_without_notes_and_songs_that_are_gone_are_not_compared(
    studio: Studio, song: SongFacts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sounding_like(studio, song, monkeypatch, attempts=99)
    (tmp_path / "songs/one/notes.safetensors").unlink()
    again = Counted()
    known = (song.features_url, f"{tmp_path.as_uri()}/songs/gone/features.safetensors")
    assert made(studio, again, known=known)[-1].stage == "done"
    assert again.times == 0


def test_that_a_song_has_no_notes_is_found_once(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    read = studio.blobs.read

    def counted(url: str, field: str) -> bytes:
        asked.append(url)
        return read(url, field=field)

    monkeypatch.setattr(studio.blobs, "read", counted)
    originals = Originals(studio)
    for _ in range(2):
        assert asyncio.run(originals.notes([f"{tmp_path.as_uri()}/songs/x/features.safetensors"])) == []
    assert len(asked) == 1


def test_what_are_no_notes_is_refused(studio: Studio, tmp_path: Path) -> None:
    url = f"{tmp_path.as_uri()}/songs/x/features.safetensors"
    studio.blobs.write(beside(url), dump_features(notes=torch.zeros(4, 3)))
    with pytest.raises(Refused) as caught:
        made(studio, Counted(), known=(url,))
    assert (caught.value.status, caught.value.problem.code) == (422, "bad_features")
