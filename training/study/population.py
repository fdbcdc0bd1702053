"""Who takes part: listeners in cohorts, each with songs and a taste that lies beyond those songs."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

from serving.engine.hearing.style import resample
from training.study.features import MEASURED, SAMPLE_RATE, Ear
from training.study.taste import Taste, Vector

SONGS = Path(__file__).parent / "songs"
SONGS_EACH = 3
# Which way of hearing this is: answers to what was heard in another way are no part of the same study.
EAR = 2
# In how many features a taste lies beyond the songs: those that the listener cares about most.
SHIFTED = 4
SHIFT = 0.8
# How tastes scatter about the songs in every feature, in standard deviations of real music.
SCATTER = 0.1


@dataclass(frozen=True)
class Song:
    path: Path
    style: str


@dataclass(frozen=True)
class Scale:
    """How real songs spread in each feature: what a standard deviation means to a listener. [features]"""

    mean: Vector
    std: Vector

    def standardise(self, features: Vector) -> Vector:
        return (features - self.mean) / self.std


@dataclass(frozen=True)
class Person:
    """`attributes` are told to Encore; `taste` and `seed` never are."""

    name: str
    attributes: dict[str, str]
    songs: tuple[Path, ...]
    taste: Taste
    seed: int


def load_songs(folder: Path = SONGS) -> list[Song]:
    """The songs that come with Encore (public-domain tunes, rendered; see songs.json)."""
    entries = json.loads((folder / "songs.json").read_text())
    return [Song(folder / entry["file"], entry["style"]) for entry in entries]


def load_waveform(path: Path) -> torch.Tensor:
    """An audio file of any rate, mono at `SAMPLE_RATE`. [samples]"""
    audio, rate = sf.read(path, dtype="float32", always_2d=True)
    return resample(torch.from_numpy(audio.mean(axis=1))[None], rate, SAMPLE_RATE)[0]


def measure(
    ear: Ear, songs: list[Song], seconds: float, tell: Callable[[], None] = lambda: None
) -> tuple[dict[Path, Vector], Scale]:
    """Features of every song, and their spread; `tell` is called after each.

    Args:
        ear: that hears them.
        songs: each is heard in stretches as long as the tracks, and the mean counts (decision 0711).
        seconds: of the tracks.
        tell: see above.
    """
    heard: dict[Path, Vector] = {}
    for song in songs:
        heard[song.path] = np.mean([_hear(ear, each) for each in stretches(load_waveform(song.path), seconds)], axis=0)
        tell()
    table = np.stack(list(heard.values()))
    return heard, Scale(table.mean(axis=0), table.std(axis=0) + 1e-6)


def stretches(waveform: torch.Tensor, seconds: float) -> torch.Tensor:
    """A song as it is heard beside tracks of so many seconds; what is shorter stays whole [stretches, samples]."""
    size = min(round(seconds * SAMPLE_RATE), len(waveform))
    return waveform[: len(waveform) // size * size].reshape(-1, size)


def _hear(ear: Ear, waveform: torch.Tensor) -> Vector:
    heard: Vector = ear.hear(waveform).double().numpy()
    return heard


def populate(
    songs: list[Song],
    heard: dict[Path, Vector],
    scale: Scale,
    *,
    listeners: int,
    cohorts: int,
    seed: int,
    shift: float = SHIFT,
) -> list[Person]:
    """Listeners dealt out evenly over `cohorts` styles; the same seed makes the same people.

    Args:
        shift: how far, up or down, the ideal lies from the songs' mean in the features that matter most to a listener,
            in standard deviations of real music.

    Raises:
        ValueError: fewer styles than cohorts, or a style with too few songs.
    """
    by_style: dict[str, list[Path]] = defaultdict(list)
    for song in songs:
        by_style[song.style].append(song.path)
    styles = sorted(style for style, paths in by_style.items() if len(paths) >= SONGS_EACH)
    if len(styles) < cohorts:
        raise ValueError(f"{cohorts} cohorts need as many styles with {SONGS_EACH} songs; there are {len(styles)}")
    rng = np.random.default_rng(seed)
    homes = [styles[i] for i in np.sort(rng.choice(len(styles), cohorts, replace=False))]
    return [_person(i, homes[i % cohorts], by_style, heard, scale, shift, rng) for i in range(listeners)]


def _person(
    index: int,
    home: str,
    by_style: dict[str, list[Path]],
    heard: dict[Path, Vector],
    scale: Scale,
    shift: float,
    rng: np.random.Generator,
) -> Person:
    songs = tuple(by_style[home][i] for i in rng.choice(len(by_style[home]), SONGS_EACH, replace=False))
    taste = beyond(scale.standardise(np.stack([heard[path] for path in songs])), rng, shift)
    attributes = {"home": home, "device": str(rng.choice(["phone", "desktop"]))}
    return Person(f"listener {index + 1}", attributes, songs, taste, int(rng.integers(2**31)))


def beyond(own: Vector, rng: np.random.Generator, shift: float = SHIFT) -> Taste:
    """A taste that lies beyond these songs.

    Args:
        own: standardised features of the songs [songs, features].
        rng: draws the taste, and what the rater is like.
        shift: see `populate`.
    """
    near = own[:, : len(MEASURED)].mean(axis=0)
    weights = rng.dirichlet(np.full(len(near), 2.0))
    apart = np.zeros_like(near)
    apart[np.argsort(weights)[-SHIFTED:]] = shift * rng.choice([-1.0, 1.0], SHIFTED)
    return Taste(
        ideal=near + apart + rng.normal(0.0, SCATTER, near.shape),
        weights=weights,
        least=own[:, len(MEASURED) :].min(axis=0),
        offset=float(rng.normal(0.0, 0.3)),
        noise=float(rng.uniform(0.3, 0.6)),
        carelessness=0.5 if rng.random() < 0.1 else 0.03,
        gain=float(rng.uniform(0.7, 1.2)),
        patience=0.95,
    )
