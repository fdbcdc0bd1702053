"""A plain Euler sampler for judging checkpoints.

Not the product's: the engine batches continuously and serves adapters; this is the few lines
that training needs, with the same mathematics.
"""

from itertools import pairwise

import torch
from torch import Tensor

from serving.engine.bases.base import Base
from serving.engine.bases.manifest import Sampling
from serving.engine.windows import windows_over


def times(steps: int, shift: float) -> Tensor:
    """Times from 1 to 0 [steps + 1]; a larger shift spends more steps on noise."""
    even = torch.linspace(1, 0, steps + 1)
    return shift * even / (1 + (shift - 1) * even)


@torch.inference_mode()
def generate(
    base: Base,
    prompt: Tensor,
    style: Tensor,
    frames: int,
    seed: int,
    sampling: Sampling | None = None,
    plan: Tensor | None = None,
    null_plan: Tensor | None = None,
) -> Tensor:
    """Latents by Euler steps with classifier-free guidance.

    Args:
        base: the model.
        prompt: token states, zeros = none [batch, 24, 384].
        style: style vectors, zeros = none [batch, 200].
        frames: latent frames, even.
        seed: of the noise.
        sampling: steps, shift and guidance; the base's defaults if not given.
        plan: tempo and key, nothing if not given [batch, frames, 28].
        null_plan: what of it guidance leaves as it is, nothing if not given [batch, frames, 28].

    Returns:
        Latents [batch, frames, channels].
    """
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(prompt.shape[0], frames, base.codec.latent_channels, generator=generator)
    return denoise(base, start, prompt, style, sampling, plan, null_plan)


@torch.inference_mode()
def denoise(
    base: Base,
    start: Tensor,
    prompt: Tensor,
    style: Tensor,
    sampling: Sampling | None = None,
    plan: Tensor | None = None,
    null_plan: Tensor | None = None,
) -> Tensor:
    """`generate` from noise that is given [batch, frames, channels]; what is longer than a window in windows."""
    chosen = sampling or base.manifest.sampling
    rows, frames, _ = start.shape
    nothing = torch.zeros(rows, frames, base.conditions.plan_channels)
    plans = [nothing if each is None else each for each in (plan, null_plan)]
    tokens = torch.cat([base.conditions(prompt, style), base.conditions(prompt * 0, style * 0)])
    made, keep = torch.zeros_like(start), torch.zeros(rows, frames)
    for window in windows_over(base.codec, frames):
        place = slice(window.start, window.stop)
        given, kept = made[:, place], keep[:, place]
        context = torch.cat([base.conditions.context(given, kept, each[:, place]) for each in plans])
        found = _window(base, start[:, place], given, kept[..., None] > 0, tokens, context, chosen)
        made[:, place] = torch.where(kept[..., None] > 0, given, found)
        keep[:, place] = 1
    return made


def _window(
    base: Base, start: Tensor, given: Tensor, kept: Tensor, tokens: Tensor, context: Tensor, sampling: Sampling
) -> Tensor:
    """One window; where music is given, straight from the noise to it, as in the engine."""
    x = start
    for now, after in pairwise(times(sampling.steps, sampling.shift)):
        time = now.expand(len(tokens))
        velocity = base.transformer(
            hidden_states=torch.cat([x, x]),
            timestep=time,
            timestep_r=time,
            encoder_hidden_states=tokens,
            context_latents=context,
            return_dict=False,
        )[0]
        wanted, plain = velocity.chunk(2)
        guided = plain + sampling.guidance * (wanted - plain)
        x = x + (after - now) * torch.where(kept, start - given, guided)
    return x
