"""The engine's HTTP door: validates, passes on to a replica, streams back. Holds no model.

`build` is the import path for Ray Serve (`serving.app:build`); `application` takes settings.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.config import AutoscalingConfig, RequestRouterConfig
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle

from schemas.base import Problem
from schemas.generation import GenerationRequest, Progress, SongRequest
from schemas.registry import AdapterRef
from serving.blobs import Blobs
from serving.deployment import Denoiser, Refusal
from serving.exposition import merge
from serving.published import Published
from serving.settings import Settings
from serving.telemetry import configure_logging

LOG = structlog.get_logger()
ROOT = Path(__file__).parent.parent
ANSWER_S = 1.5
ADAPTERS_S = 30.0
# A track whose replica died or failed is asked for once more; both attempts write the same bytes to the same place.
ATTEMPTS = 2
GONE = (RayActorError, DeploymentUnavailableError, ReplicaUnavailableError, BackPressureError)
AWAY = Refusal(503, Problem(code="engine_away", message="No engine replica answers; try again."), 2.0)
SILENT = Refusal(503, Problem(code="engine_away", message="The engine replica fell silent; try again."), 5.0)
# The forward failed: out of memory perhaps, in a batch that will not come together again.
FAILED = 500
# Requests wait in the engine's own queue, which is fair and bounded; Serve's must not get in its way.
ONGOING = 1_000


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or None
    return _answer(Refusal(422, Problem(code="invalid", message=first["msg"], field=field), None))


class Ingress:
    """One light process; every route is one call of the engine's deployment."""

    def __init__(self, engine: DeploymentHandle, settings: Settings, fingerprint: str) -> None:
        configure_logging("engine-ingress", settings.log_level)
        self._engine, self._fingerprint = engine, fingerprint
        self._first_line_s = 2 * settings.engine_stuck_s
        self._last_line_s = settings.engine_deadline_s + 2 * settings.engine_stuck_s
        self._published = Published(Blobs(settings.store_url))
        self._noting = asyncio.Lock()
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "encore_engine_answers_total", "Answers, by route and status", ("route", "status"), registry=self._registry
        )

    def web(self) -> FastAPI:
        """The routes, bound to this object."""
        web = FastAPI(title="Encore engine", docs_url=None, redoc_url=None)
        web.add_exception_handler(RequestValidationError, _invalid)
        posts: dict[str, Callable[..., Any]] = {
            "/songs": self.songs,
            "/tracks": self.tracks,
            "/adapters": self.adapters,
        }
        gets: dict[str, Callable[..., Any]] = {
            "/health": self.health,
            "/status": self.status,
            "/metrics": self.metrics,
        }
        for method, routes in (("POST", posts), ("GET", gets)):
            for path, route in routes.items():
                web.add_api_route(path, route, methods=[method], response_model=None)
        return web

    # Ray Serve builds the application in the replica, after the constructor.
    __serve_build_asgi_app__ = web

    async def songs(self, request: SongRequest) -> Response:
        """Stores one song; answers `SongFacts`, or a `Problem` when the bytes are no usable audio."""
        try:
            async with asyncio.timeout(self._last_line_s):
                facts = await self._engine.options(session_id=str(request.song_id)).songs.remote(request)
        except GONE:
            facts = AWAY
        except TimeoutError:
            facts = SILENT
        if isinstance(facts, Refusal):
            return self._refuse("/songs", facts)
        self._answers.labels("/songs", 200).inc()
        return Response(facts.model_dump_json(), media_type="application/json")

    async def tracks(self, request: GenerationRequest) -> Response:
        """Makes one track; answers `Progress` lines. Closing the connection cancels it."""
        lines = self._lines(request)
        first = await anext(lines)
        if isinstance(first, Refusal) and first.retry_after_s is not None:
            await lines.aclose()
            return self._refuse("/tracks", first)
        self._answers.labels("/tracks", 200).inc()
        return StreamingResponse(_encoded(first, lines), media_type="application/x-ndjson")

    async def adapters(self, refs: list[AdapterRef]) -> Response:
        """Loads adapters on every replica ahead of their first request; a replica that starts later does it too."""
        try:
            results = await self._engine.broadcast("adapters", refs).results_async(timeout_s=ADAPTERS_S)
        except (*GONE, TimeoutError):
            return self._refuse("/adapters", AWAY)
        problems = [next((p for p in of_one if p is not None), None) for of_one in zip(*results, strict=True)]
        body = [
            {"model_version": ref.model_version, "problem": None if problem is None else problem.model_dump()}
            for ref, problem in zip(refs, problems, strict=True)
        ]
        async with self._noting:
            good = [ref for ref, problem in zip(refs, problems, strict=True) if problem is None]
            await asyncio.to_thread(self._published.note, good)
        self._answers.labels("/adapters", 200).inc()
        return JSONResponse({"replicas": len(results), "adapters": body})

    async def health(self) -> Response:
        """200 when at least one replica answers."""
        replicas = await self._every("status")
        return JSONResponse({"status": "ok"}) if replicas else _answer(AWAY)

    async def status(self) -> Response:
        """What each replica does now."""
        return JSONResponse({"fingerprint": self._fingerprint, "replicas": await self._every("status")})

    async def metrics(self) -> Response:
        """The ingress's and every replica's metrics."""
        pages = [generate_latest(self._registry), *await self._every("metrics")]
        return Response(merge(pages), media_type=CONTENT_TYPE_LATEST)

    async def _every(self, method: str) -> list[Any]:
        """The answers of the replicas that give one in time."""
        try:
            answers = await self._engine.broadcast(method).results_async(timeout_s=ANSWER_S, return_exceptions=True)
        except (*GONE, TimeoutError):
            return []
        return [answer for answer in answers if not isinstance(answer, Exception)]

    async def _lines(self, request: GenerationRequest) -> AsyncGenerator[Progress | Refusal, None]:
        """What a replica says of a track; asked for once more if the replica dies or fails before the end.

        Ends in time even if no replica ever answers: neither Serve's router nor a stuck replica has a limit of its own.
        """
        handle = self._engine.options(stream=True, session_id=str(request.listener_id))
        for attempt in range(1, ATTEMPTS + 1):
            stream = handle.tracks.remote(request)
            try:
                async with aclosing(_in_time(stream, self._first_line_s, self._last_line_s)) as lines:
                    async for line in lines:
                        if attempt < ATTEMPTS and isinstance(line, Refusal) and line.status == FAILED:
                            break
                        yield line
                    else:
                        return
            except GONE as error:
                LOG.warning("replica_gone", track_id=request.track_id, error=repr(error))
            except TimeoutError:
                LOG.warning("replica_silent", track_id=request.track_id)
                yield SILENT
                return
            finally:
                stream.cancel()
        yield AWAY

    def _refuse(self, route: str, refusal: Refusal) -> Response:
        self._answers.labels(route, refusal.status).inc()
        return _answer(refusal)


async def _in_time(
    stream: AsyncIterator[Progress | Refusal], first_s: float, last_s: float
) -> AsyncGenerator[Progress | Refusal, None]:
    """The lines of a stream; TimeoutError when the first or the last is later than that."""
    began, limit_s = asyncio.get_running_loop().time(), first_s
    lines = aiter(stream)
    while True:
        try:
            async with asyncio.timeout_at(began + limit_s):
                line = await anext(lines)
        except StopAsyncIteration:
            return
        yield line
        limit_s = last_s


async def _encoded(first: Progress | Refusal, rest: AsyncIterator[Progress | Refusal]) -> AsyncIterator[bytes]:
    yield _line(first)
    async for line in rest:
        yield _line(line)


def _line(line: Progress | Refusal) -> bytes:
    if isinstance(line, Refusal):
        line = Progress(stage="failed", problem=line.problem)
    return line.model_dump_json(exclude_none=True).encode() + b"\n"


def _answer(refusal: Refusal) -> Response:
    headers = {} if refusal.retry_after_s is None else {"Retry-After": str(round(refusal.retry_after_s))}
    return JSONResponse(refusal.problem.model_dump(), refusal.status, headers)


def fingerprint(settings: Settings) -> str:
    """Changes with the settings, the code or the base: what a running application was made of."""
    digest = hashlib.sha256(settings.model_dump_json().encode())
    sources = [*ROOT.glob("schemas/*.py"), *ROOT.glob("serving/**/*.py"), settings.base_folder / "base.json"]
    for path in sorted(sources):
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def application(settings: Settings) -> serve.Application:
    """The ingress in front of the engine's replicas, ready for `serve.run`."""
    # Replicas import from this folder, and glibc must not keep an arena a thread.
    shared = {"PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "2"}
    threads = {"OMP_NUM_THREADS": str(settings.engine_threads)}
    denoiser = serve.deployment(Denoiser).options(
        name="engine",
        max_ongoing_requests=ONGOING,
        request_router_config=RequestRouterConfig(
            request_router_class="serving.router.BoundedLoadRouter",
            request_router_kwargs={"spill": settings.engine_spill},
        ),
        health_check_period_s=10,
        health_check_timeout_s=2 * settings.engine_stuck_s,
        graceful_shutdown_timeout_s=settings.engine_drain_s,
        graceful_shutdown_wait_loop_s=0.5,
        ray_actor_options=_actor(0.5, settings.engine_device, shared | threads),
        **_replicas(settings),
    )
    ingress = serve.deployment(serve.ingress()(Ingress)).options(
        name="ingress",
        max_ongoing_requests=ONGOING,
        graceful_shutdown_timeout_s=settings.engine_drain_s,
        graceful_shutdown_wait_loop_s=0.5,
        ray_actor_options=_actor(0.1, "cpu", shared),
    )
    return ingress.bind(denoiser.bind(settings), settings, fingerprint(settings))


def build(_arguments: Mapping[str, str]) -> serve.Application:
    """For Ray Serve's own ways of deploying: settings from the environment of whoever builds."""
    return application(Settings())


def _replicas(settings: Settings) -> dict[str, Any]:
    """How many: a fixed number, or as many as the load asks for."""
    if settings.engine_max_replicas is None:
        return {"num_replicas": settings.engine_replicas}
    scaling = AutoscalingConfig(
        min_replicas=settings.engine_replicas,
        max_replicas=settings.engine_max_replicas,
        target_ongoing_requests=settings.engine_target_requests,
    )
    return {"autoscaling_config": scaling}


def _actor(cpus: float, device: str, environment: dict[str, str]) -> dict[str, Any]:
    """Small shares: the machine is shared, and threads are limited by settings."""
    options: dict[str, Any] = {"num_cpus": cpus, "runtime_env": {"env_vars": environment}}
    return options | {"num_gpus": 1} if device.startswith("cuda") else options
