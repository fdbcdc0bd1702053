"""From what a listener may hear to what the engine is asked for. Pure: rows in, requests out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from schemas.events import Arm
from schemas.generation import MAX_SONGS, GenerationRequest
from schemas.registry import AdapterRef
from services.gateway.assignment import CANARY, STEADY, Draw


@dataclass(frozen=True, slots=True)
class Taste:
    """What is personal about a listener now: feature files of their songs, newest first, their adapters, and the
    canary they are in."""

    songs: tuple[str, ...] = ()
    champion: AdapterRef | None = None
    candidate: AdapterRef | None = None
    release_id: UUID | None = None
    salt: str | None = None
    shares: Mapping[Arm, float] | None = None

    @property
    def in_canary(self) -> bool:
        return self.release_id is not None and self.candidate is not None

    @property
    def arm_shares(self) -> Mapping[Arm, float]:
        if not self.in_canary:
            return STEADY
        return self.shares or CANARY


@dataclass(frozen=True, slots=True)
class PlannedTrack:
    """One row of gateway.tracks before it is written."""

    request: GenerationRequest
    propensity: float
    release_id: UUID | None
    pair_id: UUID | None = None


def taste(listener_id: UUID, songs: Sequence[str], models: Mapping[str, Any] | None) -> Taste:
    """Reads a row of the query `models`; None for a listener whom no training round has reached."""
    newest = tuple(songs[:MAX_SONGS])
    if models is None:
        return Taste(newest)
    return Taste(
        songs=newest,
        champion=_adapter(listener_id, models, "champion"),
        candidate=_adapter(listener_id, models, "candidate"),
        release_id=models["release_id"],
        salt=models["salt"],
        shares=models["shares"],
    )


def _adapter(listener_id: UUID, models: Mapping[str, Any], arm: str) -> AdapterRef | None:
    if models[f"{arm}_version"] is None:
        return None
    return AdapterRef(
        listener_id=listener_id,
        version=models[f"{arm}_version"],
        url=models[f"{arm}_url"],
        sha256=models[f"{arm}_sha256"],
        base_hash=models[f"{arm}_base_hash"],
    )


def planned(
    draw: Draw,
    own: Taste,
    *,
    track_id: UUID,
    listener_id: UUID,
    prompt: str,
    seconds: float,
    seed: int,
    destination: str,
    pair_id: UUID | None = None,
) -> PlannedTrack:
    """The track that `draw` asks for: nothing personal in the base arm, songs and adapter in the others."""
    request = GenerationRequest(
        track_id=track_id,
        listener_id=listener_id,
        arm=draw.arm,
        prompt=prompt,
        seconds=seconds,
        seed=seed,
        songs=() if draw.arm == "base" else own.songs,
        adapter=adapter_of(draw.arm, own),
        destination=destination,
    )
    return PlannedTrack(request, draw.propensity, own.release_id if own.in_canary else None, pair_id)


def adapter_of(arm: Arm, own: Taste) -> AdapterRef | None:
    if arm == "champion":
        return own.champion
    return own.candidate if arm == "candidate" else None
