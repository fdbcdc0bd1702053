"""A task that is told to end does end, at whatever moment it is told."""

import asyncio
from typing import Any, cast

import pytest

from services.gateway.tracks import TrackMaker
from services.tasks import end


class NothingOpen:
    """A store without open tracks."""

    async def open_tracks(self, *_: Any) -> list[Any]:
        return []


def test_a_task_that_loses_a_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.tasks._AGAIN_S", 0.01)
    lost: list[str] = []

    async def deaf_once() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.append("first")
        await asyncio.Event().wait()

    async def run() -> asyncio.Task[None]:
        task = asyncio.create_task(deaf_once())
        await asyncio.sleep(0)
        await end([task])
        return task

    assert asyncio.run(run()).cancelled()
    assert lost == ["first"]


def test_the_others_are_ended_when_one_has_failed() -> None:
    async def broken() -> None:
        raise ValueError

    async def run() -> asyncio.Task[None]:
        failed, waiting = asyncio.create_task(broken()), asyncio.create_task(asyncio.Event().wait())
        await asyncio.wait([failed])
        assert isinstance(failed.exception(), ValueError)
        await end([failed, waiting])
        return cast("asyncio.Task[None]", waiting)

    assert asyncio.run(run()).cancelled()


@pytest.mark.parametrize("ticks", range(6))
def test_the_track_maker_ends_though_news_come_at_the_same_moment(ticks: int) -> None:
    async def run() -> bool:
        unused = cast("Any", None)
        maker = TrackMaker(cast("Any", NothingOpen()), unused, unused, unused, unused, unused, width=1, patience=1.0)
        running = asyncio.create_task(maker.run())
        await asyncio.sleep(0.01)  # it waits for news now; being early would only make the test milder
        maker.wake()
        for _ in range(ticks):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running], timeout=60)
        ended = running.cancelled()
        await end([running])
        return ended

    assert asyncio.run(run())
