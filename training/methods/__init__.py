"""How feedback becomes training examples: one file a method. Pure: no tensors, no clients."""

from collections.abc import Mapping

from training.methods import diffusion_kto, distillation, flow_dpo, signed, weighted_sft
from training.snapshot import Method

METHODS: Mapping[str, Method] = {
    "weighted_sft": weighted_sft.examples,
    "signed": signed.examples,
    # The same examples; the loss differs (`losses.threshold_guided`).
    "threshold_guided": signed.examples,
    "diffusion_kto": diffusion_kto.examples,
    "flow_dpo": flow_dpo.examples,
    "distillation": distillation.examples,
}
