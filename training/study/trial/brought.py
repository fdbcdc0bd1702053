"""What a listener brings: features of an uploaded song, as the product takes them, remembered on disk.

Not the upload itself: the first half minute stands for the most typical part of a song.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from serving.engine.adapters.pool import BASE_SLOT, Pool
from serving.engine.bases.base import Base
from serving.engine.bases.shipped.codec import REFERENCE_RMS
from serving.engine.batch import admit, advance
from serving.engine.hearing.feel import feel_heard
from serving.engine.hearing.sound import KIND, sound_of
from serving.engine.hearing.style import resample
from serving.engine.music.plan import Feel, Key
from serving.engine.params import Job
from serving.engine.schedule import inversion
from serving.engine.windows import Canvas
from training.study.features import SAMPLE_RATE
from training.study.population import load_waveform

EXCERPT_S, STYLE_S = 10.0, 30.0
INVERSION_STEPS = 16


@dataclass(frozen=True, eq=False)
class Brought:
    """Style [size], sound [SOUND_SIZE], latents and the noise they come from [frames, channels], the plan they fit
    [frames, plan channels], tempo and key."""

    style: Tensor
    sound: Tensor
    latents: Tensor
    noise: Tensor
    plan: Tensor
    feel: Feel

    def tensors(self) -> dict[str, Tensor]:
        """As a feature file holds them."""
        feel = torch.tensor([self.feel.bpm, self.feel.key.tonic, self.feel.key.minor])
        names = ("style", "sound", "latents", "noise", "plan")
        return {name: getattr(self, name) for name in names} | {"feel": feel}


def bring(base: Base, pool: Pool, path: Path, folder: Path) -> tuple[Brought, str]:
    """A song's features and the file that holds them, made once for a base.

    Args:
        base: whose latents and styles.
        pool: attached to it.
        path: of the song.
        folder: where feature files are kept.
    """
    kept = folder / base.manifest.base_hash[:16] / f"{path.stem}-sound-{KIND}.safetensors"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".part")
        save_file({name: value.contiguous() for name, value in _described(base, pool, path).tensors().items()}, partial)
        partial.replace(kept)
    stored = load_file(kept)
    bpm, tonic, minor = stored.pop("feel").tolist()
    return Brought(**stored, feel=Feel(bpm, Key(int(tonic), bool(minor)))), str(kept)


def at_reference(waveform: Tensor) -> Tensor:
    """Rows at the level on which the codec was trained [..., samples]."""
    return waveform * REFERENCE_RMS / waveform.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-6)


@torch.inference_mode()
def _described(base: Base, pool: Pool, path: Path) -> Brought:
    codec, device = base.codec, next(base.transformer.parameters()).device
    song = resample(load_waveform(path)[None], SAMPLE_RATE, codec.sample_rate)[0]
    stretch = song[: round(STYLE_S * codec.sample_rate)]
    excerpt = stretch[: round(EXCERPT_S * codec.sample_rate)]
    latents = codec.encode(at_reference(excerpt)[None].to(device))[0].float().cpu()
    latents = latents[: len(latents) // 2 * 2]
    style = base.style.embed(stretch[None], codec.sample_rate)[0].float().cpu()
    feel = feel_heard(stretch, codec.sample_rate)
    plan = base.conditions.plan_heard(excerpt, codec.sample_rate, feel, len(latents)).float().cpu()
    sound = sound_of(stretch, codec.sample_rate)
    return Brought(style, sound, latents, _inverted(base, pool, latents, style), plan, feel)


def _inverted(base: Base, pool: Pool, latents: Tensor, style: Tensor) -> Tensor:
    """The noise that the song would come from under its own style [frames, channels]."""
    job = Job(
        listener="",
        start=latents,
        path=inversion(INVERSION_STEPS, base.manifest.sampling.shift),
        prompt=torch.zeros(base.conditions.prompt_shape),
        style=style,
    )
    row = admit(base, job, BASE_SLOT, Canvas(job.parts, latents.shape[1], None))
    while row.step < job.path.steps:
        advance(base, pool, [row])
    return row.latents[0].cpu()
