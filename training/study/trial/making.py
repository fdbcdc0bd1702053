"""Tracks in one process: the engine's own batches, without its thread, its queue and its files."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from serving.engine.adapters.pool import Pool
from serving.engine.bases.shipped.checkpoint import ShippedBase
from serving.engine.batch import Row, admit, advance
from serving.engine.hearing.sound import sound_of
from serving.engine.music.noise import mean_style, personal
from serving.engine.music.plan import Feel, drawn
from serving.engine.params import Job
from serving.engine.schedule import sampling
from serving.engine.windows import Canvas, windows_for
from training.study.trial.brought import Brought, at_reference


@dataclass(frozen=True, eq=False)
class Wish:
    """One track to be made.

    Attributes:
        songs: of the listener; none = by the prompt alone.
        prompt: what was typed.
        seed: of the request.
        slot: of the adapter; 0 is the bare base.
        style: in place of the songs' mean [size].
        feel: in place of that of a song of the seed's choice.
        start: in place of the songs' noise [frames, channels].
    """

    songs: tuple[Brought, ...]
    prompt: str
    seed: int
    slot: int = 0
    style: Tensor | None = None
    feel: Feel | None = None
    start: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Made:
    """A track: where it started and what came out [frames, channels], its plan [frames, plan channels], how it was
    meant to move, its audio [samples], the style [size] and sound [SOUND_SIZE] of that, and the tagger's probabilities
    [50]."""

    start: Tensor
    latents: Tensor
    plan: Tensor
    feel: Feel
    audio: Tensor
    style: Tensor
    sound: Tensor
    tags: Tensor


@dataclass(frozen=True, eq=False)
class Studio:
    """What tracks are made with; `together` of them share a forward."""

    base: ShippedBase
    pool: Pool
    seconds: float
    steps: int
    together: int

    @torch.inference_mode()
    def make(self, wishes: Sequence[Wish]) -> list[Made]:
        """One track a wish, in order."""
        texts = sorted({wish.prompt for wish in wishes})
        states = {text: self.base.text.encode([text], self.seconds)[0].cpu() for text in texts}
        made: list[Made] = []
        for start in range(0, len(wishes), self.together):
            part = wishes[start : start + self.together]
            jobs = [self._job(wish, states[wish.prompt]) for wish in part]
            made += self._finished(jobs, self._latents(part, [job for job, _ in jobs]))
        return made

    @property
    def frames(self) -> int:
        """Latent frames of a track."""
        return windows_for(self.base.codec, self.seconds)[-1].stop

    def _job(self, wish: Wish, prompt: Tensor) -> tuple[Job, Feel]:
        """As `serving.tracks` puts it to the engine."""
        base, frames = self.base, self.frames
        feel = wish.feel or drawn([song.feel for song in wish.songs], wish.seed)
        plan = base.conditions.plan(wish.prompt, frames, feel)
        start = wish.start
        if start is None:
            start = personal([s.noise for s in wish.songs], wish.seed, frames, base.codec.latent_channels)
        style = wish.style
        if style is None:
            style = mean_style([s.style for s in wish.songs]) if wish.songs else torch.zeros(base.conditions.style_size)
        job = Job(
            listener="",
            start=start,
            path=sampling(self.steps, base.manifest.sampling.shift),
            prompt=prompt,
            style=style,
            guidance=base.manifest.sampling.guidance,
            plan=plan,
            null_plan=plan - base.conditions.plan(wish.prompt, frames) if wish.songs else None,
        )
        return job, feel

    def _latents(self, wishes: Sequence[Wish], jobs: Sequence[Job]) -> Tensor:
        channels = self.base.codec.latent_channels
        rows: list[Row] = [
            admit(self.base, job, wish.slot, Canvas(job.parts, channels, None))
            for wish, job in zip(wishes, jobs, strict=True)
        ]
        for _ in range(self.steps):
            advance(self.base, self.pool, rows)
        # Training works on the same network, with a pool of its own.
        self.pool.select(None)
        return torch.cat([row.latents for row in rows])

    def _finished(self, jobs: Sequence[tuple[Job, Feel]], latents: Tensor) -> list[Made]:
        codec = self.base.codec
        audio = at_reference(codec.decode(latents)[:, : round(self.seconds * codec.sample_rate)].float())
        features, tags = self.base.style.features(audio, codec.sample_rate)
        styles = ((features - self.base.style.mean.to(features)) / self.base.style.std.to(features)).float().cpu()
        return [
            self._one(job, feel, latents[i].cpu(), audio[i].cpu(), (styles[i], tags[i].cpu()))
            for i, (job, feel) in enumerate(jobs)
        ]

    def _one(self, job: Job, feel: Feel, latents: Tensor, audio: Tensor, heard: tuple[Tensor, Tensor]) -> Made:
        assert job.plan is not None, "every job of a study has a plan"
        style, tags = heard
        return Made(
            job.start, latents, job.plan, feel, audio, style, sound_of(audio, self.base.codec.sample_rate), tags
        )
