"""For analysts: uplift of arms over one another, for everyone, by cohort, and by any crossing of dimensions."""

from datetime import date
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from schemas.analysis import (
    DIMENSIONS,
    EVERY_RELEASE,
    MOST_DIMENSIONS,
    OF_ONE_RELEASE,
    ComparedCells,
    Dimension,
    Form,
    Metric,
    Per,
)
from schemas.api import UpliftReport
from schemas.events import Arm
from services.errors import ServiceError
from services.gateway.access import needs
from services.gateway.analysis import Question
from services.gateway.analyst.report import BY, page, questions
from services.gateway.analyst.written import written
from services.gateway.parts import At
from services.gateway.routes.operators import release_of

router = APIRouter(prefix="/v1", tags=["analysts"])

_KINDS: Final[dict[Form, str]] = {
    "csv": "text/csv",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
}


@router.get("/uplift", dependencies=needs("uplift:read"))
async def get_uplift(
    parts: At,
    cohort: Annotated[
        str | None, Query(max_length=100, pattern=r"^[^\x00]*$", description="such as `home=folk`, or `all`")
    ] = None,
    release_id: Annotated[UUID | None, Query(description="only tracks of this release's canary")] = None,
) -> UpliftReport:
    """Mean rating of each arm, and the uplift over the baseline with its 95 % interval, clustered by listener.

    Without a release: means over everything, uplift for each release and (`release_id` null) outside any canary. Null
    where a cohort has fewer listeners than may be told apart. The interval is to be read once, after the release."""
    return await parts.reports.uplift(cohort, release_id)


async def question_of(
    parts: At,
    by: Annotated[str, Query(max_length=100, description="dimensions, with commas; none: everyone")] = "",
    metric: Metric = "stars",
    arm: Arm = "candidate",
    baseline: Arm = "cold",
    release_id: Annotated[
        UUID | None,
        Query(description=f"without: the time outside any canary; {EVERY_RELEASE}: all releases together"),
    ] = None,
    per: Annotated[Per, Query(description="one row for each day, that day alone or all until then")] = "whole",
    until: Annotated[date | None, Query(description="the last day (UTC) that counts")] = None,
) -> Question:
    """What is asked, once it is known that it can be answered."""
    if arm == baseline:
        raise _refused("baseline", "An arm is not compared with itself.", f"another arm than {arm}")
    dimensions = _dimensions(by)
    pooled = release_id == EVERY_RELEASE
    if (pooled or "style" in dimensions) and (per != "whole" or until is not None):
        raise _refused("per", "By style, and of all releases, there is the whole only.", "whole, and no until")
    if pooled and OF_ONE_RELEASE & set(dimensions):
        raise _refused("by", "Style and tenure are of one release.", "other dimensions, or a release")
    known = await parts.analysis.baselines(arm)
    if baseline not in known:
        raise _refused("baseline", f"{arm} is not compared with {baseline}.", f"one of {', '.join(known)}")
    return Question(dimensions, metric, arm, baseline, release_id, per, until)


Asked = Annotated[Question, Depends(question_of)]


@router.get("/uplift/cells", dependencies=needs("uplift:read"))
async def get_cells(asked: Asked, parts: At) -> ComparedCells:
    """What one arm does beside another, by any crossing of dimensions, with what many comparisons allow to say.

    Learning is `candidate` or `champion` over `cold`; over `base` the songs are in it. Cells with few listeners are
    hidden."""
    return await parts.analysis.ask(asked)


@router.get(
    "/uplift/file",
    dependencies=needs("uplift:read"),
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in _KINDS.values()}}},
)
async def get_file(asked: Asked, form: Form, parts: At) -> Response:
    """The same cells as a file, one row a cell, with the same digits in every form."""
    name = f"encore-uplift-{asked.metric}.{form}"
    return _file(await written(await parts.analysis.ask(asked), form), _KINDS[form], name)


@router.get(
    "/releases/{release_id}/report",
    dependencies=needs("uplift:read"),
    response_class=Response,
    responses={200: {"content": {"text/html": {}}}},
)
async def get_release_report(
    release_id: UUID,
    parts: At,
    by: Annotated[list[str] | None, Query(max_length=8, description="crossings that it is taken apart by")] = None,
) -> Response:
    """A release as one HTML page that can be mailed: what it did, for whom, as days went by, and the SQL of each part.
    Nothing in it is fetched."""
    release = await release_of(parts, release_id)
    crossings = [",".join(_dimensions(each)) for each in by or BY]
    answers = await parts.analysis.answers(questions(release_id, crossings))
    return _file(page(release, crossings, answers).encode(), "text/html", f"encore-release-{release_id}.html")


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _dimensions(by: str) -> tuple[Dimension, ...]:
    words = [word.strip() for word in by.split(",") if word.strip()]
    known = tuple(dimension for word in words for dimension in DIMENSIONS if dimension == word)
    if len(known) < len(words):
        unknown = next(word for word in words if word not in DIMENSIONS)
        raise _refused("by", f"There is no dimension {unknown!r}.", f"some of {', '.join(DIMENSIONS)}")
    if len(set(known)) < len(known) or len(known) > MOST_DIMENSIONS:
        raise _refused("by", "Too many dimensions, or one twice.", f"at most {MOST_DIMENSIONS} dimensions, each once")
    return known


def _refused(field: str, message: str, expected: str) -> ServiceError:
    return ServiceError("invalid_value", message, status=422, field=field, expected=expected)
