"""How the velocity with prompt and style is pushed away from the one without them.

A guide belongs to one job and may remember its steps; the rows of other jobs never enter it.
"""

from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from torch import Tensor

# Of ACE-Step's own sampler for its base and SFT models.
MOMENTUM, LARGEST_NORM = -0.75, 2.5


class ClassifierFree:
    """`v_null + scale * (v_given - v_null)` (Ho and Salimans 2022, equation 6)."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def __call__(self, velocity: Tensor) -> Tensor:
        """Rows given, null [1 or 2, frames, channels] -> [1, frames, channels]; one row stays as it is."""
        if velocity.shape[0] == 1:
            return velocity
        given, null = velocity[:1], velocity[1:]
        return null + self._scale * (given - null)


class Projected:
    """Adaptive projected guidance (Sadat et al. 2024, algorithm 1) as ACE-Step's pipeline sets it.

    The difference to the null row gathers a negative momentum over the steps, is cut to a norm over
    the frames of each channel, and only its part across the given velocity is added.
    """

    def __init__(self, scale: float) -> None:
        self._scale, self._momentum = scale, MomentumBuffer(MOMENTUM)

    def __call__(self, velocity: Tensor) -> Tensor:
        """Rows given, null [1 or 2, frames, channels] -> [1, frames, channels]; one row stays as it is."""
        if velocity.shape[0] == 1:
            return velocity
        guided: Tensor = normalized_guidance(
            pred_cond=velocity[:1],
            pred_uncond=velocity[1:],
            guidance_scale=self._scale - 1.0,
            momentum_buffer=self._momentum,
            eta=0.0,
            norm_threshold=LARGEST_NORM,
            use_original_formulation=True,
            norm_dim=(1,),
        )
        return guided
