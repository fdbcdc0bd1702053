"""How feedback becomes training examples: one file a method. Pure: no tensors, no clients."""

from collections.abc import Mapping
from functools import partial

from training.methods import diffusion_kto, distillation, flow_dpo, signed, songs, staged_rewards, weighted_sft
from training.methods.staged_rewards import Measure
from training.snapshot import Method, MethodName

# Those that facts are enough for.
METHODS: Mapping[str, Method] = {
    "songs": songs.examples,
    "weighted_sft": weighted_sft.examples,
    "signed": signed.examples,
    # The same examples; the loss differs (`losses.threshold_guided`).
    "threshold_guided": signed.examples,
    "diffusion_kto": diffusion_kto.examples,
    "flow_dpo": flow_dpo.examples,
    "distillation": distillation.examples,
}


def method(name: MethodName, measure: Measure) -> Method:
    """What makes a round's examples; `measure` hears a track, where the method asks how it sounds."""
    return partial(staged_rewards.examples, measure=measure) if name == "staged_rewards" else METHODS[name]
