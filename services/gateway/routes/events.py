"""What listeners did: plays, ratings, votes and picks in batches, answered once Kafka has acknowledged them."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from schemas.api import EventsResult, RejectedEvent
from schemas.events import FourEvent, PairEvent
from services.errors import ServiceError
from services.gateway import metrics
from services.gateway.access import needs
from services.gateway.intake import (
    MAX_BATCH,
    Known,
    KnownSet,
    KnownTrack,
    ListenerEvent,
    Refused,
    happened_at,
    read,
)
from services.gateway.parts import At, By, Parts
from services.gateway.stamps import stamped
from services.seals import Sealed, seal

router = APIRouter(prefix="/v1/events", tags=["events"])

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_BATCH,
                    "items": {"$ref": "#/components/schemas/ListenerEvent"},
                },
                "example": [
                    {
                        "specversion": "1.0",
                        "type": "encore.rating.given",
                        "id": "019a0000-0000-7000-8000-00000000000a",
                        "source": "my-player",
                        "subject": "019a0000-0000-7000-8000-000000000000",
                        "time": "2026-01-01T12:00:00Z",
                        "sentat": "2026-01-01T12:00:03Z",
                        "data": {"track_id": "019a0000-0000-7000-8000-000000000001", "stars": 5},
                    }
                ],
            }
        },
    }
}


@router.post(
    "", dependencies=needs("listen"), status_code=202, openapi_extra=_BODY, responses={422: {"model": EventsResult}}
)
async def post_events(request: Request, response: Response, parts: At, by: By) -> EventsResult:
    """Takes a JSON array of 1 to 500 CloudEvents. Good ones are accepted even if others are not: those come back by
    index with a code, the field and what was expected. With none accepted the status is 422. Sending an event again
    (same `source` and `id`) changes nothing. `sentat`, the device's time when it sends, lets a wrong clock be
    corrected."""
    received = datetime.now(UTC)
    batch = await _batch(request)
    events, rejected = read(batch)
    known = await _known(parts, [given.event for given in events.values()])
    sent = Counter(given.event.subject for given in events.values() if given.event.subject in known.listeners)
    await parts.budgets.events(by, sent, len(batch))
    keys = await parts.log_keys.of(sent)
    known = replace(known, listeners=known.listeners & keys.keys())
    accepted: list[Sealed] = []
    for index, given in events.items():
        try:
            happened = happened_at(given.event, known, received, parts.settings.event_max_age)
            accepted.append(seal(stamped(given, known, received, happened), keys[given.event.subject]))
        except Refused as refused:
            rejected.append(RejectedEvent(index=index, id=str(given.event.id), problem=refused.problem))
    await parts.outbox.send(accepted)
    _count(accepted, rejected)
    response.status_code = 202 if accepted else 422
    return EventsResult(accepted=len(accepted), rejected=sorted(rejected, key=lambda each: each.index))


async def _batch(request: Request) -> list[object]:
    try:
        batch = json.loads(await request.body(), parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        raise ServiceError(
            "malformed_json", "The body is not JSON.", status=400, field="body", expected="JSON"
        ) from error
    if not isinstance(batch, list) or not 1 <= len(batch) <= MAX_BATCH:
        raise ServiceError(
            "not_a_batch",
            "The body is no batch.",
            status=422,
            field="body",
            expected=f"an array of 1 to {MAX_BATCH} events",
        )
    return batch


def _no_json(name: str) -> None:
    """Python reads NaN and Infinity, which JSON does not have."""
    raise ValueError(name)


async def _known(parts: Parts, events: Sequence[ListenerEvent]) -> Known:
    """What Postgres knows of the listeners, tracks, pairs and fours that the events speak of."""
    pairs = {event.data.pair_id for event in events if isinstance(event, PairEvent)}
    fours = {event.data.four_id for event in events if isinstance(event, FourEvent)}
    tracks = {event.data.track_id for event in events if not isinstance(event, PairEvent | FourEvent)}
    listeners = {event.subject for event in events}
    listener_rows, track_rows, pair_rows, four_rows = await parts.store.known(listeners, tracks, pairs, fours)
    return Known(
        listeners=frozenset(row["listener_id"] for row in listener_rows),
        tracks={
            row["track_id"]: KnownTrack(
                row["listener_id"],
                row["seconds"],
                ready=row["status"] == "ready",
                created_at=row["created_at"],
                is_of_four=row["four_id"] is not None,
            )
            for row in track_rows
        },
        pairs={row["pair_id"]: KnownSet(row["listener_id"], row["created_at"]) for row in pair_rows},
        fours={row["four_id"]: KnownSet(row["listener_id"], row["created_at"]) for row in four_rows},
    )


def _count(accepted: Iterable[Sealed], rejected: Iterable[RejectedEvent]) -> None:
    for record in accepted:
        metrics.EVENTS_ACCEPTED.labels(record.topic).inc()
    for event in rejected:
        metrics.EVENTS_REJECTED.labels(event.problem.code).inc()
