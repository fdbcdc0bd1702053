"""That listeners are there while something is written of them: an erasure has removed what was written before it, and
nothing is written after it."""

from collections.abc import Collection
from typing import Final, LiteralString
from uuid import UUID

from services.gateway.absent import unknown_listener
from services.gateway.executes import Execute

_HOLD: Final[LiteralString] = """
select listener_id from gateway.listeners where listener_id = any(%(listeners)s) order by listener_id for key share
"""


async def require_there(execute: Execute, listeners: Collection[UUID]) -> None:
    """Passes if each of these listeners exists, whosever they are; until the transaction ends none is erased.

    Raises:
        ServiceError: 404 `unknown_listener`.
    """
    if len(await execute(_HOLD, {"listeners": list(listeners)})) < len(set(listeners)):
        raise unknown_listener()
