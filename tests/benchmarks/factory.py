"""How much faster listeners train stacked in one batch than one by one with PEFT and torch's AdamW, step for step.

    python -m tests.benchmarks.factory [--base FOLDER] [--listeners 12] [--rounds 5] [--threads 2] [--dtype bfloat16]

Both sides have the same weights, rows, rank, targets and precision and run in the same process, in turns; the ratio is
taken in each round and its median printed. PEFT's side pays for its steps only, not for launching or loading a job a
listener. In bfloat16 both compute under torch's autocast, with adapters and optimisers in float32, as the factory does
where that is measured to be faster.
"""

import argparse
import copy
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import peft
import torch
from torch import Tensor

from serving.engine.adapters.pool import targets
from serving.engine.bases.base import Base
from serving.engine.bases.load import load_base
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.heap import keep_freed_memory
from training.factory import Factory
from training.losses import flow_matching, noised
from training.material import Material, Rows, draw, generator_for
from training.snapshot import Recipe

PIECES, FRAMES = 4, 220
DTYPES = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", help="folder of a base; a tiny random one without")
    parser.add_argument("--listeners", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the base; --base is needed for bfloat16")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    base = load_base(options.base, dtype=getattr(torch, options.dtype)) if options.base else random_base(0)
    recipe = Recipe()
    own = material(base)
    sides = [stacked(base, recipe, own, options.listeners), one_by_one(base, recipe, own, options.listeners)]
    for step in sides:
        step()
    rounds = [[_seconds(step) for step in sides] for _ in range(options.rounds)]
    ours, theirs = ([times[side] for times in rounds] for side in (0, 1))
    facts = {
        "peft": peft.__version__,
        "threads": options.threads,
        "dtype": options.dtype,
        "listeners": options.listeners,
        "stacked_step_s": round(statistics.median(ours), 4),
        "one_by_one_step_s": round(statistics.median(theirs), 4),
        "ratio": round(statistics.median(b / a for a, b in zip(ours, theirs, strict=True)), 2),
    }
    sys.stdout.write(json.dumps(facts) + "\n")


def material(base: Base) -> Material:
    """Noise in the shape of music: what is measured is time."""
    channels = base.codec.latent_channels
    music = [torch.randn(FRAMES, channels + base.conditions.plan_channels) for _ in range(PIECES)]
    return Material(
        music,
        music,
        torch.randn(PIECES, *base.conditions.prompt_shape),
        torch.randn(base.conditions.style_size),
        torch.ones(PIECES),
        torch.ones(PIECES),
        channels,
    )


def stacked(base: Base, recipe: Recipe, own: Material, listeners: int) -> Callable[[], object]:
    """One step of everybody in the factory."""
    factory = Factory(_copy(base), recipe.model_copy(update={"row_budget": listeners * recipe.rows}), listeners)
    for number in range(listeners):
        factory.join(UUID(int=number), own)
    return factory.step


def one_by_one(base: Base, recipe: Recipe, own: Material, listeners: int) -> Callable[[], None]:
    """One step of everybody, each with an adapter and an optimiser of their own."""
    base = _copy(base)
    config = peft.LoraConfig(r=recipe.rank, lora_alpha=recipe.rank, target_modules=list(targets(base.transformer)))
    model = peft.get_peft_model(base.transformer, config, adapter_name="0")
    for number in range(1, listeners):
        model.add_adapter(str(number), config)
    jobs = []
    for number in range(listeners):
        model.set_adapter(str(number))
        own_parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(own_parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        jobs.append((str(number), own_parameters, optimiser, generator_for("benchmark", UUID(int=number))))

    def step() -> None:
        for name, parameters, optimiser, generator in jobs:
            model.set_adapter(name)
            rows = draw(own, recipe, generator)
            flow_matching(_velocity(base, model, rows), rows.x0, rows.eps).mean().backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimiser.step()
            optimiser.zero_grad()

    return step


def _velocity(base: Base, model: torch.nn.Module, rows: Rows) -> Tensor:
    dtype = next(base.transformer.parameters()).dtype
    x_t, t, prompts, styles, plans = (
        value.to(dtype) for value in (noised(rows.x0, rows.eps, rows.t), rows.t, rows.prompts, rows.styles, rows.plans)
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        velocity: Tensor = model(
            hidden_states=x_t,
            timestep=t,
            timestep_r=t,
            encoder_hidden_states=base.conditions(prompts, styles),
            context_latents=base.conditions.context(x_t * 0, x_t[..., 0] * 0, plans),
            return_dict=False,
        )[0]
    return velocity.float()


def _copy(base: Base) -> Base:
    return replace(base, transformer=copy.deepcopy(base.transformer))


def _seconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
