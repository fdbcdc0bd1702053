"""The engine as the gateway sees it: songs in, tracks out, over HTTP. Retries and time limits are the caller's."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from schemas.api import EngineView, PoolView, ReplicaView
from schemas.base import Problem
from schemas.engine_token import headers
from schemas.generation import ForgetRequest, GenerationRequest, Progress, SongFacts, SongRequest, TrackFacts
from services.trust import trusting

log = structlog.get_logger()

_CONNECT_S: Final = 2.0
_HEALTH_S: Final = 5.0
_SONG_S: Final = 180.0
_FORGET_S: Final = 15.0
_SILENCE_S: Final = 120.0
_ASK_AGAIN_S: Final = 1.0
_PASSING: Final = frozenset({"busy", "engine_away"})  # a replica died, or there is no room: another try may succeed
_LATER: Final = frozenset({"known", "dials", "tone"})
"""Fields of a wish for a track that the engine of the version before refuses, which serves on while an upgrade starts
the new one: it is asked without them."""
SILENT: Final = Problem(code="engine_away", message="The engine did not answer in time; ask again.")
M = TypeVar("M", bound=BaseModel)


class EngineAway(Exception):
    """The engine does not answer, is overloaded, or broke off; the same request may succeed later.

    Attributes:
        problem: what to say if it does not come back.
        retry_after_s: how long the engine asks to be left alone.
    """

    def __init__(self, reason: str, problem: Problem = SILENT, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.problem, self.retry_after_s = problem, retry_after_s


class EngineRefused(Exception):
    """The engine answered that this request cannot be done."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


class Engine:
    """One client for the life of the process; safe for concurrent use within its event loop."""

    def __init__(self, url: str, token: str = "", authority: Path | None = None) -> None:
        """`token` is the secret of the engine's door, empty for an engine that has none; `authority` signed its
        certificate, where the system does not know it."""
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers(token),
            verify=trusting(authority),
            timeout=httpx.Timeout(_SILENCE_S, connect=_CONNECT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
        )
        self._reachable = False
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def is_reachable(self) -> bool:
        """Whether `GET /health` says so, at most a second old."""
        async with self._asking:  # many who ask at once share one answer
            if time.monotonic() - self._asked_at > _ASK_AGAIN_S:
                try:
                    self._reachable = (await self._http.get("/health", timeout=_HEALTH_S)).is_success
                except httpx.HTTPError:
                    self._reachable = False
                self._asked_at = time.monotonic()
        return self._reachable

    async def problem_with(self, prompt: str) -> Problem | None:
        """Why the engine cannot read a prompt; None if it can, or if it does not say."""
        try:
            answer = await self._http.post("/prompts", json={"prompt": prompt}, timeout=_HEALTH_S)
            return _read(Problem, answer.content) if answer.status_code == 422 else None
        except (httpx.HTTPError, EngineAway):
            return None

    async def status(self) -> EngineView:
        """What each replica does now.

        Raises:
            EngineAway: no answer.
        """
        try:
            answer = await self._http.get("/status", timeout=_HEALTH_S)
        except httpx.HTTPError as error:
            raise EngineAway(repr(error)) from error
        _require_success(answer)
        try:
            return EngineView(replicas=[_replica(told) for told in answer.json()["replicas"]])
        except (ValueError, KeyError, TypeError) as error:
            raise EngineAway("an answer that is no status") from error

    async def forget(self, listeners: Sequence[UUID]) -> None:
        """Has every replica keep nothing of these listeners at hand.

        Raises:
            EngineAway: one may keep something still.
        """
        request = ForgetRequest(listeners=list(listeners))
        try:
            answer = await self._http.post("/forget", json=request.model_dump(mode="json"), timeout=_FORGET_S)
        except httpx.HTTPError as error:
            raise EngineAway(repr(error)) from error
        _require_success(answer)

    async def take_song(self, request: SongRequest) -> SongFacts:
        """Normalises one upload and computes its features.

        Raises:
            EngineRefused: the bytes are no usable audio.
            EngineAway: no answer.
        """
        try:
            answer = await self._http.post("/songs", json=request.model_dump(mode="json"), timeout=_SONG_S)
        except httpx.HTTPError as error:
            raise EngineAway(repr(error)) from error
        _require_success(answer)
        return _read(SongFacts, answer.content)

    async def make_track(self, request: GenerationRequest) -> AsyncGenerator[Progress | TrackFacts, None]:
        """Yields progress and, last, the facts of the finished track; closing the iterator cancels the request.

        Raises:
            EngineRefused: the track cannot be made.
            EngineAway: no answer, or the answer broke off before its last line.
        """
        asked = request.model_dump(mode="json")
        try:
            async with aclosing(self._made(asked)) as answer:
                async for news in answer:
                    yield news
        except EngineRefused as refusal:
            if refusal.problem.field not in _LATER:
                raise
        else:
            return
        log.warning("older_engine", track_id=asked["track_id"], asked_without=sorted(_LATER))
        async with aclosing(self._made({name: asked[name] for name in asked if name not in _LATER})) as answer:
            async for news in answer:
                yield news

    async def _made(self, asked: dict[str, Any]) -> AsyncGenerator[Progress | TrackFacts, None]:
        try:
            async with self._http.stream("POST", "/tracks", json=asked) as answer:
                if not answer.is_success:
                    await answer.aread()
                    _require_success(answer)
                async for line in answer.aiter_lines():
                    if not line:
                        continue
                    progress = _read(Progress, line)
                    if progress.stage == "failed":
                        raise _failure(progress.problem)
                    if progress.stage == "done" and progress.track is not None:
                        yield progress.track
                        return
                    yield progress
        except httpx.HTTPError as error:
            raise EngineAway(repr(error)) from error
        raise EngineAway("the answer broke off")


def _replica(told: dict[str, Any]) -> ReplicaView:
    pool = {name: told["adapters"][name] for name in PoolView.model_fields}
    return ReplicaView.model_validate({name: told[name] for name in ReplicaView.model_fields} | {"adapters": pool})


def _failure(problem: Problem | None) -> EngineAway | EngineRefused:
    if problem is None:
        return EngineRefused(Problem(code="engine_failed", message="No reason given."))
    return EngineAway(problem.message, problem) if problem.code in _PASSING else EngineRefused(problem)


def _require_success(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        problem = None
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        log.error("engine_knows_no_such_token")
        raise EngineAway("status 401")
    if answer.status_code in (408, 429) or answer.is_server_error:
        raise EngineAway(f"status {answer.status_code}", problem or SILENT, _retry_after_s(answer))
    raise EngineRefused(problem or Problem(code="engine_refused", message=f"The engine answered {answer.status_code}."))


def _retry_after_s(answer: httpx.Response) -> float:
    """0 where the header is absent or a date."""
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0


def _read(model: type[M], content: bytes | str) -> M:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise EngineAway(f"an answer that is no {model.__name__}") from error
