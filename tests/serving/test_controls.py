"""What a request steers a track by reaches the engine as it was said; what it leaves open is the songs' own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from schemas.generation import Controls, GenerationRequest
from serving.blobs import Blobs
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.engine import Engine
from serving.engine.music.noise import fresh
from serving.engine.params import Job, Limits
from serving.engine.ticket import Notify, Ticket
from serving.studio import Studio
from tests.serving.sounds import encoded, melody
from tests.serving.test_studio import code, made, request, song


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    engine = Engine(random_base(0), Limits(rows=4, queue=4, slots=4, rank=4))
    engine.start()
    yield Studio(engine.base, engine, Blobs(tmp_path.as_uri()), decoders=1)
    engine.stop(drain_s=0)


@pytest.fixture
def root(tmp_path: Path) -> str:
    return tmp_path.as_uri()


def job_of(studio: Studio, what: GenerationRequest, monkeypatch: pytest.MonkeyPatch) -> Job:
    """The job that a request becomes."""
    jobs, submit = [], studio.submit

    def kept(job: Job, notify: Notify | None = None) -> Ticket:
        jobs.append(job)
        return submit(job, notify)

    with monkeypatch.context() as patch:
        patch.setattr(studio, "submit", kept)
        made(studio, what)
    # Before it comes the search for the noise of a song that was only just taken in.
    return jobs[-1]


def test_a_song_tells_its_style_and_the_base_that_described_it(studio: Studio, root: str) -> None:
    facts = song(studio, root, encoded(melody(12)))
    style = load(studio.blobs.read(facts.features_url, field="file"))["style"]
    assert facts.style == tuple(style.tolist())
    assert facts.base_hash == studio.base.manifest.base_hash


def test_a_style_and_a_share_of_fresh_noise_take_the_place_of_the_songs_own(
    studio: Studio, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = song(studio, root, encoded(melody(12)))
    size = studio.base.conditions.style_size
    controls = Controls(style=(0.5,) * size, fresh=1.0)
    plain = job_of(studio, request(root, songs=(facts.features_url,)), monkeypatch)
    steered = job_of(studio, request(root, songs=(facts.features_url,), controls=controls), monkeypatch)
    assert torch.equal(steered.style, torch.full((size,), 0.5))
    torch.testing.assert_close(steered.start, fresh(1, *steered.start.shape))
    assert plain.style.tolist() == list(facts.style or ())
    assert not torch.allclose(plain.start, steered.start)


def test_a_style_of_another_base_is_refused(studio: Studio, root: str) -> None:
    what = request(root, controls=Controls(style=(0.5, 0.5)))
    assert code(studio, what) == (422, "other_base", "controls.style")
