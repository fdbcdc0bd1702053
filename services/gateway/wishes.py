"""What one wish is made with: its arms are drawn, and its tracks planned. Shared by the routes for tracks, pairs
and fours."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from schemas.api import FourCreate, Track, TrackCreate
from schemas.generation import Dials, DialsWanted
from services.gateway.assignment import Draw, draw_arm, draw_wish
from services.gateway.parts import Parts
from services.gateway.planning import Taste, planned
from services.gateway.settings import GatewaySettings
from services.gateway.store import Planning
from services.identifiers import uuid7

MAX_DRAWN_SEED: Final = 2**53  # what a browser's numbers hold exactly
TAKES: Final = 4


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a wish is made with: a track, or a pair in the order in which it is offered."""

    draws: Sequence[Draw]
    track_ids: Sequence[UUID]
    pair_id: UUID | None = None


async def drawn(planning: Planning, parts: Parts, body: TrackCreate, own: Taste, *, twice: bool) -> Drawn:
    """The arms of a wish for a track; twins only where `twice` allows."""
    ids, salt = (uuid7(), uuid7()), own.salt or parts.settings.arm_salt.get_secret_value()
    if own.release_id is None or not own.in_canary:
        return Drawn([draw_arm(salt, body.listener_id, ids[0], own.arm_shares)], ids[:1])
    draws = draw_wish(
        salt,
        body.listener_id,
        ids[0],
        own.arm_shares,
        number=await planning.count_compared(own.release_id),
        twins=own.twins if twice and body.twin else 0.0,
    )
    return Drawn(draws, ids[: len(draws)], uuid7() if len(draws) > 1 else None)


async def make(planning: Planning, parts: Parts, body: TrackCreate, own: Taste, wish: Drawn) -> list[Track]:
    """Plans the wish's tracks, all with one seed; they are made once the transaction has ended."""
    if wish.pair_id is not None:
        await planning.add_pair(wish.pair_id, *wish.track_ids)
    seed, dials = seed_or_drawn(body), dials_of(body.dials, parts.settings)
    return [
        await planning.add_track(
            planned(
                draw,
                own,
                track_id=track_id,
                listener_id=body.listener_id,
                prompt=body.prompt,
                seconds=body.seconds,
                seed=seed,
                destination=parts.blobs.track(track_id),
                seeds=body.seeds,
                dials=dials,
                pair_id=wish.pair_id,
            )
        )
        for draw, track_id in zip(wish.draws, wish.track_ids, strict=True)
    ]


async def make_four(planning: Planning, parts: Parts, body: FourCreate, own: Taste, four_id: UUID) -> list[Track]:
    """Plans four takes of one prompt by one arm, each of a seed of its own that competes with no other: the takes are
    drawn alike, so that which is picked says something of them alone."""
    salt = own.salt or parts.settings.arm_salt.get_secret_value()
    draw = draw_arm(salt, body.listener_id, four_id, own.arm_shares)
    ids = [uuid7() for _ in range(TAKES)]
    await planning.add_four(four_id, ids)
    return [
        await planning.add_track(
            planned(
                draw,
                own,
                track_id=track_id,
                listener_id=body.listener_id,
                prompt=body.prompt,
                seconds=body.seconds,
                seed=secrets.randbelow(MAX_DRAWN_SEED),
                destination=parts.blobs.track(track_id),
                four_id=four_id,
            )
        )
        for track_id in ids
    ]


def dials_of(wanted: DialsWanted, settings: GatewaySettings) -> Dials:
    """The operator's, where the listener does not set their own."""
    usual = {name: getattr(settings, f"dial_{name}") for name in Dials.model_fields}
    return Dials(**(usual | wanted.model_dump(exclude_none=True)))


def seed_or_drawn(body: TrackCreate) -> int:
    return secrets.randbelow(MAX_DRAWN_SEED) if body.seed is None else body.seed
