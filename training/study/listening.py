"""One simulated listener at work: asks for a track, hears it, leaves or stays, rates."""

import asyncio
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import soundfile as sf
import torch
from uuid_utils.compat import uuid4

from training.study.client import Client, event
from training.study.features import Ear
from training.study.population import Person, Scale
from training.study.prompts import typed
from training.study.taste import Vector

HEARTBEAT_MS = 10_000


@dataclass
class Hearing:
    """What a listener thought of one track; kept for the study's own figures."""

    track_id: UUID
    stars: int
    satisfaction: float


@dataclass
class SimulatedListener:
    person: Person
    listener_id: UUID
    client: Client
    ear: Ear
    scale: Scale
    rng: np.random.Generator = field(init=False)
    hearings: list[Hearing] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.person.seed)

    async def hear_one(self, seconds: float) -> int:
        """Asks for a track, hears and rates it; where the wish was made twice, both, and votes.

        Returns:
            How many events are acknowledged: the listener's, and the one of each track.

        Raises:
            RuntimeError: a track failed, or an event was refused.
        """
        asked = await self.client.ask(self.listener_id, typed(self.rng) or "music", seconds)
        if asked.pair_id is None:
            return (await self._hear_out(asked.track_id))[0]
        pair = await self.client.pair(self.listener_id, asked.pair_id)
        first, heard_first = await self._hear_out(pair.first.track_id)
        second, heard_second = await self._hear_out(pair.second.track_id)
        choice = self.person.taste.vote(heard_first, heard_second, self.rng)
        vote = {"pair_id": str(pair.pair_id), "choice": choice}
        return first + second + await self._tell([self._event("encore.pair.voted", vote)])

    async def _hear_out(self, track_id: UUID) -> tuple[int, Vector]:
        """Hears and rates a track: how many events that made, and its features."""
        track = await self.client.ready(self.listener_id, track_id)
        if track.status == "failed":
            raise RuntimeError(f"track {track.track_id} failed: {track.problem}")
        audio = await self.client.audio(self.listener_id, track.track_id)
        features, length = await asyncio.to_thread(self._hear, audio)
        return await self._respond(track.track_id, features, length), features

    def _hear(self, audio: bytes) -> tuple[Vector, float]:
        waveform, rate = sf.read(io.BytesIO(audio), dtype="float32")
        features = self.ear.hear(torch.from_numpy(waveform)).double().numpy()
        return self.scale.standardise(features), len(waveform) / rate

    async def _respond(self, track_id: UUID, features: Vector, length: float) -> int:
        taste = self.person.taste
        heard_ms = int(taste.heard_fraction(features, self.rng) * length * 1000)
        stars = taste.stars(features, self.rng)
        events = play_events(self.listener_id, track_id, heard_ms, int(length * 1000), datetime.now(UTC))
        events.append(self._event("encore.rating.given", {"track_id": str(track_id), "stars": stars}))
        accepted = await self._tell(events)
        self.hearings.append(Hearing(track_id, stars, taste.satisfaction(features)))
        return accepted + 1

    def _event(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        return event(kind, self.listener_id, datetime.now(UTC), data)

    async def _tell(self, events: list[dict[str, Any]]) -> int:
        result = await self.client.send(self.listener_id, events)
        if result.rejected:
            raise RuntimeError(f"events refused: {result.rejected}")
        return result.accepted


def play_events(
    listener_id: UUID, track_id: UUID, heard_ms: int, length_ms: int, ended: datetime
) -> list[dict[str, Any]]:
    """A play from the start that was heard for `heard_ms`, as a player reports it.

    Times lie before `ended`: a simulated listener takes no real time to listen.
    """
    play_id = str(uuid4())
    began = ended - timedelta(milliseconds=heard_ms)
    stops = [*range(HEARTBEAT_MS, heard_ms, HEARTBEAT_MS), heard_ms]
    events = [_play("started", listener_id, track_id, play_id, began, 0, None)]
    for start, stop in zip([0, *stops], stops, strict=False):
        last = stop == heard_ms
        kind = ("completed" if heard_ms >= length_ms else "interrupted") if last else "heartbeat"
        heard = {"from_ms": start, "to_ms": stop}
        events.append(_play(kind, listener_id, track_id, play_id, began + timedelta(milliseconds=stop), stop, heard))
    return events


def _play(
    kind: str,
    listener_id: UUID,
    track_id: UUID,
    play_id: str,
    time: datetime,
    position_ms: int,
    heard: dict[str, int] | None,
) -> dict[str, Any]:
    data = {"play_id": play_id, "track_id": str(track_id), "position_ms": position_ms, "heard": heard}
    return event(f"encore.play.{kind}", listener_id, time, data)
