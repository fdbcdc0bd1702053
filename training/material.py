"""A listener's examples as tensors, and the rows that are drawn from them.

All in latent space: nothing is decoded. The last part of every piece is held out of training and only ever judged on.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from uuid import UUID

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from schemas.generation import MAX_SONGS
from serving.engine.bases.base import Base
from training.losses import logit_normal
from training.snapshot import ListenerSnapshot, Recipe

HELD_OUT_SHARE = 0.2
# Below this a piece is too short to be split: it is judged on as a whole.
SHORTEST_SPLIT = 64
HELD_OUT_FRAMES = 44
HELD_OUT_TIMES = (0.25, 0.5, 0.75)
MOST_JUDGED = 12
# What is wrong with one file. Any other OSError is the store's, and the round tries again.
NOT_THE_STORE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


class MaterialError(Exception):
    """A listener's feature files cannot be trained on."""


@dataclass(frozen=True, eq=False)
class Material:
    """Pieces of one listener. `pieces` and `tails` are [frames, channels + plan channels] each, frames even or odd:
    latents beside the plan that they were made by or fit; `prompts` [pieces, tokens, size], `style` [200], zeros where
    there are no songs; `weights` [pieces] > 0; `targets` [pieces], 1 = towards the piece. `losers`: by the place
    of the better piece of a pair the worse one, and the tail of that."""

    pieces: list[Tensor]
    tails: list[Tensor]
    prompts: Tensor
    style: Tensor
    weights: Tensor
    targets: Tensor
    channels: int
    losers: Mapping[int, tuple[Tensor, Tensor]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a batch: music x0 and noise eps [rows, frames, channels], times t [rows], prompts [rows, tokens, size],
    styles [rows, 200], plans [rows, frames, plan channels], weights and targets [rows]. `lost` and `lost_plans` are of
    the worse pieces of pairs; where a row is no pair they are its own."""

    x0: Tensor
    eps: Tensor
    t: Tensor
    prompts: Tensor
    styles: Tensor
    plans: Tensor
    weights: Tensor
    targets: Tensor
    lost: Tensor
    lost_plans: Tensor

    @staticmethod
    def join(parts: list["Rows"]) -> "Rows":
        return Rows(*(torch.cat([getattr(part, each.name) for part in parts]) for each in fields(Rows)))

    def only(self, wanted: Tensor) -> "Rows":
        """The rows that are wanted, bool [rows]."""
        return Rows(*(getattr(self, each.name)[wanted] for each in fields(Rows)))

    def losers(self) -> "Rows":
        """The same rows with the worse pieces in the place of the better ones."""
        return replace(self, x0=self.lost, plans=self.lost_plans)


def load_material(listener: ListenerSnapshot, read: Callable[[str], bytes], base: Base) -> Material:
    """Reads and splits what a snapshot says of a listener.

    Args:
        listener: at least one example.
        read: a blob by its URL.
        base: reads the prompts, and says what sizes features have.

    Raises:
        MaterialError: a file is absent, no feature file, of another base, or not finite; or there is no example.
        OSError: the store cannot be reached.
    """
    if not listener.examples:
        raise MaterialError("no example")
    urls = [example.features_url for example in listener.examples]
    urls += [example.loser.features_url for example in listener.examples if example.loser is not None]
    features = {url: _features(url, read, base) for url in urls}
    # The songs that the gateway would send with a request: the newest ones.
    songs = [features[song.features_url]["style"] for song in listener.facts.songs[-MAX_SONGS:]]
    style = torch.stack(songs).mean(0) if songs else torch.zeros_like(next(iter(features.values()))["style"])
    split = [_split(features[example.features_url]) for example in listener.examples]
    return Material(
        pieces=[piece for piece, _ in split],
        tails=[tail for _, tail in split],
        prompts=base.text.encode([example.prompt for example in listener.examples]).float(),
        style=style,
        weights=torch.tensor([example.weight for example in listener.examples]),
        targets=torch.tensor([example.target for example in listener.examples]),
        channels=base.codec.latent_channels,
        losers={
            place: _split(features[example.loser.features_url])
            for place, example in enumerate(listener.examples)
            if example.loser is not None
        },
    )


def draw(material: Material, recipe: Recipe, generator: torch.Generator) -> Rows:
    """A listener's rows of one step: pieces drawn by weight, so that the plain mean of their losses estimates the
    weighted loss; each row with its own crop, time, noise and dropout."""
    count = recipe.rows
    picks = torch.multinomial(material.weights, count, replacement=True, generator=generator).tolist()
    crops = torch.stack([_crop(material.pieces[pick], recipe.crop_frames, generator) for pick in picks])
    x0, plans = _apart(crops, material)
    lost, lost_plans = _apart(
        torch.stack(
            [
                _crop(material.losers[pick][0], recipe.crop_frames, generator) if pick in material.losers else crop
                for pick, crop in zip(picks, crops, strict=True)
            ]
        ),
        material,
    )
    chance = torch.rand(3, count, generator=generator)
    # Guidance compares with a row that has neither, and that row goes through the adapter as well.
    keep_both = chance[0] >= recipe.both_dropout
    keep_prompt = keep_both & (chance[1] >= recipe.prompt_dropout)
    keep_style = keep_both & (chance[2] >= recipe.style_dropout)
    return Rows(
        x0=x0,
        eps=torch.randn(x0.shape, generator=generator),
        t=logit_normal(count, generator),
        prompts=material.prompts[picks] * keep_prompt[:, None, None],
        styles=material.style.expand(count, -1) * keep_style[:, None],
        plans=plans * keep_prompt[:, None, None],
        weights=torch.ones(count),
        targets=material.targets[picks],
        lost=lost,
        lost_plans=lost_plans * keep_prompt[:, None, None],
    )


def held_out(material: Material, listener_id: UUID) -> Rows:
    """The same rows at every call: the tails of the weightiest pieces, and of what lost against them, at fixed times
    with fixed noise."""
    generator = generator_for("held out", listener_id)
    order = material.weights.argsort(descending=True, stable=True)[:MOST_JUDGED].tolist()
    pairs = [pick for pick in order if pick in material.losers]
    tails = [material.tails[pick] for pick in order] + [material.losers[pick][1] for pick in pairs]
    picks = [pick for pick in (*order, *pairs) for _ in HELD_OUT_TIMES]
    looped = torch.stack([_looped(tail, HELD_OUT_FRAMES, 0) for tail in tails])
    x0, plans = _apart(looped.repeat_interleave(len(HELD_OUT_TIMES), 0), material)
    targets = material.targets[picks]
    lost = torch.arange(len(picks)) >= len(order) * len(HELD_OUT_TIMES)
    return Rows(
        x0=x0,
        eps=torch.randn(x0.shape, generator=generator),
        t=torch.tensor(HELD_OUT_TIMES).repeat(len(tails)),
        prompts=material.prompts[picks],
        styles=material.style.expand(len(picks), -1),
        plans=plans,
        weights=material.weights[picks],
        targets=torch.where(lost, 1 - targets, targets),
        lost=x0,
        lost_plans=plans,
    )


def generator_for(purpose: str, listener_id: UUID, seed: int = 0) -> torch.Generator:
    """Random numbers that depend on nobody else in the round."""
    digest = hashlib.sha256(f"{purpose} {seed} {listener_id}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _features(url: str, read: Callable[[str], bytes], base: Base) -> dict[str, Tensor]:
    try:
        kept = ("style", "latents", "plan")
        tensors = {name: value.float() for name, value in load(read(url)).items() if name in kept}
    except (*NOT_THE_STORE, SafetensorError, ValueError) as error:
        raise MaterialError(f"{url}: {error}") from error
    if set(tensors) != set(kept) or tensors["latents"].ndim != 2 or not len(tensors["latents"]):
        raise MaterialError(f"{url}: expected `style`, `latents` [frames, channels] and `plan`")
    sizes = tensors["style"].numel(), tensors["latents"].shape[1]
    expected = base.conditions.style_size, base.codec.latent_channels
    if sizes != expected:
        raise MaterialError(f"{url}: style and channels {sizes}, expected {expected} of this base")
    planned = len(tensors["latents"]), base.conditions.plan_channels
    if tuple(tensors["plan"].shape) != planned:
        raise MaterialError(f"{url}: plan {tuple(tensors['plan'].shape)}, expected {planned} of this base")
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise MaterialError(f"{url}: holds a number that is not finite")
    return tensors


def _apart(rows: Tensor, material: Material) -> tuple[Tensor, Tensor]:
    """Latents and plans of rows of pieces [rows, frames, channels + plan channels]."""
    return rows[..., : material.channels], rows[..., material.channels :]


def _split(features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """What is trained on and what is judged on [frames, channels + plan channels] each."""
    piece = torch.cat([features["latents"], features["plan"]], dim=1)
    if len(piece) < SHORTEST_SPLIT:
        return piece, piece
    border = round(len(piece) * (1 - HELD_OUT_SHARE))
    return piece[:border], piece[border:]


def _crop(piece: Tensor, frames: int, generator: torch.Generator) -> Tensor:
    room = max(1, len(piece) - frames + 1)
    return _looped(piece, frames, int(torch.randint(room, (), generator=generator)))


def _looped(piece: Tensor, frames: int, start: int) -> Tensor:
    # A piece that is too short goes round: silence at its end would be learned as music.
    return piece[torch.arange(start, start + frames) % len(piece)]
