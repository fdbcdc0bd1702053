"""Facts, materials and feature files that the training tests share."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import torch
from safetensors.torch import save

from schemas.registry import AdapterRef
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.music.plan import PLAN_CHANNELS
from training.factory import Factory, HeldOut
from training.material import Material
from training.methods.signed import targets
from training.snapshot import ListenerFacts, MethodName, RatedTrack, Recipe, Song

START = datetime(2026, 1, 1, tzinfo=UTC)
CHANNELS, FRAMES = 8, 150


def listener(number: int) -> UUID:
    return UUID(int=number)


def song(number: int, url: str = "song") -> Song:
    return Song(song_id=UUID(int=number), features_url=url, created_at=START + timedelta(minutes=number))


def track(number: int, stars: int, prompt: str = "", heard: float | None = 1.0, url: str = "track") -> RatedTrack:
    return RatedTrack(
        track_id=UUID(int=number),
        features_url=url,
        prompt=prompt,
        arm="base",
        stars=stars,
        heard=heard,
        rated_at=START + timedelta(hours=1, minutes=number),
    )


def facts(
    number: int, stars: tuple[int, ...] = (), songs: int = 1, champion: AdapterRef | None = None
) -> ListenerFacts:
    return ListenerFacts(
        listener_id=listener(number),
        songs=tuple(song(n) for n in range(songs)),
        tracks=tuple(track(100 + n, value, f"prompt {n}") for n, value in enumerate(stars)),
        champion=champion,
    )


def latents(seed: int, frames: int = FRAMES, channels: int = CHANNELS) -> torch.Tensor:
    """Music with something to learn: one constant colour a seed, and noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(channels, generator=generator) + 0.3 * torch.randn(frames, channels, generator=generator)


def material(seed: int, pieces: int = 2) -> Material:
    music = [torch.cat([latents(seed), torch.zeros(FRAMES, PLAN_CHANNELS)], 1) for _ in range(pieces)]
    return Material(
        pieces=[piece[:120] for piece in music],
        tails=[piece[120:] for piece in music],
        prompts=torch.zeros(pieces, 24, 384),
        style=torch.zeros(200),
        weights=torch.ones(pieces),
        targets=torch.ones(pieces),
        channels=CHANNELS,
    )


# Of eight tracks the first half has one colour and the second half the opposite one.
LIKED = torch.tensor([1.0, 1, 1, 1, -1, -1, -1, -1])
# Half of each colour.
PERMUTED = LIKED[torch.tensor([0, 4, 1, 5, 2, 6, 3, 7])]


def two_colours(target: torch.Tensor, weight: torch.Tensor) -> Material:
    """Those eight tracks."""
    generator = torch.Generator().manual_seed(1)
    colour = torch.randn(CHANNELS, generator=generator)
    pieces = []
    for sign in LIKED:
        music = sign * colour + 0.3 * torch.randn(FRAMES, CHANNELS, generator=generator)
        pieces.append(torch.cat([music, torch.zeros(FRAMES, PLAN_CHANNELS)], 1))
    return Material(
        pieces=[piece[:120] for piece in pieces],
        tails=[piece[120:] for piece in pieces],
        prompts=torch.zeros(8, 24, 384),
        style=torch.zeros(200),
        weights=weight.float(),
        targets=target.float(),
        channels=CHANNELS,
    )


def learned(material: Material, method: MethodName, steps: int = 60, rate: float = 5e-3) -> HeldOut:
    """What a round of the small model makes of it, judged by what is liked in truth."""
    recipe = Recipe(method=method, steps=steps, crop_frames=32, rank=4, rows=4, learning_rate=rate)
    factory = Factory(random_base(1), recipe, 1)
    job = factory.join(listener(5), material)
    while not factory.is_finished(job):
        factory.step()
    target, weight = targets(LIKED.double().numpy())
    job.material = two_colours(torch.from_numpy(target), torch.from_numpy(weight))
    found = factory.held_out(job)
    factory.close()
    return found


def taught(
    of: Callable[[torch.Tensor], Material], labels: torch.Tensor, method: MethodName, rate: float = 5e-3
) -> float:
    """How far labels of the eight tracks move the small model towards what is liked, less how far their opposite does:
    one of the colours is easier for the base, and that is no preference."""
    one, opposite = (learned(of(sign * labels), method, 30, rate).preference for sign in (1, -1))
    return (one - opposite) / 2


def features(path: Path, seed: int, channels: int = CHANNELS) -> str:
    """Writes a feature file; returns its URL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    music = latents(seed, channels=channels)
    plan = torch.zeros(len(music), PLAN_CHANNELS)
    path.write_bytes(save({"style": torch.full((200,), 0.1), "latents": music, "plan": plan}))
    return str(path)
