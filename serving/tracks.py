"""A track from request to stored audio: gather, denoise, decode, compare, store, telling how far it is."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from schemas.blobs import features_name
from schemas.generation import FLAT, ActionDrawn, GenerationRequest, Progress, TrackFacts
from schemas.registry import AdapterRef
from serving.audio import flac
from serving.contest import Contest, seats, seeds_from
from serving.engine.adapters.controls import Action, Controls
from serving.engine.adapters.scorer import Scorer
from serving.engine.adapters.slots import AdapterKey
from serving.engine.music.noise import FRESH, mean_style, personal
from serving.engine.music.plan import drawn
from serving.engine.params import Job, Update
from serving.engine.refusals import AdapterNotResidentError
from serving.engine.schedule import sampling
from serving.engine.ticket import Notify, Ticket
from serving.engine.windows import windows_for
from serving.errors import busy, refused
from serving.features import SongFeatures, dump_features, feel_of, parse_song, sound_of
from serving.judge import Judge, Sound, heard
from serving.originals import Originals, RepeatsError, given_up, seeds_again
from serving.parts import TrackParts
from serving.studio import Studio, absent

SONGS_REMEMBERED = 512
# A slot may be given away between loading and submitting only when the pool turns over that fast.
ATTEMPTS = 3


class Tracks:
    """Makes tracks; remembers the features of songs, which never change."""

    def __init__(
        self, studio: Studio, deadline_s: float, seeds: int = 1, again: Callable[[], None] = lambda: None
    ) -> None:
        """`seeds` may compete for one track at most, whatever requests say; `again` is told of each attempt that came
        too close to a song."""
        self._studio, self._deadline_s, self._seeds = studio, deadline_s, seeds
        self._songs: OrderedDict[str, SongFeatures] = OrderedDict()
        self._originals, self._again = Originals(studio), again
        self._decode_s = 0.0

    async def make(self, request: GenerationRequest) -> AsyncGenerator[Progress, None]:
        """Progress of one track; the last is `done`, when audio and features are in the store.

        Closing the iterator cancels the track: its rows are free before the next step.

        Raises:
            Refused: the track cannot be made.
        """
        deadline = time.monotonic() + self._deadline_s
        known = await self._originals.notes(list(dict.fromkeys((*request.songs, *request.known))))
        for attempt, seed in enumerate(seeds_again(request.seed)):
            again = request.model_copy(update={"seed": seed})
            try:
                async with aclosing(self._attempt(again, deadline, known, live=attempt == 0)) as progress:
                    async for each in progress:
                        yield each
            except RepeatsError:
                self._again()
            else:
                return
        raise given_up()

    def forget(self) -> None:
        """Remembers no song any more."""
        self._songs.clear()
        self._originals.forget()

    async def _attempt(
        self, request: GenerationRequest, deadline: float, known: list[Tensor], *, live: bool
    ) -> AsyncGenerator[Progress, None]:
        """One attempt; `live`: what can be heard before its end is stored. Raises RepeatsError."""
        contest, action = await self._enter(request, deadline)
        parts = TrackParts(self._studio, request.track_id, request.tone)
        try:
            async with aclosing(contest.updates()) as updates:
                async for update in updates:
                    if live and update.fresh is not None:
                        parts.add(update.fresh)
                    yield self._progress(update, parts)
            winner = contest.winner
            assert winner is not None, "updates end when there is a winner"
            latents = (await winner.outcome)[: self._studio.base.codec.frames_for(request.seconds)]
            yield Progress(stage="decoding", to_go_s=self._decode_s, ready_s=parts.ready_s or None)
            if await parts.settle():
                yield Progress(stage="decoding", to_go_s=self._decode_s, ready_s=parts.ready_s)
            began, sound = time.monotonic(), winner.sound
            # Seeds compete as they were made; only the track is heard in the tone that was asked for.
            if sound is None or request.tone != FLAT:
                sound = await self._studio.decode(heard, self._studio, await parts.finish(latents), request.seconds)
            await self._originals.require_new(torch.from_numpy(sound.audio.waveform), known)
            facts = await self._store(request, latents, winner.ticket.job.plan, sound)
            self._decode_s = time.monotonic() - began
            yield Progress(
                stage="done", track=facts.model_copy(update={"selection": contest.competitors, "action": action})
            )
        finally:
            contest.close()
            parts.cancel()

    async def _enter(self, request: GenerationRequest, deadline: float) -> tuple[Contest, ActionDrawn | None]:
        _require_own_adapter(request)
        prompt = await self._studio.prompt(request.prompt, request.seconds)
        songs = await asyncio.gather(*(self._song(url) for url in request.songs))
        for _ in range(ATTEMPTS):
            adapter = await self._adapter(request.adapter)
            scorer, controls = self._beside(request)
            jobs = partial(self._job, request, prompt, songs, adapter, deadline)
            own = jobs(request.seed)
            # Likeness is to the songs, whatever style is asked for.
            judge = None
            if bool(own.style.any()):
                judge = Judge(self._studio, own.style, _sound(songs), scorer, request.dials)
            action = None if controls is None or request.controls.style is not None else controls.draw(request.seed)
            most = 1 if judge is None else min(request.seeds, self._seeds)
            seeds = seeds_from(request.seed, seats(self._studio.engine.state(), own.rows, most))
            asked: dict[str, Any] = {"style": own.style if action is None else action.style}
            if len(seeds) > 1:
                # Who is heard halfway goes on meanwhile: that takes as long as the steps that could be saved.
                asked |= {"look": own.path.steps // 2, "rest": judge is not None and judge.sketches}
            try:
                contest = Contest(self._studio, judge, partial(self._entered, jobs, asked), seeds, request.seconds)
            except AdapterNotResidentError:
                continue
            return contest, _told(action)
        raise busy(1.0)

    def _entered(self, jobs: Callable[[int], Job], asked: Mapping[str, Any], seed: int, notify: Notify) -> Ticket:
        return self._studio.submit(replace(jobs(seed), **asked), notify)

    def _beside(self, request: GenerationRequest) -> tuple[Scorer | None, Controls | None]:
        return self._studio.registry.beside(request.adapter)

    async def _adapter(self, ref: AdapterRef | None) -> AdapterKey | None:
        return None if ref is None else await self._studio.registry.ensure(ref)

    def _job(
        self,
        request: GenerationRequest,
        prompt: Tensor,
        songs: list[SongFeatures],
        adapter: AdapterKey | None,
        deadline: float,
        seed: int,
    ) -> Job:
        base = self._studio.base
        codec, defaults = base.codec, base.manifest.sampling
        windows = windows_for(codec, request.seconds)
        frames = windows[-1].stop
        plan = base.conditions.plan(request.prompt, frames, drawn([song.feel for song in songs], seed))
        return Job(
            listener=str(request.listener_id),
            start=self._start(request, seed, songs, frames),
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

    def _start(self, request: GenerationRequest, seed: int, songs: list[SongFeatures], frames: int) -> Tensor:
        channels, share = self._studio.base.codec.latent_channels, request.controls.fresh
        noises = [song.noise for song in songs]
        return personal(noises, seed, frames, channels, FRESH if share is None else share)

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
            features = parse_song(data, self._studio.base)
            noise = await self._studio.noises.of(url, features)
            self._songs[url] = SongFeatures(features["style"], noise, feel_of(features), sound_of(features))
        self._songs.move_to_end(url)
        while len(self._songs) > SONGS_REMEMBERED:
            self._songs.popitem(last=False)
        return self._songs[url]

    async def _store(
        self, request: GenerationRequest, latents: Tensor, plan: Tensor | None, sound: Sound
    ) -> TrackFacts:
        said = {} if plan is None else {"plan": plan[: len(latents)]}
        features = dump_features(style=sound.style, sound=sound.numbers, latents=latents, **said)
        audio = await self._studio.decode(flac, sound.audio.waveform)
        audio_url = f"{request.destination}/audio.flac"
        features_url = f"{request.destination}/{features_name(features)}"
        blobs = self._studio.blobs
        await self._studio.read(blobs.write, features_url, features)
        # What an attempt that did not come to its end left there stays, and is what listeners hear.
        audio = await self._studio.read(blobs.write, audio_url, audio)
        sha256 = hashlib.sha256(audio).hexdigest()
        return TrackFacts(seconds=sound.audio.seconds, sha256=sha256, audio_url=audio_url, features_url=features_url)

    def _progress(self, update: Update, parts: TrackParts) -> Progress:
        return Progress(
            stage=update.stage,
            place=update.place,
            step=update.step,
            steps=update.steps,
            to_go_s=None if update.to_go_s is None else update.to_go_s + self._decode_s,
            ready_s=parts.ready_s or None,
        )


def _sound(songs: list[SongFeatures]) -> Tensor | None:
    """What the songs that say it sound like, on the whole [SOUND_SIZE]."""
    known = [song.sound for song in songs if song.sound is not None]
    return torch.stack(known).mean(0) if known else None


def _told(action: Action | None) -> ActionDrawn | None:
    return None if action is None else ActionDrawn(number=action.number, propensity=action.propensity)


def _require_own_adapter(request: GenerationRequest) -> None:
    """The gateway chose it; the engine compares again, and the file's own manifest is compared when it is loaded."""
    if request.adapter is not None and request.adapter.listener_id != request.listener_id:
        expected = f"an adapter of {request.listener_id}"
        message = "The adapter is another listener's."
        raise refused(422, "adapter_wrong_listener", message, field="adapter", expected=expected)
