"""Whether the process lives, on the public port."""

from typing import Literal

from fastapi import APIRouter

from schemas.base import Frozen

router = APIRouter(tags=["health"])


class Live(Frozen):
    status: Literal["ok"] = "ok"


@router.get("/health")
async def health() -> Live:
    """The process is alive."""
    return Live()
