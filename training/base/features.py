"""Clips to what the denoiser is trained on: latents, style vectors and caption states.

    python -m training.base.features

Each of the three is computed once and kept in the working folder. Not for judging: see
`evaluate`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from serving.engine.bases.shipped.text import TextEncoder
from serving.engine.heap import keep_freed_memory
from serving.engine.hearing.style import TAGS, StyleEncoder, seconds_per_patch
from serving.engine.music.plan import CHORD, CLOCK, KEY, PLAN_CHANNELS, Key, phases, scale
from training.base.arrange import Arrangement, Facts
from training.base.captions import caption, tag_caption
from training.base.config import Recipe
from training.base.render import SAMPLE_RATE, compose, read_clips
from training.base.train_codec import trained_codec
from training.base.trainer import default_device

CAPTIONS_PER_GROUP = 3
BATCH = 64


@dataclass(frozen=True)
class Features:
    """Everything the denoiser sees, by clip.

    Attributes:
        latents: [clips, frames, channels], half precision.
        styles: standardised style vector of the clip's group [clips, 200].
        prompts: token states of all captions [captions, 24, 384], half precision.
        captions_of: rows of `prompts` that describe a clip [clips, CAPTIONS_PER_GROUP].
        plans: tempo, key and chords along each clip, zeros for recordings [clips, frames, 28], half precision.
        recorded: whether a clip is a recording [clips].
    """

    latents: Tensor
    styles: Tensor
    prompts: Tensor
    captions_of: NDArray[np.int64]
    plans: Tensor
    recorded: NDArray[np.bool_]

    def to(self, device: str) -> "Features":
        """The same with all tensors there."""
        return replace(
            self,
            latents=self.latents.to(device),
            styles=self.styles.to(device),
            prompts=self.prompts.to(device),
            plans=self.plans.to(device),
        )


def build(recipe: Recipe, device: str) -> Features:
    """Computes what is missing in the working folder and loads all of it."""
    work, (clips, abouts) = recipe.work, read_clips(recipe.work)
    groups = np.array([about["group"] for about in abouts])
    _, firsts, place = np.unique(groups, return_index=True, return_inverse=True)
    raw = _kept(work / "style.npz", lambda: _styles(clips, firsts, device))
    mean, std = style_statistics(raw["features"])
    named = [abouts[first] for first in firsts]
    words = _kept(work / "captions.npz", lambda: _captions(named, raw["tags"], recipe, device))
    latents = _kept(work / "latents.npz", lambda: _latents(clips, recipe, device))
    return Features(
        latents=torch.from_numpy(latents["latents"]),
        styles=torch.from_numpy(((raw["features"] - mean) / std)[place]),
        prompts=torch.from_numpy(words["prompts"]),
        captions_of=words["captions_of"][place],
        plans=torch.from_numpy(_kept(work / "plans.npz", lambda: _plans(abouts, recipe))["plans"]),
        recorded=np.array(["recording" in about for about in abouts]),
    )


def style_statistics(features: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and deviation of each raw style feature; a dead feature gets deviation 1."""
    std = features.std(0)
    return features.mean(0), np.where(std < 1e-4, 1.0, std).astype(np.float32)


def _kept(path: Path, compute: Callable[[], dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    if not path.exists():
        unfinished = path.with_name("partial_" + path.name)
        np.savez(unfinished, **compute())  # type: ignore[arg-type]
        unfinished.replace(path)
    with np.load(path) as stored:
        return dict(stored)


def _styles(clips: NDArray[np.int16], firsts: NDArray[np.int64], device: str) -> dict[str, NDArray[Any]]:
    """Raw features and tags of the middle three seconds of the first clip of every group."""
    encoder = StyleEncoder(device=device)
    length = round(seconds_per_patch() * SAMPLE_RATE)
    start = (clips.shape[1] - length) // 2
    pairs = [
        encoder.features(_audio(clips[part, start : start + length], device), SAMPLE_RATE)
        for part in np.array_split(firsts, math.ceil(len(firsts) / BATCH))
    ]
    features, tags = (torch.cat(parts).cpu().numpy() for parts in zip(*pairs, strict=True))
    return {"features": features, "tags": tags}


def _captions(
    abouts: list[dict[str, Any]], tags: NDArray[np.float32], recipe: Recipe, device: str
) -> dict[str, NDArray[Any]]:
    """Token states of every different caption, and which of them fit a group."""
    texts: dict[str, int] = {}
    rows = []
    for group, about in enumerate(abouts):
        rng = np.random.default_rng([recipe.seed, 1 << 21, group])
        said = [_caption(about, tags[group], rng) for _ in range(CAPTIONS_PER_GROUP)]
        rows.append([texts.setdefault(text, len(texts)) for text in said])
    return {"prompts": TextEncoder(device).encode_many(list(texts)).half().numpy(), "captions_of": np.array(rows)}


def _caption(about: dict[str, Any], tags: NDArray[np.float32], rng: np.random.Generator) -> str:
    if "facts" in about:
        facts = about["facts"] | {"words": tuple(about["facts"]["words"])}
        return caption(Facts(**facts), rng)
    return tag_caption(list(zip(TAGS, tags.tolist(), strict=True)), about["genre"], rng)


def _latents(clips: NDArray[np.int16], recipe: Recipe, device: str) -> dict[str, NDArray[Any]]:
    codec = trained_codec(recipe, device)
    found = [codec.encode(_audio(batch, device)).half().cpu() for batch in _batches(clips)]
    return {"latents": torch.cat(found).numpy()}


def _plans(abouts: list[dict[str, Any]], recipe: Recipe) -> dict[str, NDArray[Any]]:
    """Each rendered clip's own score, made again from the recipe's seed."""
    plans = np.zeros((len(abouts), recipe.clips.frames, PLAN_CHANNELS), np.float16)
    rows: dict[int, list[int]] = {}
    for row, about in enumerate(abouts):
        if "facts" in about:
            rows.setdefault(about["group"], []).append(row)
    with get_context("spawn").Pool(recipe.clips.workers) as pool:
        made = pool.imap(partial(_arrangement_plans, recipe), rows, 32)
        for places, found in zip(rows.values(), made, strict=True):
            plans[places] = found
    return {"plans": plans}


def _arrangement_plans(recipe: Recipe, group: int) -> NDArray[np.float16]:
    """Of all clips of an arrangement [clips, frames, 28]."""
    torch.set_num_threads(1)
    _, arrangement, starts = compose(recipe, group)
    return torch.stack([score_plan(arrangement, start, recipe) for start in starts]).half().numpy()


def score_plan(arrangement: Arrangement, start: float, recipe: Recipe) -> Tensor:
    """Tempo, key and chords of an arrangement from second `start` on [frames, 28]."""
    frames, per_second = recipe.clips.frames, recipe.conditions.frames_per_second
    plan = torch.zeros(frames, PLAN_CHANNELS)
    seconds = start + (np.arange(frames, dtype=np.float64) + 0.5) / per_second
    quarters = torch.from_numpy(arrangement.tempo.quarters(seconds))
    plan[:, CLOCK] = phases(quarters, arrangement.bar)
    plan[:, KEY] = scale(Key(arrangement.tonic, arrangement.facts.minor))
    for chord in arrangement.chords:
        sounding = (quarters >= chord.onset) & (quarters < chord.onset + chord.length)
        for tone in chord.tones:
            plan[sounding, CHORD.start + tone] = 1.0
    return plan


def _batches(clips: NDArray[np.int16]) -> list[NDArray[np.int16]]:
    return [clips[at : at + BATCH] for at in range(0, len(clips), BATCH)]


def _audio(batch: NDArray[np.int16], device: str) -> Tensor:
    return torch.from_numpy(batch.astype(np.float32) / 32768).to(device)


def main() -> None:
    """Command line."""
    keep_freed_memory()
    found = build(Recipe(), default_device())
    print(f"{len(found.latents)} clips, {len(found.prompts)} captions")


if __name__ == "__main__":
    main()
