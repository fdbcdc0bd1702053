"""What is told of a track that is being made."""

import asyncio
from uuid import uuid4

from schemas.generation import Progress
from services.gateway.board import Board

STEP = Progress(stage="denoising", step=3, steps=8)


def test_what_is_said_again_is_no_news() -> None:
    async def play() -> None:
        board, track_id = Board(), uuid4()
        board.post(track_id, STEP)
        seen, _ = board.latest(track_id) or (0, None)
        with board.following(track_id) as following:
            waits = asyncio.create_task(following.wait(60))
            await asyncio.sleep(0)
            board.post(track_id, STEP)
            await asyncio.sleep(0)
            assert not waits.done()
            assert board.latest(track_id) == (seen, STEP)
            board.post(track_id, Progress(stage="decoding"))
            assert not await waits, "progress is no reason to look the track up"

    asyncio.run(play())


def test_what_is_told_between_two_waits_is_heard_by_each_who_follows() -> None:
    async def play() -> None:
        board, track_id = Board(), uuid4()
        with board.following(track_id) as one, board.following(track_id) as other:
            assert board.followed() == [track_id]
            board.finished(track_id)
            board.post(track_id, STEP)
            assert [await one.wait(60), await other.wait(60)] == [True, True]
        assert board.followed() == []

    asyncio.run(play())


def test_the_first_word_is_news_whatever_it_is() -> None:
    async def play() -> None:
        board, track_id = Board(), uuid4()
        board.post(track_id, Progress(stage="queued"))
        assert board.latest(track_id) == (1, Progress(stage="queued"))

    asyncio.run(play())
