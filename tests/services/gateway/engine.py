"""An engine that keeps the contract of the real one and makes tones: quick, and it can be told to fail."""

import asyncio
import hashlib
import io
import math
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import soundfile
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, StreamingResponse

from schemas.base import Problem
from schemas.generation import (
    ActionDrawn,
    Competitor,
    ForgetRequest,
    GenerationRequest,
    Progress,
    PromptRequest,
    SongFacts,
    SongRequest,
    TrackFacts,
    part_key,
)
from services.gateway.settings import GatewaySettings

RATE = 22_050
WORDS = 22

# What a replica says of itself, with more than the gateway tells.
STATUS = {
    "replica": "a1", "pid": 7, "rows": 3, "most_rows": 8, "waiting": 1, "step_seconds": 0.05,
    "adapters": {"resident": 5, "slots": 65, "pinned": 2, "loaded": 9, "last_used": []},
}  # fmt: skip


@dataclass
class ToneEngine:
    """Sound is made in threads, so that whoever asks meanwhile whether it is there is answered.

    `paused` stops songs, and tracks at their first step; `refusal` fails them; `breaks_off` is how many answers end
    early, `busy` how many are a 503 that asks for a second's patience, `songs_busy` the same of songs
    and seven seconds; `mute` says nothing of prompts;
    `older` is of a version before, which refuses `known`, `dials` and `tone`;
    `ready_s` is what it says of parts, which the tests store; the style of song n is (n, 1)."""

    asked: list[GenerationRequest] = field(default_factory=list)
    songs: list[SongRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    paused: bool = False
    away: bool = False
    mute: bool = False
    older: bool = False
    breaks_off: int = 0
    busy: int = 0
    songs_busy: int = 0
    refusal: Problem | None = None
    steps: int = 3
    ready_s: float | None = None
    base_hash: str = "b" * 64
    selection: tuple[Competitor, ...] = ()
    action: ActionDrawn | None = None

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/health")
        async def health() -> Response:
            return Response(status_code=503 if self.away else 200)

        app.add_api_route("/status", self.status, response_model=None)
        app.add_api_route("/forget", self.forget, methods=["POST"], response_model=None)

        @app.post("/songs")
        async def take_song(request: SongRequest) -> Any:
            self.songs.append(request)
            while self.paused:  # noqa: ASYNC110 (as below)
                await asyncio.sleep(0.02)
            return await self._taken(request)

        @app.post("/prompts")
        async def check_prompt(request: PromptRequest) -> Response:
            if self.mute:
                return Response(status_code=503)
            if len(request.prompt.split()) <= WORDS:
                return Response(status_code=204)
            problem = Problem(code="prompt_too_long", message="So many words.", field="prompt", expected=f"<= {WORDS}")
            return JSONResponse(problem.model_dump(), 422)

        @app.post("/tracks")
        async def make_track(request: GenerationRequest) -> Response:
            self.asked.append(request)
            if self.away:
                return Response(status_code=503)
            unknown = sorted({"known", "dials", "tone"} & request.model_fields_set)
            if self.older and unknown:
                problem = Problem(code="invalid", message="Extra inputs are not permitted", field=unknown[0])
                return JSONResponse(problem.model_dump(), 422)
            return self._begun(request)

        return app

    def _begun(self, request: GenerationRequest) -> Response:
        if self.busy > 0:
            self.busy -= 1
            problem = Problem(code="busy", message="The queue is full.")
            return JSONResponse(problem.model_dump(), 503, {"Retry-After": "1"})
        return StreamingResponse(self._lines(request), media_type="application/x-ndjson")

    async def status(self) -> Response:
        return Response(status_code=503) if self.away else JSONResponse({"replicas": [STATUS]})

    async def forget(self, request: ForgetRequest) -> Response:
        if self.away:
            return Response(status_code=503)
        self.forgotten += [str(each) for each in request.listeners]
        return Response(status_code=204)

    async def _taken(self, request: SongRequest) -> Any:
        if self.away:
            return Response(status_code=503)
        if self.songs_busy > 0:
            self.songs_busy -= 1
            problem = Problem(code="busy", message="So many songs.")
            return JSONResponse(problem.model_dump(), 503, {"Retry-After": "7"})
        audio, number = _path(request.destination) / "audio.flac", len(self.songs)
        try:
            seconds, digest = await asyncio.to_thread(normalise, _path(request.source), audio)
        except (soundfile.LibsndfileError, struct.error):
            problem = Problem(code="not_audio", message="The file is no audio.", expected="an audio file")
            return JSONResponse(problem.model_dump(), 422)
        return SongFacts(
            seconds=seconds,
            sha256=digest,
            loudness_lufs=-20.0,
            audio_url=f"{request.destination}/audio.flac",
            features_url=f"{request.destination}/features.safetensors",
            style=(float(number), 1.0),
            base_hash=self.base_hash,
        )

    async def _lines(self, request: GenerationRequest) -> AsyncIterator[bytes]:
        try:
            async for progress in self._progress(request):
                yield progress.model_dump_json().encode() + b"\n"
        except asyncio.CancelledError:
            self.cancelled.append(str(request.track_id))
            raise

    async def _progress(self, request: GenerationRequest) -> AsyncIterator[Progress]:
        yield Progress(stage="queued", place=0, steps=self.steps, to_go_s=9.0)
        for step in range(1, self.steps + 1):
            to_go_s = float(self.steps - step)
            yield Progress(stage="denoising", step=step, steps=self.steps, to_go_s=to_go_s, ready_s=self.ready_s)
            # Set from the test's thread, where asyncio's events may not be touched.
            while self.paused:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        if self.breaks_off > 0:
            self.breaks_off -= 1
            return
        if self.refusal is not None:
            yield Progress(stage="failed", problem=self.refusal)
            return
        yield Progress(stage="decoding")
        hertz = 220 * 2 ** (len(self.asked) % 12 / 12)
        digest = await asyncio.to_thread(play, _path(request.destination) / "audio.flac", request.seconds, hertz)
        facts = TrackFacts(
            seconds=request.seconds,
            sha256=digest,
            audio_url=f"{request.destination}/audio.flac",
            features_url=f"{request.destination}/features.safetensors",
            selection=self.selection,
            action=self.action,
        )
        yield Progress(stage="done", track=facts)


def store_part(settings: GatewaySettings, track_id: str, number: int, sample: int, count: int = 2_000) -> bytes:
    """Puts a part into the store as the engine does."""
    data = struct.pack("<h", sample) * count
    path = Path(settings.store_url.removeprefix("file://")) / part_key(UUID(track_id), number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".unfinished").write_bytes(data)
    path.with_suffix(".unfinished").rename(path)
    return data


def tone(seconds: float, hertz: float) -> Any:
    """A tone with overtones that fade one after the other; float samples at `RATE`."""
    time = np.arange(int(seconds * RATE)) / RATE
    parts = (np.sin(2 * math.pi * hertz * n * time) * np.exp(-time % 1 * n) / n for n in range(1, 6))
    return 0.3 * sum(parts)


def play(path: Path, seconds: float, hertz: float) -> str:
    """Writes a tone; its digest."""
    return write_flac(path, tone(seconds, hertz), RATE)


def normalise(source: Path, destination: Path) -> tuple[float, str]:
    """Writes the sound anew; its seconds and digest."""
    sound, rate = soundfile.read(io.BytesIO(source.read_bytes()))
    return len(sound) / rate, write_flac(destination, np.asarray(sound), rate)


def wav(seconds: float = 2.0, hertz: float = 330.0) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(seconds, hertz), RATE, format="WAV")
    return file.getvalue()


def write_flac(path: Path, sound: Any, rate: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, format="FLAC")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _path(url: str) -> Path:
    return Path(url.removeprefix("file://"))
