"""The part of the HTTP API by which a listener goes on where they were, on any device."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.base import Frozen
from schemas.generation import MAX_SECONDS, Prompt, Seconds

MOST_TRACKS: Final = 20


class PlayingStation(Frozen):
    """A station: its wish, how many wishes it has made, its tracks (the first one plays) and where in that it is."""

    prompt: Prompt = ""
    seconds: Seconds
    made: Annotated[int, Field(ge=0, lt=2**31)]
    tracks: Annotated[list[UUID], Field(max_length=MOST_TRACKS)]
    at_s: Annotated[float, Field(ge=0, le=MAX_SECONDS)]


class PlayingSet(Frozen):
    """What a device says. `begins`: it begins to sound, so that another one that does is to stop. `station`: what is to
    be gone on with; null leaves what there is."""

    device_id: UUID
    begins: bool = False
    station: PlayingStation | None = None


class PlayingView(Frozen):
    """`device_id` is the one that began last: another one that sounds is to stop."""

    device_id: UUID
    prompt: str
    seconds: float
    made: int
    tracks: list[UUID]
    at_s: float
    said_at: AwareDatetime
