"""Processor time of taking in a song of three minutes, by part: what stands between an upload and its answer.

    python -m tests.benchmarks.song [--base FOLDER] [--rounds 5] [--seconds 180] [--kind MP3]

The file is made of the study's songs, one after another, in stereo at 44.1 kHz. A part's time is that of this process
and of its children, on one thread; the first round only warms up. Ratios are of the whole.
"""

import argparse
import json
import os
import resource
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from schemas.generation import SAMPLE_RATE
from serving import audio
from serving.engine.bases.base import Base
from serving.engine.bases.load import load_base
from serving.engine.heap import keep_freed_memory
from serving.engine.hearing.feel import feel_heard
from serving.engine.hearing.style import resample
from serving.features import EXCERPT_S, STYLE_S, at_reference, representative
from tests.benchmarks.engine import BASE
from tests.serving.sounds import encoded

SONGS = Path(__file__).parents[2] / "training" / "study" / "songs"
FILE_RATE = 44_100
GOAL_S = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default=str(BASE))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--kind", default="MP3", choices=("MP3", "OGG", "FLAC", "WAV"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    base, data = load_base(options.base), song(options.seconds, options.kind)
    take_in(base, data)
    rounds = [take_in(base, data) for _ in range(options.rounds)]
    seconds = {part: statistics.median(one[part] for one in rounds) for part in rounds[0]}
    whole = sum(seconds.values())
    parts = {part: {"cpu_s": round(each, 3), "share": round(each / whole, 2)} for part, each in seconds.items()}
    told = {"kind": options.kind, "seconds": options.seconds, "load": round(os.getloadavg()[0], 1), "parts": parts}
    told |= {"cpu_s": round(whole, 2), "goal": f"<= {GOAL_S}", "ratio_to_goal": round(whole / GOAL_S, 2)}
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


def song(seconds: float, kind: str) -> bytes:
    """A file of so many seconds in which one song of the study follows the other."""
    pieces: list[NDArray[np.float32]] = []
    for file in sorted(SONGS.glob("*-1.ogg")) * 20:
        read, rate = soundfile.read(file, dtype="float32", always_2d=True)
        mono = torch.from_numpy(read.mean(1))
        pieces.append(resample(mono[None], rate, FILE_RATE)[0].numpy())
        if sum(map(len, pieces)) >= seconds * FILE_RATE:
            break
    wave = np.concatenate(pieces)[: round(seconds * FILE_RATE)]
    return encoded(wave, FILE_RATE, kind, channels=2)


def take_in(base: Base, data: bytes) -> dict[str, float]:
    """Processor seconds of each part, in the order in which a song is taken in."""
    taken: dict[str, float] = defaultdict(float)

    def timed(part: str, call: Callable[..., Any], *args: Any) -> Any:
        ours, children = _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN)
        found = call(*args)
        decoder = _cpu(resource.RUSAGE_CHILDREN) - children
        taken[part] += _cpu(resource.RUSAGE_SELF) - ours
        if decoder:
            taken["the decoder's process"] += decoder
        return found

    mono = timed("its answer: downmix, DC", audio.mono, data)
    levelled = timed("loudness and limiter", audio.level, mono)
    waveform = torch.from_numpy(levelled.waveform)
    stretch = timed("half a minute that stands for it", representative, base.codec, waveform, STYLE_S)
    excerpt = timed("ten seconds of that", representative, base.codec, stretch, EXCERPT_S)
    latents = timed("codec", _encoded, base, excerpt)
    feel = timed("tempo and key", feel_heard, stretch, SAMPLE_RATE)
    timed("style", base.style.embed, stretch[None], SAMPLE_RATE)
    timed("plan", base.conditions.plan_heard, excerpt, SAMPLE_RATE, feel, len(latents))
    timed("FLAC", audio.flac, levelled.waveform)
    return taken


def _encoded(base: Base, excerpt: Tensor) -> Tensor:
    return base.codec.encode(at_reference(excerpt)[None])[0]


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
