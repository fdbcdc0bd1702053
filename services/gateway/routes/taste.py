"""What Encore believes a listener likes, and the listener's own word against it."""

from collections.abc import Mapping
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body

from schemas.api import TasteCorrections, TasteView
from services.errors import ServiceError
from services.gateway.access import needs
from services.gateway.parts import At, Parts
from services.gateway.routes.listeners import require_listener
from services.gateway.taste import KIND_OF, words_of
from services.gateway.tone import tone_of

router = APIRouter(prefix="/v1/listeners", tags=["taste"])

_EXAMPLE: Final = {"no-brass": {"value": {"corrections": {"brass": -1, "piano": 0.5}}}}


@router.get("/{listener_id}/taste", dependencies=needs("listen"))
async def get_taste(listener_id: UUID, parts: At) -> TasteView:
    """Instruments, moods, tempo and brightness that the listener seems to like, each with how sure that is."""
    await require_listener(parts, listener_id)
    return await _taste(parts, listener_id)


@router.put("/{listener_id}/taste", dependencies=needs("listen"))
async def correct_taste(
    listener_id: UUID, body: Annotated[TasteCorrections, Body(openapi_examples=_EXAMPLE)], parts: At
) -> TasteView:
    """Sets what the listener says themselves: 1 = likes, -1 = dislikes, null takes a correction back. Other words keep
    theirs."""
    _require_known(body.corrections)
    await require_listener(parts, listener_id)
    await parts.store.correct_taste(listener_id, body.corrections)
    return await _taste(parts, listener_id)


async def _taste(parts: Parts, listener_id: UUID) -> TasteView:
    facts = await parts.store.taste_facts(listener_id)
    words = words_of(facts.rated, facts.corrections)
    return TasteView(
        listener_id=listener_id,
        songs=facts.songs,
        ratings=len(facts.rated),
        version=facts.version,
        words=words,
        tone=tone_of(words),
    )


def _require_known(corrections: Mapping[str, float | None]) -> None:
    for word in corrections:
        if word not in KIND_OF:
            raise ServiceError(
                "unknown_word",
                f"The word {word[:40]!r} is not one that a taste is told in.",
                status=422,
                field=f"corrections.{word[:40]}",
                expected=", ".join(sorted(KIND_OF)),
            )
