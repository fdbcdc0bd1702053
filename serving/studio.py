"""What songs and tracks share: the base, the engine, the store, and the threads beside the step loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from serving.blobs import Blobs
from serving.cache import DiskCache
from serving.engine.bases.base import Base
from serving.engine.engine import Engine
from serving.engine.errors import EngineError, PromptError
from serving.engine.params import Job
from serving.engine.refusals import DeadlineError, QueueFullError, StoppedError
from serving.engine.ticket import Notify, Ticket
from serving.errors import busy, refused
from serving.noises import Noises
from serving.registry import Lookup, Registry

P = ParamSpec("P")
R = TypeVar("R")
# Songs that wait for their turn or have it; one more is told to come back after about a song's time.
SONGS_WAITING, SONG_S = 16, 5.0


class Studio:
    """One engine and what surrounds it in a replica."""

    def __init__(
        self,
        base: Base,
        engine: Engine,
        blobs: Blobs,
        decoders: int,
        cache: DiskCache | None = None,
        observe: Callable[[Lookup], None] | None = None,
    ) -> None:
        self.base, self.engine, self.blobs = base, engine, blobs
        # The text encoder keeps a cache and is not made for several threads; readers mostly wait.
        self._texts: Executor = ThreadPoolExecutor(1, "texts")
        self._readers: Executor = ThreadPoolExecutor(4, "readers")
        self._decoders: Executor = ThreadPoolExecutor(decoders, "decoders")
        self.noises = Noises(self)
        # Apart from the decoders of tracks: a file that takes long keeps only other songs waiting.
        self._hearers: Executor = ThreadPoolExecutor(decoders, "hearers")
        self._songs, self._turn = 0, asyncio.Semaphore(decoders)
        self.registry = Registry(blobs, engine, self._readers, cache, observe)

    def warm_up(self) -> None:
        """Loads what else would load at the first request: the frozen encoders."""
        self.base.text.encode(["music"])
        self.style(torch.zeros(self.base.codec.sample_rate))

    async def check_prompt(self, text: str) -> None:
        """Refused with 422 and the field `prompt` when the text encoder cannot read the whole of it."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._texts, self.base.text.check, text)
        except PromptError as error:
            message = f"The prompt cannot be read: {error.message}."
            raise refused(422, error.code, message, field="prompt", expected=error.expected) from error

    async def prompt(self, text: str, seconds: float) -> Tensor:
        """Token states of a prompt for a track of that length [tokens, size]; Refused as by `check_prompt`."""
        await self.check_prompt(text)
        return await asyncio.get_running_loop().run_in_executor(self._texts, self._states, text, seconds)

    def _states(self, text: str, seconds: float) -> Tensor:
        return self.base.text.encode([text], seconds)[0].cpu()

    async def read(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a call that waits for files."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: call(*args, **kwargs))

    async def decode(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a call that computes for long, in turn with others of its kind."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, lambda: call(*args, **kwargs))

    @asynccontextmanager
    async def song(self) -> AsyncIterator[None]:
        """A turn for one song, to be taken before its bytes are read; Refused with 503 when too many wait for one."""
        if self._songs >= SONGS_WAITING:
            raise busy(SONG_S)
        self._songs += 1
        try:
            async with self._turn:
                yield
        finally:
            self._songs -= 1

    async def hear(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a call that decodes an upload, in turn with others of its kind."""
        return await asyncio.get_running_loop().run_in_executor(self._hearers, lambda: call(*args, **kwargs))

    def submit(self, job: Job, notify: Notify | None = None) -> Ticket:
        """Puts a job in the engine's line; Refused with 503 when it has no room."""
        try:
            return self.engine.submit(job, notify)
        except QueueFullError as error:
            raise busy(error.retry_after_s) from error
        except StoppedError:
            raise busy(5.0) from None

    async def outcome(self, ticket: Ticket) -> Tensor:
        """The latents of a job [frames, channels]; a cancelled wait cancels the job.

        Raises:
            Refused: 503 the engine stops, 504 too late, 500 the forward failed.
        """
        try:
            return await asyncio.wrap_future(ticket.future)
        except StoppedError:
            raise busy(5.0) from None
        except DeadlineError as error:
            raise refused(504, "deadline", f"The track took too long: {error}.") from error
        except EngineError as error:
            raise refused(500, "engine_failed", str(error)) from error
        finally:
            self.engine.cancel(ticket)

    def style(self, waveform: Tensor) -> Tensor:
        """Style vector of audio at the codec's rate [samples] -> [size]."""
        return self.base.style.embed(waveform[None], self.base.codec.sample_rate)[0].cpu()


def absent(*sizes: int) -> Tensor:
    """Zeros: what the conditions take as "not given"."""
    return torch.zeros(sizes)
