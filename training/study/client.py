"""The public API as a listening product uses it. Knows nothing of Encore but its HTTP routes.

Each call carries the narrowest token that will do: making a listener the product's own, whatever one listener does that
listener's, which the product asks for and renews, and what staff may see an operator's.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from schemas.api import (
    EventsResult,
    FeedbackCounts,
    Listener,
    Pair,
    ReleaseView,
    RoundView,
    Song,
    TokenView,
    Track,
    UpliftReport,
)

SOURCE = "encore-study"
# Simulated listeners agree to everything that they are made for.
_CONSENT = {"training": True, "analysis": True, "text_version": "simulated"}
_RETRIES, _TOO_MANY = 60, 429
_RENEWED_BEFORE = timedelta(minutes=10)


class ApiError(Exception):
    """The gateway refused; the message is its Problem."""


class Client:
    """`service` and `operator` are tokens of these kinds."""

    def __init__(self, url: str, service: str, operator: str) -> None:
        self._service = _bearer(service)
        self._operator = _bearer(operator)
        self._listeners: dict[UUID, TokenView] = {}
        self._http = httpx.AsyncClient(base_url=url, timeout=120.0, limits=httpx.Limits(max_connections=32))

    async def close(self) -> None:
        await self._http.aclose()

    async def create_listener(self, attributes: dict[str, str]) -> Listener:
        return Listener.model_validate(
            await self._call(
                "POST", "/v1/listeners", self._service, json={"attributes": attributes, "consent": _CONSENT}
            )
        )

    async def upload(self, listener_id: UUID, path: Path) -> Song:
        files = {"file": (path.name, await asyncio.to_thread(path.read_bytes), "audio/ogg")}
        listener = await self._listener(listener_id)
        return Song.model_validate(
            await self._call("POST", f"/v1/listeners/{listener_id}/songs", listener, files=files)
        )

    async def ask(self, listener_id: UUID, prompt: str, seconds: float) -> Track:
        body = {"listener_id": str(listener_id), "prompt": prompt, "seconds": seconds}
        return Track.model_validate(
            await self._call("POST", "/v1/tracks", await self._listener(listener_id), json=body)
        )

    async def pair(self, listener_id: UUID, pair_id: UUID) -> Pair:
        return Pair.model_validate(await self._call("GET", f"/v1/pairs/{pair_id}", await self._listener(listener_id)))

    async def ready(self, listener_id: UUID, track_id: UUID) -> Track:
        """Follows the track's server-sent events until it is ready or has failed."""
        while True:
            listener = await self._listener(listener_id)
            async with self._http.stream("GET", f"/v1/tracks/{track_id}/events", headers=listener) as response:
                async for _line in response.aiter_lines():
                    pass
            track = Track.model_validate(await self._call("GET", f"/v1/tracks/{track_id}", listener))
            if track.status in ("ready", "failed"):
                return track

    async def audio(self, listener_id: UUID, track_id: UUID) -> bytes:
        listener = await self._listener(listener_id)
        response = await self._http.get(f"/v1/tracks/{track_id}/audio", headers=listener)
        response.raise_for_status()
        return response.content

    async def send(self, listener_id: UUID, events: Sequence[dict[str, Any]]) -> EventsResult:
        listener = await self._listener(listener_id)
        return EventsResult.model_validate(await self._call("POST", "/v1/events", listener, json=list(events)))

    async def start_round(self) -> UUID:
        return RoundView.model_validate(await self._call("POST", "/v1/rounds", self._operator, json={})).round_id

    async def rounds(self) -> list[RoundView]:
        return [RoundView.model_validate(row) for row in await self._call("GET", "/v1/rounds", self._operator)]

    async def releases(self) -> list[ReleaseView]:
        return [ReleaseView.model_validate(row) for row in await self._call("GET", "/v1/releases", self._operator)]

    async def release(self, release_id: UUID) -> ReleaseView:
        return ReleaseView.model_validate(await self._call("GET", f"/v1/releases/{release_id}", self._operator))

    async def feedback(self) -> FeedbackCounts:
        return FeedbackCounts.model_validate(await self._call("GET", "/v1/feedback", self._operator))

    async def uplift(self, release_id: UUID) -> UpliftReport:
        return UpliftReport.model_validate(
            await self._call("GET", "/v1/uplift", self._operator, params={"release_id": str(release_id)})
        )

    async def _listener(self, listener_id: UUID) -> dict[str, str]:
        """The listener's own token, a newer one when it ends soon."""
        held = self._listeners.get(listener_id)
        if held is None or held.expires_at - datetime.now(UTC) < _RENEWED_BEFORE:
            path = f"/v1/listeners/{listener_id}/tokens"
            held = TokenView.model_validate(await self._call("POST", path, self._service, json={}))
            self._listeners[listener_id] = held
        return _bearer(held.token)

    async def _call(self, method: str, path: str, who: dict[str, str], **request: Any) -> Any:
        """Sends; waits as the gateway asks when it is busy or a part behind it is away."""
        for _attempt in range(_RETRIES):
            response = await self._http.request(method, path, headers=who, **request)
            if response.status_code not in (httpx.codes.SERVICE_UNAVAILABLE, _TOO_MANY):
                break
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
        if response.is_error:
            raise ApiError(f"{method} {path}: {response.status_code} {response.text}")
        return response.json()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


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
