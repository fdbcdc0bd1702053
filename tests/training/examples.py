"""Facts, materials and feature files that the training tests share."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import torch
from safetensors.torch import save

from schemas.registry import AdapterRef
from serving.engine.music.plan import PLAN_CHANNELS
from training.material import Material
from training.snapshot import ListenerFacts, RatedTrack, Song

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


def features(path: Path, seed: int, channels: int = CHANNELS) -> str:
    """Writes a feature file; returns its URL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    music = latents(seed, channels=channels)
    plan = torch.zeros(len(music), PLAN_CHANNELS)
    path.write_bytes(save({"style": torch.full((200,), 0.1), "latents": music, "plan": plan}))
    return str(path)
