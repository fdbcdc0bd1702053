"""The HTTP door, with a scripted replica behind it: what clients see of success, refusal, overload and death."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, Counter, generate_latest
from ray.exceptions import ActorDiedError

from schemas.base import Problem
from schemas.engine_token import headers
from schemas.generation import GenerationRequest, Progress, SongFacts, TrackFacts
from serving.app import Ingress
from serving.deployment import Refusal
from serving.settings import Settings
from tests.serving.replicas import TOKEN, Calls

SHA = "a" * 64
DONE = Progress(stage="done", track=TrackFacts(seconds=10, sha256=SHA, audio_url="a", features_url="b"))
SILENCE = object()
BUSY = Refusal(503, Problem(code="busy", message="full"), 7.4)


class Call:
    """What Ray's handle gives for one replica: lines to iterate, a value to await, a cancel."""

    def __init__(self, script: list[Any]) -> None:
        self._script = script
        self.cancelled = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        for line in self._script:
            if isinstance(line, Exception):
                raise line
            if line is SILENCE:
                await asyncio.Event().wait()
            yield line

    def __await__(self) -> Any:
        return anext(aiter(self)).__await__()

    async def get_async(self) -> Any:
        return await self

    def cancel(self) -> None:
        self.cancelled = True


class Handle:
    """Answers each method's calls from its list of scripts, in turn."""

    def __init__(self, **scripts: list[list[Any]]) -> None:
        self._scripts = scripts
        self.sessions: list[str] = []
        self.calls: list[Call] = []

    def options(self, *, session_id: str, **_: object) -> "Handle":
        self.sessions.append(session_id)
        return self

    def __getattr__(self, method: str) -> Any:
        return SimpleNamespace(remote=lambda *_: self._call(self._scripts[method].pop(0)))

    def broadcast(self, method: str, *_: object) -> Calls:
        return Calls([self._call([answer]) for answer in self._scripts[method].pop(0)])

    def _call(self, script: list[Any]) -> Call:
        self.calls.append(Call(script))
        return self.calls[-1]


def client(handle: Handle, patience_s: float = 60) -> TestClient:
    settings = Settings(
        store_url="memory://app",
        engine_token=TOKEN,
        log_level="error",
        engine_stuck_s=patience_s,
        engine_deadline_s=patience_s,
    )
    return TestClient(Ingress(handle, settings, "mark").web(), headers=headers(TOKEN))


@contextmanager
def short_waits() -> Iterator[None]:
    """For answers of all replicas that do not come."""
    with patch.multiple("serving.app", ANSWER_S=0.5, ADAPTERS_S=0.5):
        yield


def body(**changes: object) -> dict[str, object]:
    return {
        "track_id": str(uuid4()), "listener_id": str(uuid4()), "arm": "base", "seed": 1, "destination": "file:///x",
    } | changes  # fmt: skip


def lines(handle: Handle, request: dict[str, object] | None = None, patience_s: float = 60) -> list[Progress]:
    answer = client(handle, patience_s).post("/tracks", json=request or body())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return lines_of(answer.text)


def lines_of(text: str) -> list[Progress]:
    return [Progress.model_validate_json(line) for line in text.splitlines()]


def test_a_track_streams_to_its_end_and_is_routed_by_its_listener() -> None:
    handle, request = Handle(tracks=[[Progress(stage="queued", place=0), DONE]]), body()
    assert lines(handle, request) == [Progress(stage="queued", place=0), DONE]
    assert handle.sessions == [f"{request['listener_id']}/{request['track_id']}"]


def test_a_track_that_cannot_be_made_ends_in_a_problem() -> None:
    problem = Problem(code="adapter_nan", message="no", field="adapter")
    assert lines(Handle(tracks=[[Refusal(422, problem, None)]])) == [Progress(stage="failed", problem=problem)]


def test_a_full_queue_is_a_503_before_anything_streams() -> None:
    answer = client(Handle(tracks=[[BUSY]])).post("/tracks", json=body())
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "7", "busy")


def test_a_replica_that_dies_is_replaced_once() -> None:
    died = [Progress(stage="denoising", step=3, steps=8), ActorDiedError()]
    handle = Handle(tracks=[died, [Progress(stage="queued"), DONE]])
    assert [line.stage for line in lines(handle)] == ["denoising", "queued", "done"]
    assert all(call.cancelled for call in handle.calls)

    again = lines(Handle(tracks=[list(died), list(died)]))
    assert again[-1].stage == "failed"
    assert again[-1].problem is not None
    assert again[-1].problem.code == "engine_away"


def test_a_track_whose_forward_fails_is_asked_for_once_more() -> None:
    failed = Refusal(500, Problem(code="engine_failed", message="out of memory"), None)
    denoising = Progress(stage="denoising", step=1, steps=8)
    assert [line.stage for line in lines(Handle(tracks=[[denoising, failed], [denoising, DONE]]))][-1] == "done"

    handle = Handle(tracks=[[denoising, failed], [denoising, failed]])
    assert lines(handle)[-1] == Progress(stage="failed", problem=failed.problem)
    assert all(call.cancelled for call in handle.calls)


@pytest.mark.parametrize("script", [[SILENCE], [Progress(stage="queued", place=0), SILENCE]])
def test_a_track_whose_replica_falls_silent_is_asked_for_once_more(script: list[Any]) -> None:
    handle = Handle(tracks=[list(script), [Progress(stage="queued"), DONE]])
    assert lines(handle, patience_s=0.5)[-1] == DONE
    assert all(call.cancelled for call in handle.calls)

    handle = Handle(tracks=[list(script), list(script)])
    answer = client(handle, patience_s=0.5).post("/tracks", json=body())
    last = Problem.model_validate(answer.json()) if answer.status_code == 503 else lines_of(answer.text)[-1].problem
    assert last is not None
    assert last.code == "engine_away"
    assert all(call.cancelled for call in handle.calls)


def test_no_replica_at_all_is_a_503() -> None:
    gone: list[Any] = [ActorDiedError()]
    answer = client(Handle(tracks=[list(gone), list(gone)])).post("/tracks", json=body())
    assert answer.status_code == 503
    song = {"song_id": str(uuid4()), "source": "file:///x", "destination": "file:///y"}
    answer = client(Handle(songs=[gone])).post("/songs", json=song)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "2", "engine_away")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seconds": 1.9}, "seconds"),
        ({"seconds": 120.1}, "seconds"),
        ({"prompt": "x" * 301}, "prompt"),
        ({"seed": -1}, "seed"),
        ({"arm": "best"}, "arm"),
        ({"songs": ["a"] * 4}, "songs"),
        ({"listener_id": "me"}, "listener_id"),
        ({"colour": "red"}, "colour"),
        ({"adapter": {"version": 0}}, "adapter"),
    ],
)
def test_wrong_requests_name_the_field(change: dict[str, object], field: str) -> None:
    answer = client(Handle()).post("/tracks", json=body(**change))
    problem = Problem.model_validate(answer.json())
    assert (answer.status_code, problem.code) == (422, "invalid")
    assert problem.field is not None
    assert problem.field.split(".")[0] == field


def test_no_json_is_a_422() -> None:
    assert client(Handle()).post("/tracks", content=b"{").status_code == 422


def test_a_prompt_is_fine_or_there_is_a_problem() -> None:
    answer = client(Handle(prompts=[[None]])).post("/prompts", json={"prompt": "a reel"})
    assert (answer.status_code, answer.content) == (204, b"")
    problem = Problem(code="prompt_too_long", message="m", field="prompt", expected="<= 22 words")
    answer = client(Handle(prompts=[[Refusal(422, problem, None)]])).post("/prompts", json={"prompt": "a reel"})
    assert (answer.status_code, Problem.model_validate(answer.json())) == (422, problem)
    for nothing in (SILENCE, ActorDiedError()):
        with short_waits():
            answer = client(Handle(prompts=[[nothing]])).post("/prompts", json={"prompt": "a reel"})
        assert (answer.status_code, answer.json()["code"]) == (503, "engine_away")


def test_songs_answer_facts_or_the_problem() -> None:
    facts = SongFacts(seconds=3, sha256=SHA, loudness_lufs=-16, audio_url="a", features_url="b")
    song = {"song_id": str(uuid4()), "source": "file:///x", "destination": "file:///y"}
    assert client(Handle(songs=[[facts]])).post("/songs", json=song).json() == facts.model_dump()
    problem = Problem(code="silent", message="s", field="file")
    answer = client(Handle(songs=[[Refusal(422, problem, None)]])).post("/songs", json=song)
    assert (answer.status_code, Problem.model_validate(answer.json())) == (422, problem)


def test_adapters_report_the_first_problem_of_any_replica() -> None:
    problem = Problem(code="adapter_rank", message="r")
    refs = [
        {"listener_id": str(uuid4()), "version": n, "url": "u", "sha256": SHA, "base_hash": SHA} for n in (1, 2)
    ]  # fmt: skip
    handle = Handle(adapters=[[[None, None], [None, problem]]])
    answer = client(handle).post("/adapters", json=refs).json()
    assert answer["replicas"] == 2
    assert [entry["problem"] and entry["problem"]["code"] for entry in answer["adapters"]] == [None, "adapter_rank"]


@pytest.mark.parametrize("other", [SILENCE, ActorDiedError(), RuntimeError("dead")])
def test_what_one_replica_answers_is_told_whatever_becomes_of_the_other(other: Any) -> None:
    ref = {"listener_id": str(uuid4()), "version": 1, "url": "u", "sha256": SHA, "base_hash": SHA}
    status = {"replica": "a"}
    handle = Handle(
        status=[[status, other], [other, status]], metrics=[[b"# HELP a A\n# TYPE a gauge\na 1.0\n", other]],
        adapters=[[[None], other]],
    )  # fmt: skip
    with short_waits():
        web = client(handle)
        assert web.get("/health").status_code == 200
        assert web.get("/status").json()["replicas"] == [status]
        assert "a 1.0" in web.get("/metrics").text
        answer = web.post("/adapters", json=[ref]).json()
    assert (answer["replicas"], answer["adapters"][0]["problem"]) == (1, None)


@pytest.mark.parametrize("answers", [[RuntimeError("dead")], [SILENCE], []])
def test_an_engine_of_which_no_replica_answers_is_away(answers: list[Any]) -> None:
    with short_waits():
        web = client(Handle(status=[list(answers)], adapters=[list(answers)]))
        assert web.get("/health").status_code == 503
        assert web.post("/adapters", json=[]).status_code == 503


def test_metrics_of_ingress_and_replicas_come_together() -> None:
    registry = CollectorRegistry()
    Counter("encore_engine_steps_total", "Steps", ("replica",), registry=registry).labels("a").inc(3)
    handle = Handle(tracks=[[DONE]], metrics=[[generate_latest(registry)]])
    web = client(handle)
    web.post("/tracks", json=body())
    text = web.get("/metrics").text
    assert 'encore_engine_steps_total{replica="a"} 3.0' in text
    assert 'encore_engine_answers_total{route="/tracks",status="200"} 1.0' in text


def test_status_names_what_runs() -> None:
    answer = client(Handle(status=[[{"replica": "a"}]])).get("/status").json()
    assert answer == {"fingerprint": "mark", "replicas": [{"replica": "a"}]}


def test_what_crosses_processes_pickles() -> None:
    import pickle

    from serving.errors import busy

    refusal = pickle.loads(pickle.dumps(busy(3)))  # noqa: S301
    assert (refusal.status, refusal.problem.code, refusal.retry_after_s) == (503, "busy", 3)
    request = GenerationRequest.model_validate(body())
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301
    assert pickle.loads(pickle.dumps(BUSY)) == BUSY  # noqa: S301
