"""The sketch beside a base: read where it fits, left alone where it is another's, refused where it is broken."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from serving.engine.bases.shipped.checkpoint import load_shipped, random_base
from serving.engine.bases.shipped.sketch import FILE, SHAPES, Fitted, read_sketch, write_sketch
from serving.engine.errors import BaseError
from serving.engine.hearing.sound import NAMES, SOUND_SIZE, sound_of
from serving.engine.hearing.style import STYLE_SIZE, resample
from training.study.features import SAMPLE_RATE
from training.study.population import SONGS, load_waveform

BASE = Path(__file__).parents[5] / "serving/base"
HASH = "a" * 64


def some() -> Fitted:
    generator = torch.Generator().manual_seed(0)
    return Fitted(**{name: torch.rand(shape, generator=generator) + 0.5 for name, shape in SHAPES.items()})


def test_what_was_written_is_read_by_its_own_base_alone(tmp_path: Path) -> None:
    codec = random_base(0).codec
    assert read_sketch(tmp_path, codec, HASH) is None
    write_sketch(tmp_path, HASH, some())
    found = read_sketch(tmp_path, codec, HASH)
    assert found is not None
    numbers = torch.rand(3, SHAPES["centre"][0])
    torch.testing.assert_close(found.fitted(numbers), some()(numbers))
    style, sound = found(torch.zeros(2, 40, codec.latent_channels))
    assert (style.shape, sound.shape) == ((2, STYLE_SIZE), (2, SOUND_SIZE))
    assert read_sketch(tmp_path, codec, "b" * 64) is None


@pytest.mark.parametrize("value", [torch.zeros(3), torch.full(SHAPES["usual"], torch.nan)])
def test_what_is_broken_is_refused(tmp_path: Path, value: torch.Tensor) -> None:
    write_sketch(tmp_path, HASH, some())
    path = tmp_path / FILE
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
    save_file(load_file(path) | {"usual": value}, path, metadata=about)
    with pytest.raises(BaseError, match="usual"):
        read_sketch(tmp_path, random_base(0).codec, HASH)
    path.write_bytes(b"broken")
    with pytest.raises(BaseError, match="not a safetensors file"):
        read_sketch(tmp_path, random_base(0).codec, HASH)


def test_the_shipped_base_has_one_that_tells_how_songs_sound() -> None:
    base = load_shipped(BASE)
    assert base.sketch is not None
    told, heard = [], []
    for path in sorted(SONGS.glob("*-1.ogg")):
        song = resample(load_waveform(path)[None, : 10 * SAMPLE_RATE], SAMPLE_RATE, base.codec.sample_rate)
        told.append(base.sketch(base.codec.encode(song))[1][0])
        heard.append(sound_of(song[0], base.codec.sample_rate))
    both = torch.stack([torch.stack(told), torch.stack(heard)])
    centred = both - both.mean(1, keepdim=True)
    alike = (centred[0] * centred[1]).sum(0) / (centred[0].norm(dim=0) * centred[1].norm(dim=0))
    told_well = dict(zip(NAMES, alike.tolist(), strict=True))
    # Of tempo it is not asked.
    del told_well["tempo"]
    assert min(told_well.values()) > 0.6
