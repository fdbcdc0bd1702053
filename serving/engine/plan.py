"""Tempo, key and chords as channels over time, which the denoiser reads beside its latents.

Words alone do not tell a small denoiser where the beats fall; a clock that runs along the latents does
(the idea of MusiConGen, Lan et al. 2024, arXiv 2407.15060, and of JASCO, Tal et al. 2024, arXiv 2406.10970).
Zeros mean "not said". A prompt says tempo and key by words such as "120 bpm" and "E flat minor".

Not for the meaning of the words: those go through the text encoder as well.
"""

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

CLOCK, KEY, CHORD = slice(0, 4), slice(4, 16), slice(16, 28)
PLAN_CHANNELS = 28
MAJOR_SCALE, MINOR_SCALE = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SHIFTS = {"sharp": 1, "#": 1, "♯": 1, "flat": -1, "b": -1, "♭": -1, "": 0}
# Quarters a minute that a prompt may ask for; other numbers are left to the text encoder.
TEMPI = range(30, 301)
# Quarters of a bar of dances in three; all else is taken to be in four.
THREES = re.compile(r"\b(jig|waltz|minuet|mazurka)\b", re.IGNORECASE)
TEMPO = re.compile(r"\b(\d{2,3}) ?bpm\b", re.IGNORECASE)
KEYS = re.compile(r"\b([A-G])[ -]?(sharp|flat|#|♯|b|♭)?[ -](major|minor)\b")


@dataclass(frozen=True)
class Metre:
    """Seconds of a quarter, quarters of a bar, and how many seconds into a bar the first frame begins."""

    quarter_s: float
    quarters: float = 4.0
    offset_s: float = 0.0


@dataclass(frozen=True)
class Key:
    """Tonic as a pitch class, C = 0, and the mode."""

    tonic: int
    minor: bool


def metre_of(prompt: str) -> Metre | None:
    """The tempo that a prompt states; None if it states none within `TEMPI`."""
    said = TEMPO.search(prompt)
    if said is None or int(said[1]) not in TEMPI:
        return None
    return Metre(60 / int(said[1]), 3.0 if THREES.search(prompt) else 4.0)


def key_of(prompt: str) -> Key | None:
    """The key that a prompt states; None if it states none."""
    said = KEYS.search(prompt)
    if said is None:
        return None
    letter, shift, mode = said.groups()
    return Key((LETTERS[letter] + SHIFTS[shift or ""]) % 12, mode == "minor")


def plan_of(prompt: str, frames: int, frames_per_second: float) -> Tensor:
    """The plan of a track from its first frame on, as far as its prompt states one [frames, PLAN_CHANNELS]."""
    plan = torch.zeros(frames, PLAN_CHANNELS)
    metre, key = metre_of(prompt), key_of(prompt)
    if metre is not None:
        plan[:, CLOCK] = clock(metre, frames, frames_per_second)
    if key is not None:
        plan[:, KEY] = scale(key)
    return plan


def clock(metre: Metre, frames: int, frames_per_second: float) -> Tensor:
    """Sine and cosine of the phase in the quarter, then in the bar, at the middle of each frame [frames, 4]."""
    seconds = metre.offset_s + (torch.arange(frames) + 0.5) / frames_per_second
    quarter = 2 * math.pi * seconds / metre.quarter_s
    bar = quarter / metre.quarters
    return torch.stack([quarter.sin(), quarter.cos(), bar.sin(), bar.cos()], dim=1)


def scale(key: Key) -> Tensor:
    """1 at the tonic, a half at the scale's other notes [12]."""
    found = torch.zeros(12)
    for step in MINOR_SCALE if key.minor else MAJOR_SCALE:
        found[(key.tonic + step) % 12] = 0.5
    found[key.tonic] = 1.0
    return found
