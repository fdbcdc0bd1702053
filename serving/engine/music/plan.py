"""Tempo, key and chords as channels over time, which the denoiser reads beside its latents.

Words alone do not tell a small denoiser where the beats fall; a clock that runs along the latents does
(the idea of MusiConGen, Lan et al. 2024, arXiv 2407.15060, and of JASCO, Tal et al. 2024, arXiv 2406.10970).
Zeros mean "not said". A prompt says tempo and key by words such as "120 bpm" and "E flat minor"; where it does not, one
of the listener's songs does.

Not for the meaning of the words: those go through the text encoder as well.
"""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
SLOW, FAST = re.compile(r"\bslow\b", re.IGNORECASE), re.compile(r"\bfast\b", re.IGNORECASE)
MINOR = re.compile(r"\b(minor key|sad|melancholy|dark)\b", re.IGNORECASE)
MAJOR = re.compile(r"\b(major key|happy|cheerful)\b", re.IGNORECASE)
# A song's tempo is halved or doubled into these for a prompt that says slow or fast.
SLOW_BELOW, FAST_ABOVE = 90.0, 110.0
# Where neither prompt nor song says it: some beat and some scale are better than none.
UNSAID_BPM = (80.0, 140.0)
UNSAID_MINOR = 1 / 3
# Two tracks after one song are not equally fast.
TEMPO_SPREAD = 0.06


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


@dataclass(frozen=True)
class Feel:
    """How music moves: quarters a minute, and its key."""

    bpm: float
    key: Key


def drawn(songs: Sequence[Feel], seed: int) -> Feel:
    """What a track of that seed takes over from a listener's songs: the key and about the tempo of one of them; some
    tempo and key where there is no song."""
    chance = random.Random(seed)
    if not songs:
        return Feel(chance.uniform(*UNSAID_BPM), Key(chance.randrange(12), chance.random() < UNSAID_MINOR))
    song = chance.choice(songs)
    return Feel(song.bpm * (1 + chance.uniform(-TEMPO_SPREAD, TEMPO_SPREAD)), song.key)


def metre_of(prompt: str, feel: Feel | None = None) -> Metre | None:
    """The tempo that a prompt states within `TEMPI`; else the feel's, as slow or fast as the prompt says; else None."""
    said = TEMPO.search(prompt)
    if said is not None and int(said[1]) in TEMPI:
        bpm = float(said[1])
    elif feel is not None:
        bpm = _paced(prompt, feel.bpm)
    else:
        return None
    return Metre(60 / bpm, 3.0 if THREES.search(prompt) else 4.0)


def key_of(prompt: str, feel: Feel | None = None) -> Key | None:
    """The key that a prompt states; else the feel's, in the mode that the prompt says; else None."""
    said = KEYS.search(prompt)
    if said is not None:
        letter, shift, mode = said.groups()
        return Key((LETTERS[letter] + SHIFTS[shift or ""]) % 12, mode == "minor")
    if feel is None:
        return None
    return replace(feel.key, minor=bool(MINOR.search(prompt) or (feel.key.minor and not MAJOR.search(prompt))))


def plan_of(prompt: str, frames: int, frames_per_second: float, feel: Feel | None = None) -> Tensor:
    """The plan of a track from its first frame on, as far as its prompt or else the feel says one
    [frames, PLAN_CHANNELS]."""
    return written(metre_of(prompt, feel), key_of(prompt, feel), frames, frames_per_second)


def written(metre: Metre | None, key: Key | None, frames: int, frames_per_second: float) -> Tensor:
    """Metre and key as a plan, zeros where there is none [frames, PLAN_CHANNELS]."""
    plan = torch.zeros(frames, PLAN_CHANNELS)
    if metre is not None:
        plan[:, CLOCK] = clock(metre, frames, frames_per_second)
    if key is not None:
        plan[:, KEY] = scale(key)
    return plan


def clock(metre: Metre, frames: int, frames_per_second: float) -> Tensor:
    """Sine and cosine of the phase in the quarter, then in the bar, at the middle of each frame [frames, 4]."""
    seconds = metre.offset_s + (torch.arange(frames) + 0.5) / frames_per_second
    return phases(seconds / metre.quarter_s, metre.quarters)


def phases(places: Tensor, bar: float) -> Tensor:
    """Sine and cosine of the phase in the quarter, then in the bar of so many quarters, at places in quarters
    [frames] -> [frames, 4]."""
    quarter = 2 * math.pi * places
    whole = quarter / bar
    return torch.stack([quarter.sin(), quarter.cos(), whole.sin(), whole.cos()], dim=1)


def scale(key: Key) -> Tensor:
    """1 at the tonic, a half at the scale's other notes [12]."""
    found = torch.zeros(12)
    for step in MINOR_SCALE if key.minor else MAJOR_SCALE:
        found[(key.tonic + step) % 12] = 0.5
    found[key.tonic] = 1.0
    return found


def _paced(prompt: str, bpm: float) -> float:
    """The tempo, halved or doubled until it is as slow or fast as the prompt says."""
    while SLOW.search(prompt) and bpm >= SLOW_BELOW:
        bpm /= 2
    while FAST.search(prompt) and bpm <= FAST_ABOVE:
        bpm *= 2
    return bpm
