"""The sets of clips that are compared, each the same at every run: held-out tunes and recordings, and noise floors.

A tune or recording that the base may have heard is in none of them.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from serving.engine.bases.shipped.codec import REFERENCE_RMS
from training.base.arrange import NAMES, Facts, arrange
from training.base.captions import caption
from training.base.config import Recipe
from training.base.recordings import SUFFIXES, held_out, passage
from training.base.render import QUIET, SAMPLE_RATE, Player, level
from training.base.tunes import Tune

# Packages that no training of a base has ever used; of the others, whole recordings were held out.
UNHEARD = ("lincity-ng-data", "supertux-data")
# What is shorter is a jingle or a sound effect.
SHORTEST_SECONDS = 30.0
STREAM = 1 << 23
COMPOUND_BARS = (1.5, 3.0, 4.5)
CHORALE_SHARE = 0.12
# From the middle of a band to its edge.
THIRD_OF_OCTAVE = 2 ** (1 / 6)


@dataclass(frozen=True)
class Request:
    """A prompt that states instrument, tempo and key, and the facts it was made from."""

    prompt: str
    facts: Facts
    compound: bool

    @property
    def key(self) -> tuple[int, bool]:
        """Tonic (0 = C) and whether the mode is minor."""
        return NAMES.index(self.facts.key.rsplit(" ", 1)[0]), self.facts.minor


@dataclass(frozen=True, eq=False)
class Clips:
    """Audio [clips, samples] at 22,050 Hz, and of rendered ones the requests that describe them."""

    audio: Tensor
    requests: tuple[Request, ...] = ()

    def __len__(self) -> int:
        return len(self.audio)


def rendered(
    tunes: Sequence[Tune], recipe: Recipe, player: Player, count: int, stream: tuple[int, ...], samples: int
) -> Clips:
    """Clips of tunes that last long enough, in random arrangements, one in eight a chorale as in training.

    Args:
        tunes: to draw from.
        stream: another number gives other clips.
        samples: of a clip.
    """
    audio: list[Tensor] = []
    requests: list[Request] = []
    index = 0
    while len(requests) < count:
        rng = np.random.default_rng([recipe.seed, STREAM, *stream, index])
        index += 1
        pool = [tune for tune in tunes if (tune.collection == "bach") == (rng.random() < CHORALE_SHARE)]
        tune = pool[int(rng.integers(len(pool)))] if pool else tunes[0]
        made = arrange(tune, rng)
        seconds = samples / SAMPLE_RATE
        if made.seconds < seconds:
            continue
        start = float(rng.uniform(0, made.seconds - seconds))
        sound = player.play(made, start, seconds).mean(1)
        if np.sqrt(np.mean(sound**2)) > QUIET:
            audio.append(torch.from_numpy(np.pad(level(sound), (0, max(0, samples - len(sound))))[:samples]))
            requests.append(Request(full_caption(made.facts, rng), made.facts, tune.bar in COMPOUND_BARS))
    return Clips(torch.stack(audio), tuple(requests))


def full_caption(facts: Facts, rng: np.random.Generator) -> str:
    """A caption such as training has, of those that state instrument, tempo and key."""
    while True:
        text = caption(facts, rng)
        if all(said in text for said in (facts.instrument, f"{facts.bpm} bpm", facts.key)):
            return text


def recordings(folders: Sequence[Path]) -> list[Path]:
    """The recordings in unpacked packages that were kept from training, in an order that mixes the packages."""
    paths = (path for folder in folders for path in folder.rglob("*") if path.suffix in SUFFIXES)
    kept = [path for path in paths if _unheard(path) and soundfile.info(path).duration >= SHORTEST_SECONDS]
    return sorted(kept, key=lambda path: zlib.crc32(path.name.encode()))


def _unheard(path: Path) -> bool:
    package = any(name in path.parts for name in UNHEARD)
    return "music" in str(path.parent).lower() and (package or held_out(path))


def recorded(paths: Sequence[Path], count: int, samples: int) -> Clips:
    """Clips evenly out of recordings, each recording giving as many as any other or one less."""
    audio: list[Tensor] = []
    if not paths:
        return Clips(torch.zeros(0, samples))
    for index, path in enumerate(paths):
        share = (count - len(audio)) // (len(paths) - index)
        audio += [stretch(path, (place + 1) / (share + 1), samples) for place in range(share)]
    return Clips(torch.stack(audio))


def stretch(path: Path, place: float, samples: int) -> Tensor:
    """Part of a recording as mono at the reference level [samples].

    Args:
        place: 0 = its beginning, 1 = its end.
    """
    seconds = samples / SAMPLE_RATE
    with soundfile.SoundFile(path) as file:
        start = max(0.0, file.frames / file.samplerate - seconds) * place
        mono = passage(file, start, seconds, SAMPLE_RATE)
    return torch.from_numpy(level(np.pad(mono, (0, max(0, samples - len(mono))))[:samples]))


def same_spectrum_noise(audio: Tensor, seed: int) -> Tensor:
    """Steady noise with the long-term spectrum of each row, in thirds of octaves [batch, samples].

    Finer it would keep the tones that sound for long, and with them the key.
    """
    power = torch.fft.rfft(audio).abs().double().square()
    bins = torch.arange(power.shape[1])
    low, high = (bins / THIRD_OF_OCTAVE).long(), (bins * THIRD_OF_OCTAVE).long().clamp_max(len(bins) - 1)
    total = torch.nn.functional.pad(power.cumsum(1), (1, 0))
    smooth = (total[:, high + 1] - total[:, low]) / (high + 1 - low)
    white = torch.randn(audio.shape, generator=torch.Generator().manual_seed(seed))
    shaped = torch.fft.rfft(white) * smooth.sqrt().float()
    return levelled(torch.fft.irfft(shaped, n=audio.shape[1]))


def levelled(audio: Tensor) -> Tensor:
    """Rows at the level of the training clips; silence stays silence [batch, samples]."""
    return audio * REFERENCE_RMS / audio.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)
