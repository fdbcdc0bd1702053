"""Many LoRA adapters on one transformer: a stacked pool that a batch's rows index.

For each target Linear the pool holds `down[slots, in, rank]` and `up[slots, rank, out]`; a row
with slot `s` gets `base(x) + x @ down[s] @ up[s]`. Slot 0 is all zeros and stays so: it is the
bare base. The scale alpha / rank is folded into `up`, smaller ranks are padded with zeros.

What a forward needs of the pool is gathered once for each composition of the batch, in the
transformer's dtype; targets that read the same input share one product with their `down`s side
by side. So the pool itself may be stored in half precision and be as large as memory allows.

Inference writes slots in place; training (`trainable=True`) takes gradients over the same
tensors, dimension 0 = slots, by the same forward. Not for files (see `files`), nor for
deciding which adapter lives in which slot (see `slots`). Not thread-safe: one thread owns it.
"""

import math
import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from diffusers import AceStepTransformer1DModel
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

BASE_SLOT = 0
# Without `down_proj`: 4,096 slots of the shipped shape then fit 4 GiB (decision 0503).
LEAVES = ("to_q", "to_k", "to_v", "to_out.0", "gate_proj", "up_proj")
# Leaves of one parent that read the same input, in the order in which they are called.
TOGETHER = (
    ("self_attn", ("to_q", "to_k", "to_v")),
    ("cross_attn", ("to_k", "to_v")),
    ("mlp", ("gate_proj", "up_proj")),
)

# Target name -> (down [in, rank], up [rank, out]), scale folded into `up`.
Factors = Mapping[str, tuple[Tensor, Tensor]]
# Positions of targets in a pool.
Group = tuple[int, ...]


@dataclass(frozen=True)
class Shape:
    """Sizes of one target Linear."""

    features_in: int
    features_out: int


def targets(transformer: nn.Module) -> Mapping[str, Shape]:
    """Every Linear that adapters may change, by its name in the transformer, in module order."""
    found = {
        name: Shape(module.in_features, module.out_features)
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear) and name.startswith("layers.") and name.endswith(LEAVES)
    }
    return MappingProxyType(found)


def attach(
    transformer: AceStepTransformer1DModel,
    slots: int,
    rank: int,
    dtype: torch.dtype,
    *,
    trainable: bool = False,
) -> "Pool":
    """Puts an empty pool on the transformer; every slot is the bare base until written.

    Args:
        transformer: changed by forward hooks only; its state dict keeps its names.
        slots: at least 2, slot 0 included.
        rank: of every slot.
        dtype: of the pool; training usually takes float32 whatever the base is.
        trainable: whether the factors require gradients.

    Raises:
        ValueError: slots or rank out of range, or the transformer has no target.
    """
    shapes = targets(transformer)
    if slots < 2 or rank < 1 or not shapes:
        raise ValueError(f"expected slots >= 2, rank >= 1 and targets, got {slots}, {rank}, {len(shapes)}")
    device = next(transformer.parameters()).device
    pool = Pool(shapes, slots, rank, dtype, device, trainable=trainable)
    pool.hook(transformer)
    return pool


class Pool(nn.Module):
    """The stacked factors of all targets and the slot of each row of the next forward.

    Attributes:
        shapes: sizes of each target by name; `down[i]` and `up[i]` belong to the i-th.
        slots: number of slots, slot 0 included.
        rank: of every slot.
        down: one parameter a target [slots, in, rank].
        up: one parameter a target [slots, rank, out].
    """

    def __init__(
        self,
        shapes: Mapping[str, Shape],
        slots: int,
        rank: int,
        dtype: torch.dtype,
        device: torch.device,
        *,
        trainable: bool,
    ) -> None:
        super().__init__()
        self.shapes, self.slots, self.rank = shapes, slots, rank

        def zeros(*sizes: int) -> nn.Parameter:
            return nn.Parameter(untouched_zeros(sizes, dtype, device), requires_grad=trainable)

        self.down = nn.ParameterList(zeros(slots, s.features_in, rank) for s in shapes.values())
        self.up = nn.ParameterList(zeros(slots, rank, s.features_out) for s in shapes.values())
        self._trainable = trainable
        self._groups = _groups(tuple(shapes))
        self._compute = dtype
        self._slots: list[int] = []
        self._index: Tensor | None = None
        self._downs: dict[Group, Tensor] = {}
        self._ups: dict[int, Tensor] = {}
        self._low: tuple[Group, Tensor, Tensor] | None = None
        self._handles: list[RemovableHandle] = []

    def hook(self, transformer: nn.Module) -> None:
        """Adds this pool's term to each target Linear of the transformer."""
        if not self._trainable:
            self._compute = next(transformer.parameters()).dtype
        for position, name in enumerate(self.shapes):
            linear = transformer.get_submodule(name)
            self._handles.append(linear.register_forward_hook(self._term(position)))

    def detach(self) -> None:
        """Takes the pool off the transformer, which is then what it was before `attach`."""
        while self._handles:
            self._handles.pop().remove()

    def select(self, slots: list[int] | Tensor | None) -> None:
        """Chooses the slot of each row of the forwards that follow; None is the base for all.

        Raises:
            ValueError: a slot is outside [0, slots).
        """
        rows = [] if slots is None else [int(slot) for slot in slots]
        if any(not 0 <= slot < self.slots for slot in rows):
            raise ValueError(f"expected slots in [0, {self.slots}), got {rows}")
        self._low = None
        # In training the factors change from step to step, and each forward has a graph of its own.
        if rows != self._slots or self._trainable:
            self._forget()
            self._slots = rows
            # Rows that are all base skip the term, in training as in inference: slot 0 has no gradient.
            self._index = torch.tensor(rows, device=self.up[0].device) if any(rows) else None

    def require(self, factors: Factors) -> None:
        """Passes if factors can be written, else ValueError names what does not fit."""
        for name, pair in factors.items():
            self._fits(name, *pair)

    @torch.no_grad()
    def write(self, slot: int, factors: Factors) -> None:
        """Replaces what a slot holds; targets that `factors` lacks become zero.

        Args:
            slot: in [1, slots); slot 0 is the base.
            factors: rank at most the pool's.

        Raises:
            ValueError: slot out of range, an unknown target, or factors of the wrong shape.
        """
        self._writable(slot)
        self.require(factors)
        if slot in self._slots:
            self._forget()
        for position, name in enumerate(self.shapes):
            down, up = self.down[position][slot], self.up[position][slot]
            down.zero_()
            up.zero_()
            if name in factors:
                given_down, given_up = factors[name]
                down[:, : given_down.shape[1]].copy_(given_down)
                up[: given_up.shape[0]].copy_(given_up)

    @torch.no_grad()
    def read(self, slot: int) -> dict[str, tuple[Tensor, Tensor]]:
        """Copies of a slot's factors on the CPU, in the pool's rank and dtype."""
        if not 0 <= slot < self.slots:
            raise ValueError(f"expected a slot in [0, {self.slots}), got {slot}")
        return {
            name: (self.down[position][slot].cpu().clone(), self.up[position][slot].cpu().clone())
            for position, name in enumerate(self.shapes)
        }

    def clear(self, slot: int) -> None:
        """Makes a slot the bare base again."""
        self.write(slot, {})

    def _term(self, position: int) -> Callable[[nn.Module, tuple[Tensor], Tensor], Tensor]:
        def add(_module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            if self._index is None:
                return output
            low, up = self._lowered(position, inputs[0], self._index), self._up(position, self._index)
            if output.dtype == up.dtype:
                return output.baddbmm_(low, up)
            return output + torch.bmm(low, up).to(output.dtype)

        return add

    def _lowered(self, position: int, given: Tensor, index: Tensor) -> Tensor:
        """The input times `down` of each row [rows, tokens, rank], computed once for targets that share it."""
        group = self._groups[position]
        if self._low is None or self._low[0] != group or self._low[1] is not given:
            down = self._down(group, index)
            self._low = group, given, torch.bmm(given.to(down.dtype), down)
        start = group.index(position) * self.rank
        low = self._low[2][..., start : start + self.rank]
        if position == group[-1]:
            self._low = None
        return low

    def _down(self, group: Group, index: Tensor) -> Tensor:
        """`down` of each row, a group's side by side; kept between forwards only where it cannot change under us."""
        if group in self._downs:
            return self._downs[group]
        down = torch.cat([self._gather(self.down[position], index) for position in group], dim=-1)
        if not self._trainable:
            self._downs[group] = down
        return down

    def _up(self, position: int, index: Tensor) -> Tensor:
        """`up` of each row, kept like `down`."""
        if position in self._ups:
            return self._ups[position]
        up = self._gather(self.up[position], index)
        if not self._trainable:
            self._ups[position] = up
        return up

    def _gather(self, factors: Tensor, index: Tensor) -> Tensor:
        # Whole slots at a time: half the cost of indexing.
        rows = _Rows.apply if self._trainable else _rows
        found: Tensor = rows(factors, index)
        return found.to(self._compute)

    def _forget(self) -> None:
        """What was gathered is no longer true."""
        self._downs.clear()
        self._ups.clear()

    def _writable(self, slot: int) -> None:
        if not BASE_SLOT < slot < self.slots:
            raise ValueError(f"expected a slot in [1, {self.slots}), got {slot}")

    def _fits(self, name: str, down: Tensor, up: Tensor) -> None:
        if name not in self.shapes:
            raise ValueError(f"unknown target {name}")
        shape, rank = self.shapes[name], down.shape[-1]
        expected = ((shape.features_in, rank), (rank, shape.features_out))
        if (tuple(down.shape), tuple(up.shape)) != expected or rank > self.rank:
            raise ValueError(f"{name}: got {tuple(down.shape)}, {tuple(up.shape)}; {expected}, rank <= {self.rank}")


def _rows(factors: Tensor, index: Tensor) -> Tensor:
    return factors.index_select(0, index)


class _Rows(torch.autograd.Function):
    """Slots of a parameter with a gradient of those alone (sparse): what no row reads costs nothing."""

    @staticmethod
    def forward(ctx: Any, factors: Tensor, index: Tensor) -> Tensor:
        ctx.sizes = factors.shape
        ctx.save_for_backward(index)
        return _rows(factors, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        # Else torch warns that nobody asked for the checks.
        with torch.sparse.check_sparse_tensor_invariants(enable=False):  # type: ignore[no-untyped-call]
            return torch.sparse_coo_tensor(index[None], gradient, ctx.sizes), None


def untouched_zeros(sizes: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros that take no memory on a processor until they are written."""
    if device.type != "cpu":
        return torch.zeros(sizes, dtype=dtype, device=device)
    count = math.prod(sizes)
    return torch.frombuffer(mmap.mmap(-1, count * dtype.itemsize), dtype=dtype, count=count).view(sizes)


def bytes_of(shapes: Mapping[str, Shape], slots: int, rank: int, dtype: torch.dtype) -> int:
    """Memory of a pool whose slots are all written, in bytes."""
    return slots * rank * dtype.itemsize * sum(shape.features_in + shape.features_out for shape in shapes.values())


def _groups(names: tuple[str, ...]) -> tuple[Group, ...]:
    """For each target the positions, its own included, of those that read the same input as it."""
    place = {name: position for position, name in enumerate(names)}

    def group(name: str) -> Group:
        for parent, leaves in TOGETHER:
            for leaf in leaves:
                ending = f".{parent}.{leaf}"
                if name.endswith(ending):
                    siblings = [name.removesuffix(leaf) + other for other in leaves]
                    return tuple(place[sibling] for sibling in siblings if sibling in place)
        return (place[name],)

    return tuple(group(name) for name in names)
