"""For operators: training rounds, releases and their decisions, how far feedback is."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response

from schemas.api import AuditEntry, EngineView, FeedbackCounts, ReleaseView, RoundCreate, RoundView
from schemas.topics import FEEDBACK
from services.errors import BackendAway, ServiceError
from services.gateway.access import needs
from services.gateway.engine import EngineAway, EngineRefused
from services.gateway.parts import At, By, Parts
from services.gateway.reports import Reports

router = APIRouter(prefix="/v1", tags=["operators"])

Limit = Annotated[int, Query(ge=1, le=500)]


@router.post("/rounds", dependencies=needs("operate"), status_code=202)
async def create_round(
    body: Annotated[RoundCreate, Body(openapi_examples={"everyone": {"value": {"listeners": []}}})],
    parts: At,
    by: By,
    response: Response,
) -> RoundView:
    """Asks the factory to train now. `Location` tells the state, also once the wish has become a round."""
    wish = await Reports(parts.store).ask_for_round(by.actor, body)
    response.headers["Location"] = f"/v1/rounds/{wish.round_id}"
    return wish


@router.get("/rounds", dependencies=needs("operate"))
async def list_rounds(parts: At, limit: Limit = 100) -> list[RoundView]:
    """Rounds and wishes for one, newest first."""
    return await parts.reports.rounds(limit)


@router.get("/rounds/{round_id}", dependencies=needs("operate"))
async def get_round(round_id: UUID, parts: At) -> RoundView:
    """A round, by its own id or by the id of the wish that it fulfils."""
    rounds = await parts.reports.rounds(1, round_id)
    if not rounds:
        raise ServiceError(
            "unknown_round", "No such round.", status=404, field="round_id", expected="the id of a round"
        )
    return rounds[0]


@router.get("/releases", dependencies=needs("releases:read"))
async def list_releases(parts: At, limit: Limit = 100) -> list[ReleaseView]:
    """Releases, newest first, with every decision; what it says of single listeners is at the decision's `url`."""
    return await parts.reports.releases(limit)


@router.get("/releases/{release_id}", dependencies=needs("releases:read"))
async def get_release(release_id: UUID, parts: At) -> ReleaseView:
    return await release_of(parts, release_id)


@router.get(
    "/releases/{release_id}/decisions/{decision_id}/inputs",
    dependencies=needs("operate"),
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def get_decision_inputs(release_id: UUID, decision_id: UUID, parts: At) -> Response:
    """Everything that a decision followed from, the counts of every listener included: byte for byte what its digest
    is of."""
    inputs = await parts.reports.decision_inputs(release_id, decision_id)
    if inputs is None:
        expected = "the id of a decision of this release"
        raise ServiceError("unknown_decision", "No such decision.", status=404, field="decision_id", expected=expected)
    return Response(inputs, media_type="application/json")


@router.get("/feedback", dependencies=needs("operate"))
async def get_feedback(parts: At) -> FeedbackCounts:
    """How many events are folded and refused, and how many wait in each topic."""
    return await parts.reports.feedback(await parts.outbox.end_offsets(FEEDBACK))


async def release_of(parts: Parts, release_id: UUID) -> ReleaseView:
    """The release; else 404 `unknown_release`."""
    releases = await parts.reports.releases(1, release_id)
    if not releases:
        expected = "the id of a release"
        raise ServiceError("unknown_release", "No such release.", status=404, field="release_id", expected=expected)
    return releases[0]


@router.get("/audit", dependencies=needs("audit:read"))
async def get_audit(
    parts: At,
    limit: Limit = 100,
    subject: Annotated[
        str | None, Query(max_length=100, pattern=r"^[^\x00]*$", description="only what was done to this id")
    ] = None,
) -> list[AuditEntry]:
    """Who asked for a round, overruled, pinned, minted a token or made a login, and why; newest first."""
    return await parts.reports.audit(limit, subject)


@router.get("/engine", dependencies=needs("operate"))
async def get_engine(parts: At) -> EngineView:
    """What each replica of the engine does now: its batch, its queue, and the adapters in its memory."""
    try:
        return await parts.engine.status()
    except (EngineAway, EngineRefused) as error:
        raise BackendAway("engine", f"The engine does not say what it does ({error}).") from error
