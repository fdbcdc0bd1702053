"""An upload becomes a listener, a round gives the listener an adapter, and the report tells what it changed."""

from pathlib import Path

import pytest
import soundfile
import torch

from serving.engine.bases.shipped.checkpoint import ShippedBase, random_base
from training.base.uploads import SEEDS, Upload, adapted_tracks, closeness, report, tracks, train, upload
from training.snapshot import Recipe


@pytest.fixture(scope="module")
def base() -> ShippedBase:
    return random_base(0)


@pytest.fixture(scope="module")
def uploads(base: ShippedBase, tmp_path_factory: pytest.TempPathFactory) -> list[Upload]:
    folder = tmp_path_factory.mktemp("songs")
    time = torch.arange(31 * 22_050) / 22_050
    beeps = torch.sin(2 * torch.pi * 440 * time) * (time % 0.25 < 0.1)
    drone = torch.sin(2 * torch.pi * 110 * time) + torch.sin(2 * torch.pi * 165 * time)
    for name, audio in (("beeps", beeps), ("drone", drone)):
        soundfile.write(folder / f"{name}.ogg", (0.3 * audio).numpy(), 22_050)
    return [upload(base, folder / f"{name}.ogg") for name in ("beeps", "drone")]


def test_a_song_is_closest_to_itself(base: ShippedBase, uploads: list[Upload]) -> None:
    table = closeness(base, uploads, [each.audio[None] for each in uploads])
    assert (table.diagonal() > 0.9).all()
    assert (table.diagonal() > table.flip(0).diagonal()).all()
    assert all(each.noise.shape == each.latents.shape for each in uploads)


def test_a_round_changes_what_listeners_get(base: ShippedBase, uploads: list[Upload], tmp_path: Path) -> None:
    recipe = Recipe(steps=4, crop_frames=64)
    before = [tracks(base, song, None, 0) for song in uploads]
    outcomes = train(base, uploads, recipe, tmp_path)
    assert [outcome.steps for outcome in outcomes] == [4, 4]
    after = adapted_tracks(base, uploads, outcomes, recipe.rank, tmp_path)
    for first, second, outcome in zip(before, after, outcomes, strict=True):
        assert first.shape == second.shape == (SEEDS, len(uploads[0].audio))
        assert torch.equal(first, second) != bool(outcome.url)
    assert any(outcome.url for outcome in outcomes)
    # The base is left as it was.
    assert torch.equal(tracks(base, uploads[0], None, 0), before[0])
    text = report(uploads, outcomes, closeness(base, uploads, before), closeness(base, uploads, after))
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["beeps", "drone"]
