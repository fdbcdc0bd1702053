"""The part of the HTTP API that says where versions come from, and lets operators hear two of them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.base import Frozen, Sha256
from schemas.generation import Prompt, Seconds, Seed

Standing = Literal["champion", "candidate", "previous"]
Side = Literal["champion", "candidate"]


class VersionView(Frozen):
    """A version of a listener's adapter. `standing` is what it is to the listener now, null: nothing any more;
    `pinned`: an operator holds them to it; `releases` are those that tried it; `mlflow_url` is its view in MLflow, null
    where nobody says where that is."""

    listener_id: UUID
    version: int
    round_id: UUID
    rank: int
    base_hash: str
    snapshot_sha256: str
    scores: dict[str, float]
    created_at: AwareDatetime
    standing: Standing | None
    pinned: bool
    releases: list[UUID]
    mlflow_url: str | None


class Source(Frozen):
    """A song or a track that was learned from: rated, or chosen among several seeds. `stars` and `heard` are of rated
    tracks, `prompt` of tracks. `weight` is its part in the loss and `target` 1 for towards, 0 for away; null where the
    method passed it over."""

    kind: Literal["song", "track"]
    source_id: UUID
    at: AwareDatetime
    prompt: str | None = None
    stars: int | None = None
    heard: float | None = None
    weight: float | None = None
    target: float | None = None


class Sources(Frozen):
    """What a round learned from of one listener, as its snapshot with this digest has it. `started_from` is the version
    that training began with, null: the base."""

    round_id: UUID
    listener_id: UUID
    snapshot_sha256: Sha256
    started_from: int | None
    total: int
    sources: list[Source]


class RoundCurve(Frozen):
    """The mean loss of each optimiser step; empty until the round has ended, and for rounds from before it was kept."""

    round_id: UUID
    losses: list[float]
    mlflow_url: str | None


class Member(Frozen):
    """A listener in a release and the versions that it compares; `champion_version` null: their songs alone."""

    listener_id: UUID
    candidate_version: int
    champion_version: int | None
    joined: bool


class SoundCreate(Frozen):
    """A sound of one side of a release for a listener in it; the same words, seconds and seed give what compares."""

    listener_id: UUID
    side: Side
    prompt: Prompt = ""
    seconds: Seconds = 10.0
    seed: Annotated[Seed, Field(description="the same for both sides")]
