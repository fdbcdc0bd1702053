"""A sample of clips of training tunes, for what must learn from them; rendered once and kept in the working folder."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from serving.engine.hearing.style import StyleEncoder
from training.base.config import Recipe
from training.base.judges.adherence import timbre
from training.base.judges.memorisation import middle
from training.base.judges.sets import rendered
from training.base.render import Player
from training.base.tunes import Tune

COUNT = 1500
STREAM = 1
CLIPS_PER_PASS = 50


@dataclass(frozen=True, eq=False)
class TrainingClips:
    """`timbre` [clips, 672], raw style features of the middle three seconds [clips, 200], and the lead of each."""

    timbre: Tensor
    middle: Tensor
    leads: list[str]


def training_clips(tunes: Sequence[Tune], recipe: Recipe, player: Player) -> TrainingClips:
    """Of the tunes that are not held out."""
    path = recipe.work / f"judges_{recipe.seed}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name("partial_" + path.name)
        np.savez(partial, **_measured([tune for tune in tunes if not tune.held_out], recipe, player))  # type: ignore[arg-type]
        partial.replace(path)
    with np.load(path) as stored:
        timbres, middles = (torch.from_numpy(stored[name]) for name in ("timbre", "middle"))
        return TrainingClips(timbres, middles, [str(lead) for lead in stored["leads"]])


def _measured(tunes: Sequence[Tune], recipe: Recipe, player: Player) -> dict[str, object]:
    samples = recipe.clips.frames * 1024
    raw = StyleEncoder()
    timbres, middles, leads = [], [], []
    for part in range(COUNT // CLIPS_PER_PASS):
        # A stream for each part: the audio of all of them would not fit into memory.
        clips = rendered(tunes, recipe, player, CLIPS_PER_PASS, (STREAM, part), samples)
        timbres.append(timbre(clips.audio))
        middles.append(middle(raw, clips.audio))
        leads += [request.facts.instrument for request in clips.requests]
    return {"timbre": torch.cat(timbres).numpy(), "middle": torch.cat(middles).numpy(), "leads": np.array(leads)}
