"""The picture of the model card: generated clips beside held-out ones, as log-mels.

    python -m training.base.figure [--base FOLDER] [--to FILE]

Not a measure: it shows whether there are harmonics, onsets and melody steps.
"""

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from serving.engine.bases.shipped.checkpoint import ShippedBase, load_shipped
from training.base.config import Recipe
from training.base.judges.making import from_prompts, through_codec
from training.base.judges.sets import stretch
from training.base.render import SAMPLES_PER_FRAME
from training.base.ship import DEFAULT_FOLDER
from training.base.songs import DEFAULT_FOLDER as SONGS

IMAGES = Path(__file__).parents[2] / "docs" / "images"
DEFAULT_FILE = IMAGES / "base_spectrograms.png"
STYLES = (
    "slow solo piano", "fast fiddle reel", "flute air", "brass march",
    "synth dance", "hard rock", "acoustic guitar", "chorale",
)  # fmt: skip
BANDS = 96
COLOURS = 64


def prompt(song: dict[str, Any]) -> str:
    """What a listener would write to get a song like this one."""
    drums = "with drums" if song["drums"] else "no drums"
    return f"{song['style']}, {song['instrument']}, {song['pace']}, {drums}, {song['key']}, {song['tempo_bpm']} bpm"


def draw(base: ShippedBase, path: Path) -> None:
    """Writes the figure: real, real after the codec, and generated, one row for each of `STYLES`."""
    samples = Recipe().clips.frames * SAMPLES_PER_FRAME
    songs = json.loads((SONGS / "songs.json").read_text())
    firsts = [next(song for song in songs if song["style"] == style) for style in STYLES]
    real = torch.stack([stretch(SONGS / song["file"], 0.0, samples) for song in firsts])
    prompts = [prompt(song) for song in firsts]
    sets = (real, through_codec(base, real), from_prompts(base, prompts, samples))
    rows = []
    for index, (song, text) in enumerate(zip(firsts, prompts, strict=True)):
        titles = (f"held-out song: {song['style']}", "through the codec", f"generated: “{text}”")
        rows.append([(title, audio[index]) for title, audio in zip(titles, sets, strict=True)])
    draw_rows(base, rows, path)


def draw_rows(base: ShippedBase, rows: Sequence[Sequence[tuple[str, Tensor]]], path: Path) -> None:
    """A picture of titled audio [samples], row by row."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot
    from PIL import Image

    width = max(map(len, rows))
    figure, axes = pyplot.subplots(len(rows), width, figsize=(4.4 * width, 1.5 * len(rows)), squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for axis, (title, audio) in zip(line, row, strict=True):
            seconds = len(audio) / base.codec.sample_rate
            axis.imshow(_picture(base, audio), origin="lower", aspect="auto", cmap="magma",
                        vmin=-6, vmax=1.5, extent=(0, seconds, 0, BANDS))  # fmt: skip
            axis.set_title(title, fontsize=7)
            axis.tick_params(labelsize=6)
            axis.set_yticks([])
    figure.supxlabel("seconds", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=75)
    # A palette: a third of the size, and no visible difference.
    Image.open(buffer).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    pyplot.close(figure)


def _picture(base: ShippedBase, audio: Tensor) -> Tensor:
    with torch.inference_mode():
        mel: Tensor = base.codec.mel(audio[None].clamp(-1, 1))
    return mel[0, :BANDS]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--to", type=Path, default=DEFAULT_FILE)
    options = parser.parse_args()
    draw(load_shipped(options.base), options.to)


if __name__ == "__main__":
    main()
