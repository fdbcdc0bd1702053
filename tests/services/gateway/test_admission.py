"""Who floods is served one at a time beside others, is refused beyond a bound, and keeps nobody's place."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from services.errors import ServiceError
from services.gateway import admission
from services.gateway.admission import BESIDE_S, Admission, Place
from services.gateway.placing import Placed
from services.principals.principal import SCOPES, Principal

PLACES = 3


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


async def asked(line: Admission, owner: str) -> "asyncio.Task[Place]":
    """A request that has a place or waits for one."""
    task = asyncio.create_task(line.place(owner))
    await settled()
    return task


async def settled() -> None:
    """Whatever can go on has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


def runs(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test())  # type: ignore[arg-type]

    run.__name__ = test.__name__
    return run


@runs
async def test_who_asks_alone_has_every_place() -> None:
    line = Admission(PLACES)
    tasks = [await asked(line, "a") for _ in range(PLACES + 1)]
    assert [task.done() for task in tasks] == [True] * PLACES + [False]
    tasks[0].result().leave()
    await settled()
    assert tasks[-1].done()


@runs
async def test_who_floods_beside_another_has_one_place_until_that_one_is_silent() -> None:
    clock = Clock()
    line = Admission(PLACES, now=clock)
    (await asked(line, "quiet")).result().leave()
    tasks = [await asked(line, "flooding") for _ in range(PLACES)]
    assert [task.done() for task in tasks] == [True, False, False]
    assert (await asked(line, "quiet")).done()
    clock.at += 2 * BESIDE_S
    (await asked(line, "third")).result().leave()  # somebody asks meanwhile
    tasks[0].result().leave()
    await settled()
    assert [task.done() for task in tasks] == [True, True, False]
    clock.at += 2 * BESIDE_S
    tasks[1].result().leave()
    await settled()
    assert tasks[2].done()


@runs
async def test_one_more_than_may_wait_is_refused_and_others_are_not() -> None:
    line = Admission(1, most_waiting=2)
    held = await asked(line, "flooding")
    waiting = [await asked(line, "flooding") for _ in range(2)]
    with pytest.raises(ServiceError) as refused:
        await line.place("flooding")
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (429, "too_many_at_once", 1)
    other = await asked(line, "other")
    held.result().leave()
    await settled()
    assert other.done()
    assert not any(task.done() for task in waiting)


@runs
async def test_whoever_was_served_least_is_next() -> None:
    clock = Clock()
    line = Admission(1, now=clock)
    for owner, seconds in (("much", 0.5), ("little", 0.1)):
        place = (await asked(line, owner)).result()
        clock.at += seconds
        place.leave()
    held = await asked(line, "third")
    much, little = await asked(line, "much"), await asked(line, "little")
    held.result().leave()
    await settled()
    assert (little.done(), much.done()) == (True, False)


@runs
async def test_who_goes_while_they_wait_takes_no_place() -> None:
    line = Admission(1)
    held = await asked(line, "a")
    gone, called = await asked(line, "a"), await asked(line, "b")
    gone.cancel()
    await settled()
    held.result().leave()
    called.cancel()  # together with their turn
    await settled()
    assert (await asked(line, "c")).done()


def test_a_place_is_held_no_longer_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "HELD_S", 0.0)

    async def hold() -> None:
        line = Admission(1)
        await line.place("who waits for an engine")
        await asyncio.wait_for(line.place("another"), 60)

    asyncio.run(hold())


@given(st.lists(st.sampled_from(["ask a", "ask b", "ask c", "leave", "go"]), max_size=60), st.integers(1, 4))
def test_places_are_bounded_and_nobody_waits_for_a_free_one(steps: list[str], places: int) -> None:
    async def walk() -> None:
        line = Admission(places, now=Clock())
        tasks: list[tuple[str, asyncio.Task[Place]]] = []
        for step in steps:
            done = [each for each in tasks if each[1].done()]
            if step.startswith("ask"):
                tasks.append((step, await asked(line, step)))
            elif step == "leave" and done:
                tasks.remove(done[0])
                done[0][1].result().leave()
            elif step == "go" and len(done) < len(tasks):
                gone = next(each for each in tasks if not each[1].done())
                tasks.remove(gone)
                gone[1].cancel()
            await settled()
            held = Counter(owner for owner, task in tasks if task.done())
            assert held.total() <= places
            waiting = {owner for owner, task in tasks if not task.done()}
            assert held.total() == places or not waiting - held.keys()
        while tasks:
            served = [each for each in tasks if each[1].done()]
            assert served, "somebody waits and nobody is served"
            for each in served:
                tasks.remove(each)
                each[1].result().leave()
            await settled()

    asyncio.run(walk())


@runs
async def test_a_request_gives_its_place_back_when_its_answer_begins() -> None:
    ends, begun = asyncio.Event(), Counter[str]()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - as ASGI has it
        await send({"type": "http.response.start", "status": 200})
        await ends.wait()

    async def send(message: Message) -> None:
        begun[message["type"]] += 1

    async def receive() -> Message:
        return {"type": "http.request"}

    app = Placed(stream, Admission(1))
    scope = {"type": "http", "encore.principal": Principal("operator", "anna", "k", SCOPES["operator"])}
    streams = [asyncio.create_task(app(scope, receive, send)) for _ in range(3)]
    await settled()
    assert begun["http.response.start"] == 3
    ends.set()
    await asyncio.gather(*streams)


@runs
async def test_who_is_cancelled_just_as_a_place_comes_free_takes_none_with_them() -> None:
    line = Admission(1)
    held, waiting = await asked(line, "a"), await asked(line, "b")
    waiting.cancel()
    held.result().leave()  # before the one who waited could say that it does not any more
    await settled()
    assert waiting.cancelled()
    assert (await asked(line, "c")).done()
