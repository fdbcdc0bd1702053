"""A base model, whichever kind it is: its parts in one place.

Conventions that training and engine share:

* Rectified flow: `x_t = (1 - t) * x0 + t * eps`, target `v = eps - x0`, `t` in (0, 1],
  1 = noise. A step towards music is `x += (t_next - t) * v`.
* `transformer(hidden_states=x_t, timestep=t, timestep_r=t, encoder_hidden_states=...,
  context_latents=..., return_dict=False)[0]` is the velocity; `timestep` has shape (batch,).
* `context_latents` [batch, frames, channels + 1 + plan channels] = `conditions.context(source, keep,
  plan)` in the shipped base: source latents, a mask that is 1 where the source is given and must be
  kept and 0 elsewhere, and the plan (see `music.plan`). The source is zero where the mask is; all zeros =
  nothing given and nothing said.
* `encoder_hidden_states` = `conditions(prompt, style)`; zeros = not given. Guidance compares
  with zeros for prompt, style and plan.

Not for sampling: the step loop, schedules and adapters live in the engine.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import AceStepTransformer1DModel
from torch import Tensor

from serving.engine.bases import interfaces
from serving.engine.bases.guidance import ClassifierFree
from serving.engine.bases.manifest import Manifest


@dataclass(frozen=True, eq=False)
class Base:
    """A codec, a denoiser and the encoders that condition it.

    Attributes:
        guide: makes the guidance of one job from its scale.
        sketch: None where none was fitted for it.
    """

    codec: interfaces.Codec
    transformer: AceStepTransformer1DModel
    conditions: interfaces.Conditions
    text: interfaces.TextEncoder
    style: interfaces.StyleEncoder
    manifest: Manifest
    guide: Callable[[float], interfaces.Guide] = ClassifierFree
    sketch: interfaces.Sketch | None = None


def nothing_given(conditions: interfaces.Conditions, latents: Tensor) -> Tensor:
    """`context_latents` of latents [batch, frames, channels] with no music given and no plan."""
    rows, frames, _ = latents.shape
    plan = conditions.plan("", frames).to(latents)
    nothing = torch.zeros_like(latents)
    return conditions.context(nothing, nothing[..., 0], plan.expand(rows, -1, -1))
