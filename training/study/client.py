"""The public API as a listening product uses it. Knows nothing of Encore but its HTTP routes."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from schemas.api import EventsResult, FeedbackCounts, Listener, Pair, ReleaseView, RoundView, Song, Track, UpliftReport

SOURCE = "encore-study"
_RETRIES, _TOO_MANY = 60, 429


class ApiError(Exception):
    """The gateway refused; the message is its Problem."""


class Client:
    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=120.0,
            limits=httpx.Limits(max_connections=32),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def create_listener(self, attributes: dict[str, str]) -> Listener:
        return Listener.model_validate(await self._call("POST", "/v1/listeners", json={"attributes": attributes}))

    async def upload(self, listener_id: UUID, path: Path) -> Song:
        files = {"file": (path.name, await asyncio.to_thread(path.read_bytes), "audio/ogg")}
        return Song.model_validate(await self._call("POST", f"/v1/listeners/{listener_id}/songs", files=files))

    async def ask(self, listener_id: UUID, prompt: str, seconds: float) -> Track:
        body = {"listener_id": str(listener_id), "prompt": prompt, "seconds": seconds}
        return Track.model_validate(await self._call("POST", "/v1/tracks", json=body))

    async def pair(self, pair_id: UUID) -> Pair:
        return Pair.model_validate(await self._call("GET", f"/v1/pairs/{pair_id}"))

    async def ready(self, track_id: UUID) -> Track:
        """Follows the track's server-sent events until it is ready or has failed."""
        while True:
            async with self._http.stream("GET", f"/v1/tracks/{track_id}/events") as response:
                async for _line in response.aiter_lines():
                    pass
            track = Track.model_validate(await self._call("GET", f"/v1/tracks/{track_id}"))
            if track.status in ("ready", "failed"):
                return track

    async def audio(self, track_id: UUID) -> bytes:
        response = await self._http.get(f"/v1/tracks/{track_id}/audio")
        response.raise_for_status()
        return response.content

    async def send(self, events: Sequence[dict[str, Any]]) -> EventsResult:
        return EventsResult.model_validate(await self._call("POST", "/v1/events", json=list(events)))

    async def start_round(self) -> UUID:
        return RoundView.model_validate(await self._call("POST", "/v1/rounds", json={})).round_id

    async def rounds(self) -> list[RoundView]:
        return [RoundView.model_validate(row) for row in await self._call("GET", "/v1/rounds")]

    async def releases(self) -> list[ReleaseView]:
        return [ReleaseView.model_validate(row) for row in await self._call("GET", "/v1/releases")]

    async def release(self, release_id: UUID) -> ReleaseView:
        return ReleaseView.model_validate(await self._call("GET", f"/v1/releases/{release_id}"))

    async def feedback(self) -> FeedbackCounts:
        return FeedbackCounts.model_validate(await self._call("GET", "/v1/feedback"))

    async def uplift(self, release_id: UUID) -> UpliftReport:
        return UpliftReport.model_validate(
            await self._call("GET", "/v1/uplift", params={"release_id": str(release_id)})
        )

    async def _call(self, method: str, path: str, **request: Any) -> Any:
        """Sends; waits as the gateway asks when it is busy or a part behind it is away."""
        for _attempt in range(_RETRIES):
            response = await self._http.request(method, path, **request)
            if response.status_code not in (httpx.codes.SERVICE_UNAVAILABLE, _TOO_MANY):
                break
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
        if response.is_error:
            raise ApiError(f"{method} {path}: {response.status_code} {response.text}")
        return response.json()


def event(kind: str, listener_id: UUID, time: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """A CloudEvent as a client makes it, with its own id of version 7."""
    return {
        "specversion": "1.0",
        "id": str(uuid7()),
        "source": SOURCE,
        "subject": str(listener_id),
        "time": time.isoformat(),
        "type": kind,
        "datacontenttype": "application/json",
        "data": data,
    }
