"""The engine's HTTP door: validates, passes on to a replica, streams back. Holds no model.

`build` is the import path for Ray Serve (`serving.app:build`); `application` takes settings.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from ray import serve
from ray.serve.config import AutoscalingConfig, RequestRouterConfig
from ray.serve.handle import DeploymentHandle

from schemas.base import Problem
from schemas.generation import ForgetRequest, GenerationRequest, Progress, PromptRequest, SongRequest
from schemas.registry import AdapterRef
from serving.blobs import Blobs
from serving.deployment import Denoiser, Refusal
from serving.door import Door
from serving.errors import Refused
from serving.exposition import merge
from serving.published import Published
from serving.replicas import AWAY, GONE, SILENT, Replicas
from serving.settings import Settings
from serving.telemetry import configure_logging

ROOT = Path(__file__).parent.parent
# Longer than the router takes to see that a replica stands still: who was told that the engine answers is sent past it.
ANSWER_S = 1.5
# Who publishes waits for ten seconds. A replica that is late goes on loading.
ADAPTERS_S = 8.0
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
        self._secret = settings.engine_token.get_secret_value()
        self._whole_s = settings.engine_deadline_s + 2 * settings.engine_stuck_s
        self._replicas = Replicas(engine, silence_s=settings.engine_stuck_s, track_s=self._whole_s)
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
        web.add_middleware(Door, secret=self._secret)
        posts: dict[str, Callable[..., Any]] = {
            "/songs": self.songs,
            "/prompts": self.prompts,
            "/tracks": self.tracks,
            "/adapters": self.adapters,
            "/forget": self.forget,
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
            async with asyncio.timeout(self._whole_s):
                facts = await self._engine.options(session_id=str(request.song_id)).songs.remote(request)
        except GONE:
            facts = AWAY
        except TimeoutError:
            facts = SILENT
        if isinstance(facts, Refusal):
            return self._refuse("/songs", facts)
        self._answers.labels("/songs", 200).inc()
        return Response(facts.model_dump_json(), media_type="application/json")

    async def prompts(self, request: PromptRequest) -> Response:
        """Answers 204 when a track can be asked for with this prompt, else the `Problem` with it."""
        try:
            async with asyncio.timeout(ANSWER_S):
                refusal = await self._engine.prompts.remote(request)
        except GONE:
            refusal = AWAY
        except TimeoutError:
            refusal = SILENT
        if refusal is not None:
            return self._refuse("/prompts", refusal)
        self._answers.labels("/prompts", 204).inc()
        return Response(status_code=204)

    async def tracks(self, request: GenerationRequest) -> Response:
        """Makes one track; answers `Progress` lines. Closing the connection cancels it."""
        lines = self._replicas.track(request)
        first = await anext(lines)
        if isinstance(first, Refusal) and first.retry_after_s is not None:
            await lines.aclose()
            return self._refuse("/tracks", first)
        self._answers.labels("/tracks", 200).inc()
        return StreamingResponse(_encoded(first, lines), media_type="application/x-ndjson")

    async def adapters(self, refs: list[AdapterRef]) -> Response:
        """Loads adapters on every replica ahead of their first request; a replica that starts later does it too.

        Answers for the replicas that took them in time.
        """
        results = await self._replicas.every("adapters", refs, within_s=ADAPTERS_S)
        if not results:
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

    async def forget(self, request: ForgetRequest) -> Response:
        """Answers 204 when no replica keeps anything of these listeners at hand, and none will load it ahead; 503 when
        one may: to be asked again."""
        async with self._noting:
            try:
                await asyncio.to_thread(self._published.forget, request.listeners)
            except Refused as refusal:
                return self._refuse("/forget", Refusal(refusal.status, refusal.problem, refusal.retry_after_s))
        if not await self._replicas.all("forget", request, within_s=ADAPTERS_S):
            return self._refuse("/forget", AWAY)
        self._answers.labels("/forget", 204).inc()
        return Response(status_code=204)

    async def health(self) -> Response:
        """200 when at least one replica answers."""
        return JSONResponse({"status": "ok"}) if await self._every("status") else _answer(AWAY)

    async def status(self) -> Response:
        """What each replica does now."""
        return JSONResponse({"fingerprint": self._fingerprint, "replicas": await self._every("status")})

    async def metrics(self) -> Response:
        """The ingress's and every replica's metrics."""
        pages = [generate_latest(self._registry), *await self._every("metrics")]
        return Response(merge(pages), media_type=CONTENT_TYPE_LATEST)

    async def _every(self, method: str) -> list[Any]:
        return await self._replicas.every(method, within_s=ANSWER_S)

    def _refuse(self, route: str, refusal: Refusal) -> Response:
        self._answers.labels(route, refusal.status).inc()
        return _answer(refusal)


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
    digest = hashlib.sha256(settings.model_dump_json().encode() + settings.engine_token.get_secret_value().encode())
    sources = [*ROOT.glob("schemas/*.py"), *ROOT.glob("serving/**/*.py"), settings.base_folder / "base.json"]
    for path in sorted(sources):
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def application(settings: Settings) -> serve.Application:
    """The ingress in front of the engine's replicas, ready for `serve.run`."""
    # Replicas import from this folder, and glibc must not keep an arena a thread.
    shared = {"PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "2"}
    # Of the libraries beside torch, which is told its own number when it is known.
    threads = {"OMP_NUM_THREADS": str(settings.engine_threads or 1)}
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
