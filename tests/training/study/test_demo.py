"""The demo's canary: everybody goes on hearing and rating until there is a verdict."""

import asyncio
import io
from datetime import UTC, datetime
from typing import cast
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from schemas.api import FeedbackCounts, ReleaseStatus, ReleaseView, RoundView
from training.study.client import Client
from training.study.demo import Plan, Play
from training.study.listening import SimulatedListener

PLAN = Plan(listeners=2, cohorts=1, cycles=1, hear=1, canary=3, seconds=1.0, seed=7, shift=0.0)


class Decides:
    """The API of a release that is decided once so many wishes were heard."""

    def __init__(self, after: int) -> None:
        self.release_id, self.after, self.heard = uuid4(), after, 0

    async def release(self, release_id: UUID) -> ReleaseView:
        status: ReleaseStatus = "held" if self.heard >= self.after else "canary"
        return ReleaseView(
            release_id=release_id,
            round_id=uuid4(),
            status=status,
            listeners=2,
            joined=2,
            paused=False,
            watched=0,
            started_at=datetime.now(UTC),
            guardrails=[],
            decisions=[],
        )

    async def feedback(self) -> FeedbackCounts:
        return FeedbackCounts(folded=0, dead_lettered=0, lag={"encore.ratings.v1": 0})


class Hears:
    def __init__(self, api: Decides) -> None:
        self.api = api

    async def hear_one(self, _: float) -> int:
        self.api.heard += 1
        await asyncio.sleep(0)  # the others' turn, as with any answer that is waited for
        return 5


def test_listeners_go_on_until_the_release_is_decided() -> None:
    api = Decides(after=2 * PLAN.canary)
    play = Play(cast("Client", api), PLAN, Console(file=io.StringIO()), {})
    play.listeners = [cast("SimulatedListener", Hears(api)) for _ in range(PLAN.listeners)]
    release = asyncio.run(play._heard_until_decided("cycle 1 canary", api.release_id))
    assert release.status == "held"
    assert api.heard == 2 * PLAN.canary
    assert play.acknowledged == 5 * api.heard
    assert "cycle 1 canary" in play.phases


class Trains:
    """The API of a factory that had begun a round by itself before one was asked for, which found so many left."""

    def __init__(self, left: int) -> None:
        self.asked, self.own, self.old, self.left = uuid4(), uuid4(), uuid4(), left

    async def start_round(self) -> UUID:
        return self.asked

    async def rounds(self) -> list[RoundView]:
        counts = {self.asked: self.left, self.own: 2, self.old: 4}
        return [
            RoundView(
                round_id=round_id,
                status="trained" if count else "empty",
                listeners=count,
                versions=count,
                created_at=datetime.now(UTC),
            )
            for round_id, count in counts.items()
        ]


def trained(play: Play) -> UUID:
    return asyncio.run(play._train("cycle train")).round_id


@pytest.mark.parametrize(("left", "played"), [(0, "own"), (1, "own"), (3, "asked")])
def test_of_rounds_that_began_since_the_one_with_most_listeners_is_played_once(left: int, played: str) -> None:
    api = Trains(left)
    play = Play(cast("Client", api), PLAN, Console(file=io.StringIO()), {}, rounds={api.old})
    assert trained(play) == getattr(api, played)
    with pytest.raises(RuntimeError, match="empty" if not left else "trained"):
        trained(play)
