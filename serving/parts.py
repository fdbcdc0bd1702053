"""What of a long track can be heard before it is finished: its waveform as it grows, stored part by part."""

import asyncio
from uuid import UUID

from torch import Tensor

from schemas.generation import SAMPLE_RATE, Tone, part_key
from serving.audio import gain, pcm
from serving.engine.sound.chunks import Chunks
from serving.engine.sound.tone import Shelves
from serving.studio import Studio


class TrackParts:
    """Decodes and stores in the background, in order; made within the event loop.

    Every part has the gain of the first that is not silent: the loudness of the whole is not known before its end.

    Attributes:
        ready_s: seconds of audio in the store.
    """

    def __init__(self, studio: Studio, track_id: UUID, tone: Tone) -> None:
        self._studio, self._track_id, self._tone = studio, track_id, tone
        self._chunks = Chunks(studio.base.codec)
        self._shelves = self._new_shelves()
        self._taken, self._number = 0, 0
        self._gain: float | None = None
        self._turn = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self.ready_s = 0.0

    def add(self, latents: Tensor) -> None:
        """Takes the frames after those taken so far [frames, channels] and returns at once."""
        self._taken += len(latents)
        self._tasks.append(asyncio.create_task(self._store(latents)))

    async def settle(self) -> bool:
        """Waits until all that was added is stored; whether there is any part. Raises what went wrong."""
        await asyncio.gather(*self._tasks)
        return self._number > 0

    async def finish(self, latents: Tensor) -> Tensor:
        """The whole track in its tone [samples], of these latents [frames, channels]; call it once, after `settle`.

        The last part is stored only if there are others: a track of one window is finished by then.
        """
        last = await self._studio.decode(self._chunks.add, latents[self._taken :], last=True)
        if self._number:
            await self._write(last)
        return await self._studio.decode(self._new_shelves().add, self._chunks.waveform)

    def cancel(self) -> None:
        """Ends what is under way."""
        for task in self._tasks:
            task.cancel()

    async def _store(self, latents: Tensor) -> None:
        async with self._turn:
            fresh = await self._studio.decode(self._chunks.add, latents, last=False)
            if len(fresh):
                await self._write(fresh)

    def _new_shelves(self) -> Shelves:
        return Shelves(self._tone.bass_db, self._tone.treble_db, self._studio.base.codec.sample_rate)

    async def _write(self, made: Tensor) -> None:
        fresh = await self._studio.decode(self._shelves.add, made)
        if self._gain is None:
            self._gain = await self._studio.decode(gain, fresh.numpy())
        data = pcm(fresh.numpy(), 1.0 if self._gain is None else self._gain)
        url = self._studio.blobs.url(part_key(self._track_id, self._number))
        await self._studio.read(self._studio.blobs.write, url, data)
        self._number += 1
        self.ready_s += len(fresh) / SAMPLE_RATE
