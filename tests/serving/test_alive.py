"""A track that waits is told of again and again, as long as the step loop lives."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from schemas.generation import Progress
from serving.alive import repeated

QUEUED = Progress(stage="queued", place=3)
DONE = Progress(stage="done")


class Lines:
    """One line, and another when it is let go."""

    def __init__(self) -> None:
        self.let_go, self.closed = asyncio.Event(), False

    async def __call__(self) -> AsyncGenerator[Progress, None]:
        try:
            yield QUEUED
            await self.let_go.wait()
            yield DONE
        finally:
            self.closed = True


def test_a_line_is_told_again_until_the_next_comes() -> None:
    async def play() -> list[Progress]:
        lines, told = Lines(), []
        async for line in repeated(lines(), 0.001, lambda: True):
            told.append(line)
            if told.count(QUEUED) == 3:
                lines.let_go.set()
        return told

    told = asyncio.run(play())
    assert told.count(QUEUED) >= 3
    assert (told[-1], told.count(DONE)) == (DONE, 1)


def test_nothing_is_told_again_of_a_loop_that_is_stuck() -> None:
    async def play() -> list[Progress]:
        lines, asked = Lines(), 0

        def is_alive() -> bool:
            nonlocal asked
            asked += 1
            if asked == 3:
                lines.let_go.set()
            return False

        return [line async for line in repeated(lines(), 0.001, is_alive)]

    assert asyncio.run(play()) == [QUEUED, DONE]


def test_who_stops_listening_closes_the_track() -> None:
    async def play() -> bool:
        lines = Lines()
        heard = repeated(lines(), 60, lambda: True)
        assert await anext(heard) == QUEUED
        waits = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        return lines.closed

    assert asyncio.run(play())


def test_what_goes_wrong_is_passed_on() -> None:
    async def failing() -> AsyncGenerator[Progress, None]:
        yield QUEUED
        raise ValueError("no")

    async def play() -> None:
        with pytest.raises(ValueError, match="no"):
            [line async for line in repeated(failing(), 60, lambda: True)]

    asyncio.run(play())
