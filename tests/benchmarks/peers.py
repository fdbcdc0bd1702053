"""One transformer under every way of giving rows their adapters: ours, and those that diffusers and PEFT offer.

Every way is a copy of the same weights with the same adapters, so all of them compute the same (`check_equal`).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import peft
import psutil
import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from serving.engine.adapters.pool import Factors, Pool, attach, bytes_of, targets
from serving.engine.bases.base import Base

RANK = 8
POOL_DTYPE = torch.bfloat16
# So many adapters differ; larger pools repeat them, which costs the same.
DISTINCT = 64
# A pool may take this share of the memory that is free.
SHARE = 0.7


@dataclass(frozen=True, eq=False)
class Rows:
    """Inputs of one forward: latents [rows, frames, channels], times [rows], tokens [rows, tokens, hidden]."""

    latents: Tensor
    times: Tensor
    tokens: Tensor

    def one(self, row: int) -> Self:
        """A single row as a batch."""
        part = slice(row, row + 1)
        return type(self)(self.latents[part], self.times[part], self.tokens[part])


class Way(Protocol):
    """A transformer whose next forward uses the adapters of the listeners that were chosen."""

    def choose(self, listeners: Sequence[int]) -> None:
        """One listener a row of the forwards that follow."""

    def forward(self, rows: Rows) -> Tensor:
        """Velocity [rows, frames, channels]."""


class Bare:
    """The base without any adapter or pool."""

    def __init__(self, base: Base) -> None:
        self._transformer = copy.deepcopy(base.transformer)

    def choose(self, listeners: Sequence[int]) -> None:
        """There is nothing to choose."""

    def forward(self, rows: Rows) -> Tensor:
        return _velocity(self._transformer, rows)


class Stacked:
    """Ours: a pool with `resident` adapters, any of them in any row."""

    def __init__(self, base: Base, resident: int) -> None:
        self._transformer = copy.deepcopy(base.transformer)
        self._pool = attach(self._transformer, resident + 1, RANK, POOL_DTYPE)
        fill(self._pool, base)

    def choose(self, listeners: Sequence[int]) -> None:
        self._pool.select([listener + 1 for listener in listeners])

    def forward(self, rows: Rows) -> Tensor:
        return _velocity(self._transformer, rows)


class Injected:
    """PEFT's own layers in a copy of the base, with `resident` adapters."""

    def __init__(self, base: Base, resident: int) -> None:
        transformer = copy.deepcopy(base.transformer)
        config = peft.LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(targets(transformer)))
        self.model: Any = peft.get_peft_model(transformer, config, adapter_name="0")
        self._layers = {
            name: layer for name, layer in self.model.base_model.model.named_modules() if isinstance(layer, LoraLayer)
        }
        for listener in range(1, resident):
            # What `add_adapter` does to each layer; called as a whole it takes a second and more an adapter.
            self.model.peft_config[str(listener)] = config
            for layer in self._layers.values():
                layer.update_layer(str(listener), RANK, lora_alpha=RANK, config=config)
        for listener in range(resident):
            self.write(listener, adapter(base, listener))
        nn.Module.to(self.model, weight_of(base))
        self.model.eval().requires_grad_(False)
        # With this mark diffusers takes the layers for its own.
        self.model.base_model.model._hf_peft_config_loaded = True

    @torch.no_grad()
    def write(self, listener: int, factors: Factors) -> None:
        """Replaces an adapter's weights."""
        for name, layer in self._layers.items():
            down, up = factors[name]
            layer.lora_A[str(listener)].weight.copy_(down.T)
            layer.lora_B[str(listener)].weight.copy_(up.T)


class PeftSet:
    """`PeftModel.set_adapter`: one adapter for the whole forward."""

    side = "peft `set_adapter`, one by one"

    def __init__(self, injected: Injected) -> None:
        self._model = injected.model

    def choose(self, listeners: Sequence[int]) -> None:
        self._model.set_adapter(str(listeners[0]))

    def forward(self, rows: Rows) -> Tensor:
        return _velocity(self._model, rows)


class DiffusersSet:
    """diffusers' `set_adapters`: one adapter for the whole forward."""

    side = "diffusers `set_adapters`, one by one"

    def __init__(self, injected: Injected) -> None:
        self._transformer = injected.model.base_model.model

    def choose(self, listeners: Sequence[int]) -> None:
        self._transformer.set_adapters(str(listeners[0]))

    def forward(self, rows: Rows) -> Tensor:
        return _velocity(self._transformer, rows)


class PeftMixed:
    """PEFT's `adapter_names`: an adapter a row, one after the other in each layer."""

    side = "peft `adapter_names`"

    def __init__(self, injected: Injected) -> None:
        self._model = injected.model
        self._names: list[str] = []

    def choose(self, listeners: Sequence[int]) -> None:
        self._names = [str(listener) for listener in listeners]

    def forward(self, rows: Rows) -> Tensor:
        return _velocity(self._model, rows, adapter_names=self._names)


def adapter(base: Base, listener: int) -> Factors:
    """Random factors on every target, about as strong as trained ones."""
    generator = torch.Generator().manual_seed(listener % DISTINCT)

    def draw(rows: int, columns: int, scale: float) -> Tensor:
        # Peers keep them in the base's precision, so they must be numbers that our pool can hold.
        return (torch.randn(rows, columns, generator=generator) * scale).to(POOL_DTYPE).float()

    return {
        name: (draw(shape.features_in, RANK, shape.features_in**-0.5), draw(RANK, shape.features_out, 0.02))
        for name, shape in targets(base.transformer).items()
    }


@torch.no_grad()
def fill(pool: Pool, base: Base) -> None:
    """Puts listener i's adapter into slot i + 1, for every slot."""
    given = [adapter(base, listener) for listener in range(min(DISTINCT, pool.slots - 1))]
    for position, name in enumerate(pool.shapes):
        for side, tensors in enumerate((pool.down, pool.up)):
            block = torch.stack([factors[name][side] for factors in given])
            for at in range(1, pool.slots, DISTINCT):
                part = tensors[position][at : at + DISTINCT]
                part.copy_(block[: len(part)])


def fits(base: Base, resident: int) -> bool:
    """Whether a pool of so many adapters leaves the machine some memory."""
    free = torch.cuda.mem_get_info()[0] if weight_of(base).is_cuda else psutil.virtual_memory().available
    return bytes_of(targets(base.transformer), resident + 1, RANK, POOL_DTYPE) < SHARE * free


@torch.inference_mode()
def random_rows(base: Base, count: int, frames: int) -> Rows:
    """Rows of different times; what is measured is time, so noise will do."""
    weight, generator = weight_of(base), torch.Generator().manual_seed(0)

    def noise(*sizes: int) -> Tensor:
        return torch.randn(count, *sizes, generator=generator).to(weight)

    tokens = base.conditions(noise(*base.conditions.prompt_shape), noise(base.conditions.style_size))
    return Rows(noise(frames, base.codec.latent_channels), torch.linspace(0.1, 1, count).to(weight), tokens)


def weight_of(base: Base) -> Tensor:
    """Any of the denoiser's weights: it tells device and dtype."""
    weight: Tensor = next(base.transformer.parameters())
    return weight


def check_equal(ways: Sequence[tuple[str, Tensor]]) -> None:
    """Ways that compute different things must not be compared.

    Raises:
        RuntimeError: a velocity differs from the first by more than rounding.
    """
    name, first = ways[0]
    tolerance = 1e-3 if first.dtype == torch.float32 else 0.1
    for other, velocity in ways[1:]:
        difference = float((velocity.float() - first.to(velocity.device).float()).abs().max())
        if not difference <= tolerance * float(first.float().abs().max()):
            raise RuntimeError(f"{other} differs from {name} by {difference:.3g}: they do not compute the same")


@torch.inference_mode()
def _velocity(transformer: Any, rows: Rows, **more: object) -> Tensor:
    count, frames, channels = rows.latents.shape
    nothing_given = rows.latents.new_zeros(count, frames, int(transformer.config.in_channels) - channels)
    velocity: Tensor = transformer(
        hidden_states=rows.latents,
        timestep=rows.times,
        timestep_r=rows.times,
        encoder_hidden_states=rows.tokens,
        context_latents=nothing_given,
        return_dict=False,
        **more,
    )[0]
    return velocity
