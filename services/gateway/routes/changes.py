"""For operators: what changes is told when it changes."""

import time
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter
from sse_starlette import EventSourceResponse, ServerSentEvent

from schemas.operating import Changed
from services.gateway.access import needs
from services.gateway.budgets import Stream
from services.gateway.parts import At, By, Parts

router = APIRouter(prefix="/v1", tags=["operators"])

LONGEST_S: Final = 600.0
"""Then the stream ends, and whoever comes again shows a token that is valid now."""
_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["changed"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


@router.get(
    "/operate/events",
    dependencies=needs("operate"),
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": _EVENT}}}},
)
async def follow_changes(parts: At, by: By) -> EventSourceResponse:
    """Server-sent events: `changed` with the names of the parts that are to be asked for anew; the first names all.
    It ends after ten minutes, and sooner when the budget for streams is spent; a client then comes again."""
    return EventSourceResponse(_news(parts, await parts.budgets.stream(by)), ping=15)


async def _news(parts: Parts, stream: Stream) -> AsyncIterator[ServerSentEvent]:
    end = time.monotonic() + LONGEST_S
    with parts.changes.following() as following:
        while (left := end - time.monotonic()) > 0 and await stream.may_go_on():
            if changed := await following.wait(min(left, stream.paid_s())):
                yield ServerSentEvent(event="changed", data=Changed(parts=changed).model_dump_json())
