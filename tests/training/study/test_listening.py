"""A simulated listener as the API sees one."""

import asyncio
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import numpy as np
import soundfile as sf
import torch
from hypothesis import given
from hypothesis import strategies as st

from schemas.api import EventsResult, Pair, Track
from schemas.events import LISTENER_EVENT, PairEvent, PlayEvent, RatingEvent
from training.study.client import Client
from training.study.features import Ear
from training.study.listening import SimulatedListener, play_events
from training.study.population import Person, Scale
from training.study.taste import Taste

ENDED = datetime(2026, 1, 1, 12, tzinfo=UTC)


@given(length_ms=st.integers(2_000, 60_000), share=st.floats(0.05, 1.0))
def test_a_play_is_reported_whole_in_valid_events(length_ms: int, share: float) -> None:
    heard_ms = int(length_ms * share)
    events = [LISTENER_EVENT.validate_python(e) for e in play_events(uuid4(), uuid4(), heard_ms, length_ms, ENDED)]
    plays = [event for event in events if isinstance(event, PlayEvent)]
    stretches = [play.data.heard for play in plays[1:]]
    assert plays[0].type == "encore.play.started"
    assert sum(stretch.to_ms - stretch.from_ms for stretch in stretches if stretch) == heard_ms
    assert all(stretch and stretch.to_ms - stretch.from_ms <= 10_000 for stretch in stretches)
    assert plays[-1].type == ("encore.play.completed" if heard_ms == length_ms else "encore.play.interrupted")
    assert [play.time for play in plays] == sorted(play.time for play in plays)
    assert plays[-1].time <= ENDED


class OneWish:
    """The API, which makes every wish twice and every track a quiet second; `told` are the events that it was sent."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.made = Pair(pair_id=uuid4(), first=self._track(), second=self._track())

    def _track(self) -> Track:
        return Track(
            track_id=uuid4(), listener_id=uuid4(), prompt="", seconds=1.0, seed=7, status="ready", created_at=ENDED
        )

    async def ask(self, *_: object) -> Track:
        return self.made.first.model_copy(update={"pair_id": self.made.pair_id})

    async def pair(self, _: UUID, pair_id: UUID) -> Pair:
        assert pair_id == self.made.pair_id
        return self.made

    async def ready(self, _: UUID, track_id: UUID) -> Track:
        return next(track for track in (self.made.first, self.made.second) if track.track_id == track_id)

    async def audio(self, *_: object) -> bytes:
        file = io.BytesIO()
        sf.write(file, np.zeros(8000), 8000, format="WAV")
        return file.getvalue()

    async def send(self, _: UUID, events: Sequence[dict[str, Any]]) -> EventsResult:
        self.told += events
        return EventsResult(accepted=len(events), rejected=[])


class Deaf:
    """Hears nothing in particular."""

    def hear(self, _: object) -> torch.Tensor:
        return torch.zeros(2)


def test_of_a_wish_that_was_made_twice_both_are_rated_and_one_is_preferred() -> None:
    taste = Taste(np.zeros(1), np.ones(1), np.zeros(1), offset=0, noise=0, carelessness=0)
    api = OneWish()
    someone = SimulatedListener(
        Person("someone", {}, (), taste, 3),
        uuid4(),
        cast("Client", api),
        cast("Ear", Deaf()),
        Scale(np.zeros(2), np.ones(2)),
    )
    acknowledged = asyncio.run(someone.hear_one(1.0))
    events = [LISTENER_EVENT.validate_python(told) for told in api.told]
    rated = [event.data.track_id for event in events if isinstance(event, RatingEvent)]
    [vote] = [event for event in events if isinstance(event, PairEvent)]
    assert rated == [api.made.first.track_id, api.made.second.track_id]
    assert (vote.data.pair_id, vote.data.choice) == (api.made.pair_id, "tie")
    assert acknowledged == len(events) + 2, "and the gateway's own event of each track"
