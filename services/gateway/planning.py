"""From what a listener may hear to what the engine is asked for. Pure: rows in, requests out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from schemas.events import Arm
from schemas.generation import FLAT, NO_DIALS, Controls, Dials, GenerationRequest, Tone
from schemas.registry import AdapterRef
from services.gateway.assignment import (
    CANARY,
    HELD_OUT,
    OFF,
    OPTED_OUT,
    PAIRED_OFF,
    SONGLESS,
    SONGLESS_OFF,
    STEADY,
    Draw,
    holding_back,
    without,
)
from services.gateway.cold import ColdStart

PERSONAL: Final[frozenset[Arm]] = frozenset({"champion", "candidate", "previous"})


@dataclass(frozen=True, slots=True)
class Taste:
    """What is personal about a listener now: feature files of their songs, newest first, what their first ones gave,
    their adapters, and the canary they are in, with the share of its wishes that are made twice. `held_back` is there
    while their last promotion is watched: the part of the champion's tracks that `previous` plays. `opted_out`: they
    take part in no comparison. `off`: a kill switch names them. `held_out`: they are among those who hear nothing that
    was learned, ever. `tone`: what they said of sound themselves."""

    songs: tuple[str, ...] = ()
    cold: ColdStart | None = None
    champion: AdapterRef | None = None
    candidate: AdapterRef | None = None
    previous: AdapterRef | None = None
    held_back: float | None = None
    release_id: UUID | None = None
    salt: str | None = None
    shares: Mapping[Arm, float] | None = None
    twins: float = 0.0
    opted_out: bool = False
    off: bool = False
    held_out: bool = False
    tone: Tone = FLAT

    @property
    def in_canary(self) -> bool:
        return self.release_id is not None and self.candidate is not None

    def outside_releases(self) -> "Taste":
        """The same without what is being tried or watched: no comparison counts what is made with it."""
        return replace(
            self, candidate=None, previous=None, held_back=None, release_id=None, salt=None, shares=None, twins=0.0
        )

    @property
    def arm_shares(self) -> Mapping[Arm, float]:
        """Of one track. In a canary nothing is held back: its twins leave the watch's coin no known chance."""
        if self.off:
            return OFF if self.cold is not None else SONGLESS_OFF
        if self.held_out:
            return HELD_OUT if self.cold is not None else SONGLESS_OFF
        if self.opted_out:
            return OPTED_OUT
        if self.held_back is None or self.in_canary:
            return self._shares
        return holding_back(self._shares, self.held_back)

    @property
    def _shares(self) -> Mapping[Arm, float]:
        """Who has brought no song has no cold start to be measured against."""
        if not self.in_canary:
            return STEADY if self.cold is not None else SONGLESS
        shares = self.shares or CANARY
        return shares if self.cold is not None else without(shares, "cold")

    @property
    def pair_shares(self) -> Mapping[Arm, float]:
        """Of a pair, in which `previous` is left out: without replacement its part would be another one. While the
        champion is what the cold start is, the two would be one track twice."""
        if self.off or self.held_out:
            return PAIRED_OFF if self.cold is not None else SONGLESS_OFF
        learned = self.champion is not None or self.cold is None or self.cold.songs != self.songs
        return self._shares if learned else without(self._shares, "cold")


@dataclass(frozen=True, slots=True)
class PlannedTrack:
    """One row of gateway.tracks before it is written."""

    request: GenerationRequest
    propensity: float
    release_id: UUID | None
    pair_id: UUID | None = None
    four_id: UUID | None = None


def taste(
    listener_id: UUID, songs: Sequence[str], cold: ColdStart | None, models: Mapping[str, Any] | None, tone: Tone
) -> Taste:
    """`models` is a row of the query of that name; None for a listener whom no training round has reached."""
    if models is None:
        return Taste(tuple(songs), cold, tone=tone)
    return Taste(
        tone=tone,
        songs=tuple(songs),
        cold=cold,
        champion=_adapter(listener_id, models, "champion"),
        candidate=_adapter(listener_id, models, "candidate"),
        previous=_adapter(listener_id, models, "previous"),
        held_back=models["held_back"],
        opted_out=models["opted_out"],
        release_id=models["release_id"],
        salt=models["salt"],
        shares=models["shares"],
        twins=models["twins"] or 0.0,
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
    seeds: int = 1,
    dials: Dials = NO_DIALS,
    pair_id: UUID | None = None,
    four_id: UUID | None = None,
) -> PlannedTrack:
    """The track that `draw` asks for: nothing personal in the base arm, the frozen start in the cold one; songs,
    adapter, the choice among at most `seeds` seeds, by `dials` too, and the listener's own tone in the others."""
    songs, controls = _songs_of(draw.arm, own)
    request = GenerationRequest(
        track_id=track_id,
        listener_id=listener_id,
        arm=draw.arm,
        prompt=prompt,
        seconds=seconds,
        seed=seed,
        songs=songs,
        adapter=adapter_of(draw.arm, own),
        controls=controls,
        seeds=seeds if draw.arm in PERSONAL else 1,
        dials=dials if draw.arm in PERSONAL else NO_DIALS,
        tone=own.tone if draw.arm in PERSONAL else FLAT,
        destination=destination,
    )
    return PlannedTrack(request, draw.propensity, own.release_id if own.in_canary else None, pair_id, four_id)


def _songs_of(arm: Arm, own: Taste) -> tuple[tuple[str, ...], Controls]:
    if arm == "cold" and own.cold is not None:
        return own.cold.songs, own.cold.controls
    return own.songs if arm in PERSONAL else (), Controls()


def adapter_of(arm: Arm, own: Taste) -> AdapterRef | None:
    match arm:
        case "champion":
            return own.champion
        case "candidate":
            return own.candidate
        case "previous":
            return own.previous
        case _:
            return None
