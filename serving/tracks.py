"""A track from request to stored audio: gather, denoise, decode, store, telling how far it is."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import torch
from torch import Tensor

from schemas.generation import GenerationRequest, Progress, TrackFacts
from schemas.registry import AdapterRef
from serving.audio import finish, flac
from serving.engine.adapters.slots import AdapterKey
from serving.engine.music.noise import FRESH, mean_style, personal
from serving.engine.music.plan import drawn
from serving.engine.params import Job, Update
from serving.engine.refusals import AdapterNotResidentError
from serving.engine.schedule import sampling
from serving.engine.ticket import Ticket
from serving.engine.windows import windows_for
from serving.errors import busy, refused
from serving.features import SongFeatures, dump_features, parse_song
from serving.parts import TrackParts
from serving.studio import Studio, absent

SONGS_REMEMBERED = 512
# A slot may be given away between loading and submitting only when the pool turns over that fast.
ATTEMPTS = 3


class Tracks:
    """Makes tracks; remembers the features of songs, which never change."""

    def __init__(self, studio: Studio, deadline_s: float) -> None:
        self._studio, self._deadline_s = studio, deadline_s
        self._songs: OrderedDict[str, SongFeatures] = OrderedDict()
        self._decode_s = 0.0

    async def make(self, request: GenerationRequest) -> AsyncGenerator[Progress, None]:
        """Progress of one track; the last is `done`, when audio and features are in the store.

        Closing the iterator cancels the track: its rows are free before the next step.

        Raises:
            Refused: the track cannot be made.
        """
        deadline = time.monotonic() + self._deadline_s
        news: asyncio.Queue[Update] = asyncio.Queue()
        ticket = await self._submit(request, deadline, news)
        outcome = asyncio.ensure_future(self._studio.outcome(ticket))
        parts = TrackParts(self._studio, request.track_id)
        try:
            async with aclosing(_until(outcome, news)) as updates:
                async for update in updates:
                    if update.fresh is not None:
                        parts.add(update.fresh)
                    yield self._progress(update, parts)
            latents = (await outcome)[: self._studio.base.codec.frames_for(request.seconds)]
            yield Progress(stage="decoding", to_go_s=self._decode_s, ready_s=parts.ready_s or None)
            if await parts.settle():
                yield Progress(stage="decoding", to_go_s=self._decode_s, ready_s=parts.ready_s)
            yield Progress(stage="done", track=await self._store(request, latents, ticket.job.plan, parts))
        finally:
            outcome.cancel()
            parts.cancel()
            self._studio.engine.cancel(ticket)

    async def _submit(self, request: GenerationRequest, deadline: float, news: asyncio.Queue[Update]) -> Ticket:
        loop = asyncio.get_running_loop()

        def notify(update: Update) -> None:
            loop.call_soon_threadsafe(news.put_nowait, update)

        prompt = await self._studio.prompt(request.prompt, request.seconds)
        songs = await asyncio.gather(*(self._song(url) for url in request.songs))
        for _ in range(ATTEMPTS):
            adapter = await self._adapter(request.adapter)
            try:
                return self._studio.submit(self._job(request, prompt, songs, adapter, deadline), notify)
            except AdapterNotResidentError:
                continue
        raise busy(1.0)

    async def _adapter(self, ref: AdapterRef | None) -> AdapterKey | None:
        return None if ref is None else await self._studio.registry.ensure(ref)

    def _job(
        self,
        request: GenerationRequest,
        prompt: Tensor,
        songs: list[SongFeatures],
        adapter: AdapterKey | None,
        deadline: float,
    ) -> Job:
        base = self._studio.base
        codec, defaults = base.codec, base.manifest.sampling
        windows = windows_for(codec, request.seconds)
        frames = windows[-1].stop
        plan = base.conditions.plan(request.prompt, frames, drawn([song.feel for song in songs], request.seed))
        return Job(
            listener=str(request.listener_id),
            start=self._start(request, songs, frames),
            path=sampling(defaults.steps, defaults.shift),
            prompt=prompt,
            style=self._style(request, songs),
            guidance=defaults.guidance,
            adapter=adapter,
            deadline=deadline,
            windows=windows,
            plan=plan,
            # Guidance leaves a song's tempo and key as they are; without songs the seed's are all there is to go by.
            null_plan=plan - base.conditions.plan(request.prompt, frames) if songs else None,
        )

    def _start(self, request: GenerationRequest, songs: list[SongFeatures], frames: int) -> Tensor:
        channels, share = self._studio.base.codec.latent_channels, request.controls.fresh
        noises = [song.noise for song in songs]
        return personal(noises, request.seed, frames, channels, FRESH if share is None else share)

    def _style(self, request: GenerationRequest, songs: list[SongFeatures]) -> Tensor:
        size, said = self._studio.base.conditions.style_size, request.controls.style
        if said is None:
            return mean_style([song.style for song in songs]) if songs else absent(size)
        if len(said) != size:
            message = "The style vector belongs to another base model."
            raise refused(422, "other_base", message, field="controls.style", expected=f"{size} numbers")
        return torch.tensor(said)

    async def _song(self, url: str) -> SongFeatures:
        if url not in self._songs:
            data = await self._studio.read(self._studio.blobs.read, url, field="songs")
            self._songs[url] = parse_song(data, self._studio.base)
        self._songs.move_to_end(url)
        while len(self._songs) > SONGS_REMEMBERED:
            self._songs.popitem(last=False)
        return self._songs[url]

    async def _store(
        self, request: GenerationRequest, latents: Tensor, plan: Tensor | None, parts: TrackParts
    ) -> TrackFacts:
        began = time.monotonic()
        waveform = await parts.finish(latents)
        said = {} if plan is None else {"plan": plan[: len(latents)]}
        audio, features, seconds = await self._studio.decode(
            self._render, waveform, {"latents": latents, **said}, request.seconds
        )
        self._decode_s = time.monotonic() - began
        audio_url, features_url = f"{request.destination}/audio.flac", f"{request.destination}/features.safetensors"
        blobs = self._studio.blobs
        await self._studio.read(blobs.write, features_url, features)
        await self._studio.read(blobs.write, audio_url, audio)
        sha256 = hashlib.sha256(audio).hexdigest()
        return TrackFacts(seconds=seconds, sha256=sha256, audio_url=audio_url, features_url=features_url)

    def _render(self, waveform: Tensor, made: dict[str, Tensor], seconds: float) -> tuple[bytes, bytes, float]:
        """Audio file, feature file and length of a finished waveform [samples] and of what it was made from."""
        track = finish(waveform.numpy(), seconds)
        style = self._studio.style(torch.from_numpy(track.waveform))
        return flac(track.waveform), dump_features(style=style, **made), track.seconds

    def _progress(self, update: Update, parts: TrackParts) -> Progress:
        return Progress(
            stage=update.stage,
            place=update.place,
            step=update.step,
            steps=update.steps,
            to_go_s=None if update.to_go_s is None else update.to_go_s + self._decode_s,
            ready_s=parts.ready_s or None,
        )


async def _until(outcome: "asyncio.Future[Tensor]", news: asyncio.Queue[Update]) -> AsyncGenerator[Update, None]:
    """News as it comes, until there is an outcome and all that came before it has been told."""
    while not outcome.done() or not news.empty():
        take = asyncio.ensure_future(news.get())
        try:
            either: set[asyncio.Future[Any]] = {take, outcome}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if take.done():
                yield take.result()
        finally:
            take.cancel()
