"""The three rewards of the dials on real music against the same music spoilt: each hears what spoils its own side."""

import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from serving.engine.hearing.coherence import coherence
from serving.engine.hearing.harmony import harmony
from serving.engine.hearing.production import production
from tests.serving.engine.hearing import damage

SONGS = Path(__file__).parents[4] / "training" / "study" / "songs"
REWARDS: dict[str, Callable[[Tensor, int], float | None]] = {
    "harmony": harmony,
    "coherence": coherence,
    "production": production,
}


@cache
def songs() -> list[tuple[Tensor, int, float]]:
    """One of each style, thirteen seconds each: its sound, its rate, and the seconds of its bars of about two."""
    found = []
    for song in json.loads((SONGS / "songs.json").read_text())[::4]:
        audio, rate = soundfile.read(SONGS / song["file"], dtype="float32", always_2d=True)
        beat = 60 / song["tempo_bpm"]
        found.append((torch.from_numpy(audio.mean(1)), rate, beat * max(1, round(2 / beat))))
    return found


def spoilt_as(way: str, place: int) -> Tensor:
    music, rate, bar = songs()[place]
    ways: dict[str, Callable[[], Tensor]] = {
        "shuffled": partial(damage.shuffled, music, rate, bar),
        "spliced": partial(damage.spliced, music, songs()[place - 1][0]),
        "detuned": partial(damage.detuned, music, rate),
        "out of key": partial(damage.out_of_key, music, rate),
        "noisy": partial(damage.noisy, music, 30),
        "clipped": partial(damage.clipped, music, 0.01),
        "interrupted": partial(damage.interrupted, music, rate),
    }
    return ways[way]()


@cache
def rewarded(name: str, spoilt: str | None = None) -> list[float]:
    """Of each song, as it is or spoilt."""
    found = []
    for place, (music, rate, _) in enumerate(songs()):
        reward = REWARDS[name](music if spoilt is None else spoilt_as(spoilt, place), rate)
        assert reward is not None
        assert 0 <= reward <= 1
        found.append(reward)
    return found


def lowered(name: str, spoilt: str) -> int:
    return sum(worse < real for worse, real in zip(rewarded(name, spoilt), rewarded(name), strict=True))


def moved(name: str, spoilt: str) -> float:
    """By how much of itself a reward changes, mean over songs."""
    pairs = zip(rewarded(name, spoilt), rewarded(name), strict=True)
    return sum(abs(worse - real) / real for worse, real in pairs) / len(songs())


@pytest.mark.parametrize(
    ("name", "spoilt", "most"),
    [
        ("harmony", "detuned", 10),
        ("harmony", "out of key", 10),
        ("coherence", "shuffled", 8),
        ("coherence", "spliced", 9),
        ("production", "noisy", 10),
        ("production", "clipped", 10),
        ("production", "interrupted", 10),
    ],
)
def test_music_that_is_spoilt_has_less_of_its_own_reward(name: str, spoilt: str, most: int) -> None:
    assert lowered(name, spoilt) >= most


@pytest.mark.parametrize(
    ("name", "spoilt"),
    [
        ("harmony", "shuffled"),
        ("harmony", "noisy"),
        ("harmony", "clipped"),
        ("harmony", "interrupted"),
        ("coherence", "clipped"),
        ("production", "shuffled"),
    ],
)
def test_what_spoils_another_side_hardly_moves_it(name: str, spoilt: str) -> None:
    assert moved(name, spoilt) < 0.1


@pytest.mark.parametrize("name", REWARDS)
def test_level_does_not_count_and_silence_or_a_moment_says_nothing(name: str) -> None:
    music, rate, _ = songs()[0]
    assert REWARDS[name](0.05 * music, rate) == pytest.approx(rewarded(name)[0], abs=1e-3)
    assert REWARDS[name](torch.zeros(10 * rate), rate) is None
    assert REWARDS[name](music[: rate // 2], rate) is None
