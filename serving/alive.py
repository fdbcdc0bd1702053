"""Progress that is told even while nothing changes, so that whoever reads can tell waiting from standing still."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from schemas.generation import Progress


async def repeated(
    lines: AsyncGenerator[Progress, None], every_s: float, is_alive: Callable[[], bool]
) -> AsyncGenerator[Progress, None]:
    """The lines, and the last of them again whenever none came for `every_s` and `is_alive` says so."""
    last = Progress(stage="queued")
    ahead = asyncio.ensure_future(anext(lines, None))
    try:
        while True:
            arrived, _ = await asyncio.wait({ahead}, timeout=every_s)
            if not arrived:
                if is_alive():
                    yield last
                continue
            line = ahead.result()
            if line is None:
                return
            last = line
            yield last
            ahead = asyncio.ensure_future(anext(lines, None))
    finally:
        # Only a generator that does not run can be closed.
        ahead.cancel()
        await asyncio.wait({ahead})
        await lines.aclose()
