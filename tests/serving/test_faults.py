"""What a listener gets when the engine cannot: out of memory, stuck, full, late. Real replicas, broken on purpose."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
import torch
from fastapi.testclient import TestClient

from schemas.base import Problem
from schemas.generation import GenerationRequest, Progress
from serving.deployment import Denoiser, Refusal
from serving.engine.batch import advance
from serving.settings import Settings
from tests.serving.engine.parts import job
from tests.serving.replicas import LISTENER, adapter_file, replica, served, settings, stored, track


@pytest.fixture(scope="module")
def of(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings(tmp_path_factory.mktemp("store"), engine_queue=2)


@pytest.fixture(scope="module")
def engine(of: Settings) -> Iterator[Denoiser]:
    with replica(of) as started:
        yield started


@pytest.fixture(scope="module")
def client(of: Settings, engine: Denoiser) -> Iterator[TestClient]:
    with served(of, engine) as opened:
        yield opened


@contextmanager
def broken(step: Callable[..., None]) -> Iterator[None]:
    """Another forward in the engine's place."""
    with patch("serving.engine.engine.advance", step):
        yield


class OutOfMemory:
    """Fails that many forwards."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, *arguments: Any) -> None:
        self.left -= 1
        if self.left >= 0:
            raise torch.OutOfMemoryError("tried to allocate 2 GiB")
        advance(*arguments)


class Held:
    """A forward that does not come back until it is let go."""

    def __init__(self) -> None:
        self.reached, self.let_go = threading.Event(), threading.Event()

    def __call__(self, *arguments: Any) -> None:
        self.reached.set()
        assert self.let_go.wait(120)
        advance(*arguments)


def problem_of(client: TestClient, of: Settings, **wish: Any) -> Problem:
    last = track(client, of, **wish)[-1]
    assert last.stage == "failed"
    assert last.problem is not None
    return last.problem


def request(of: Settings) -> GenerationRequest:
    destination = f"{of.store_url}/tracks/none"
    return GenerationRequest(track_id=uuid4(), listener_id=LISTENER, arm="base", seed=1, destination=destination)


def test_a_track_that_ran_out_of_memory_is_made_at_the_second_try(
    client: TestClient, of: Settings, engine: Denoiser
) -> None:
    with broken(OutOfMemory(1)):
        lines = track(client, of, adapter=stored(of, 1, adapter_file(1)))
    assert lines[-1].stage == "done"
    assert (engine._engine.state().jobs, engine._engine.state().pinned) == (0, 0)


def test_memory_that_stays_out_fails_the_track_and_not_the_engine(
    client: TestClient, of: Settings, engine: Denoiser
) -> None:
    with broken(OutOfMemory(2)):
        problem = problem_of(client, of, adapter=stored(of, 1, adapter_file(1)))
    assert (problem.code, "2 GiB" in problem.message) == ("engine_failed", True)
    assert (engine._engine.state().jobs, engine._engine.state().pinned) == (0, 0)
    assert track(client, of)[-1].stage == "done"


def test_a_full_queue_answers_busy_and_when_to_come_back(client: TestClient, of: Settings, engine: Denoiser) -> None:
    held = Held()
    with broken(held):
        running = engine._engine.submit(job(1))
        assert held.reached.wait(60)
        waiting = [engine._engine.submit(job(n, listener="crowd", frames=64)) for n in range(of.engine_queue)]
        answer = client.post("/tracks", json=request(of).model_dump(mode="json"))
        held.let_go.set()
        for ticket in (running, *waiting):
            ticket.future.result(60)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert int(answer.headers["retry-after"]) >= 1


def test_an_unknown_version_is_named(client: TestClient, of: Settings) -> None:
    gone = stored(of, 9, adapter_file(9)).model_copy(update={"url": f"{of.store_url}/adapters/never"})
    problem = problem_of(client, of, adapter=gone.model_copy(update={"sha256": "9" * 64}))
    assert (problem.code, problem.field) == ("not_found", "adapter")


def test_a_prompt_that_cannot_be_read_is_named_before_a_track_is_asked_for(client: TestClient) -> None:
    answer = client.post("/prompts", json={"prompt": "slow " * 23})
    problem = Problem.model_validate(answer.json())
    assert (answer.status_code, problem.code, problem.field) == (422, "prompt_too_long", "prompt")
    assert client.post("/prompts", json={"prompt": "slow " * 22}).status_code == 204


def test_a_track_that_is_late_fails_with_the_deadline(tmp_path: Path) -> None:
    of = settings(tmp_path, engine_deadline_s=1e-6)
    with replica(of) as engine, served(of, engine) as client:
        assert problem_of(client, of).code == "deadline"


def test_a_stuck_step_is_noticed_and_its_track_does_not_hang(tmp_path: Path) -> None:
    of = settings(tmp_path, engine_stuck_s=0.5, engine_deadline_s=1.0)
    held = Held()
    with replica(of) as engine, served(of, engine) as client, broken(held):
        assert problem_of(client, of).code == "engine_away"
        with pytest.raises(RuntimeError, match="stuck"):
            asyncio.run(engine.check_health())
        held.let_go.set()


def test_a_health_check_denoises(engine: Denoiser) -> None:
    before = engine._engine.state().steps
    asyncio.run(engine.check_health())
    assert engine._engine.state().steps == before + 1
    with broken(OutOfMemory(1)), pytest.raises(Exception, match="the forward failed"):
        asyncio.run(engine.check_health())


def test_a_track_that_waits_for_long_is_told_of_all_the_while(of: Settings, engine: Denoiser) -> None:
    async def play() -> list[Progress | Refusal]:
        made = asyncio.Event()

        async def make(_: GenerationRequest) -> AsyncGenerator[Progress, None]:
            yield Progress(stage="queued", place=7)
            await made.wait()
            yield Progress(stage="decoding")

        told: list[Progress | Refusal] = []
        with patch.object(engine._tracks, "make", make), patch.object(engine, "_repeat_s", 0.001):
            async for line in engine.tracks(request(of)):
                told.append(line)
                if len(told) == 3:
                    made.set()
        return told

    told = asyncio.run(asyncio.wait_for(play(), 60))
    assert told[:3] == [Progress(stage="queued", place=7)] * 3
    assert told[-1] == Progress(stage="decoding")
