"""The engine's replicas as the ingress asks them: one for a track, all for how they are. Nobody waits for one that
died or stands still."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import structlog
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle

from schemas.base import Problem
from schemas.generation import GenerationRequest, Progress
from serving.deployment import Refusal
from serving.router import session

LOG = structlog.get_logger()
# A track whose replica died, failed or fell silent is asked for once more, of another if there is one; both attempts
# write the same bytes to the same place.
ATTEMPTS: Final = 2
GONE: Final = (RayActorError, DeploymentUnavailableError, ReplicaUnavailableError, BackPressureError)
AWAY: Final = Refusal(503, Problem(code="engine_away", message="No engine replica answers; try again."), 2.0)
SILENT: Final = Refusal(503, Problem(code="engine_away", message="The engine replica fell silent; try again."), 5.0)
# The forward failed: out of memory perhaps, in a batch that will not come together again.
FAILED: Final = 500


class Replicas:
    """Of one deployment, reached by its handle."""

    def __init__(self, engine: DeploymentHandle, silence_s: float, track_s: float) -> None:
        """A replica that says nothing of a track for `silence_s`, or is not done after `track_s`, has fallen silent."""
        self._engine, self._silence_s, self._track_s = engine, silence_s, track_s

    async def every(self, method: str, *arguments: object, within_s: float) -> list[Any]:
        """The answers of the replicas that give one in time."""
        return [answer for answer in await self._told(method, *arguments, within_s=within_s) if answer is not None]

    async def all(self, method: str, *arguments: object, within_s: float) -> bool:
        """Whether there are replicas and each of them answers true in time."""
        told = await self._told(method, *arguments, within_s=within_s)
        return bool(told) and all(told)

    async def _told(self, method: str, *arguments: object, within_s: float) -> list[Any]:
        """What each replica answers, None for one that does not."""
        ends_at = asyncio.get_running_loop().time() + within_s
        try:
            async with asyncio.timeout_at(ends_at):
                # The public `results_async` gives up on all answers when one is late; an upgrade of Ray must look here.
                calls = await self._engine.broadcast(method, *arguments)._fetch_replica_results_async()  # noqa: SLF001
        except (*GONE, TimeoutError):
            return []
        asked = [asyncio.create_task(_answer(method, call, ends_at)) for call in calls]
        return await asyncio.gather(*asked)

    async def track(self, request: GenerationRequest) -> AsyncGenerator[Progress | Refusal, None]:
        """What a replica says of a track; asked for once more if the replica does not see it through.

        Ends in time even if no replica ever answers: neither Serve's router nor a stuck replica has a limit of its own.
        """
        of = session(request.listener_id, request.track_id)
        handle = self._engine.options(stream=True, session_id=of)
        ended = AWAY
        for attempt in range(1, ATTEMPTS + 1):
            stream = handle.tracks.remote(request)
            try:
                async with aclosing(_in_time(stream, self._silence_s, self._track_s)) as lines:
                    async for line in lines:
                        if attempt < ATTEMPTS and isinstance(line, Refusal) and line.status == FAILED:
                            break
                        yield line
                    else:
                        return
            except GONE as error:
                LOG.warning("replica_gone", track_id=request.track_id, error=repr(error))
                ended = AWAY
            except TimeoutError:
                LOG.warning("replica_silent", track_id=request.track_id)
                ended = SILENT
            finally:
                stream.cancel()
        yield ended


async def _answer(method: str, call: Any, ends_at: float) -> Any:
    """What one replica answers; None if it is late or dies."""
    try:
        async with asyncio.timeout_at(ends_at):
            return await call.get_async()
    except TimeoutError:
        LOG.warning("replica_late", method=method)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one replica, the others are heard
        LOG.warning("replica_failed", method=method, error=repr(error))
    return None


async def _in_time(
    stream: AsyncIterator[Progress | Refusal], silence_s: float, all_s: float
) -> AsyncGenerator[Progress | Refusal, None]:
    """The lines of a stream; TimeoutError when one is that much later than the one before, or the last than all."""
    now = asyncio.get_running_loop().time
    ends_at = now() + all_s
    lines = aiter(stream)
    while True:
        try:
            async with asyncio.timeout_at(min(ends_at, now() + silence_s)):
                line = await anext(lines)
        except StopAsyncIteration:
            return
        yield line
