"""Tells the engine which adapters will be asked for soon. A hint: without it the first request loads its adapter."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import httpx
import structlog

from schemas.engine_token import headers
from schemas.registry import AdapterRef
from services.trust import trusting

BATCH: Final = 100


class Prefetch(Protocol):
    def __call__(self, adapters: Sequence[AdapterRef], /) -> None: ...


class EnginePrefetch:
    """Asks `POST /adapters` in batches. Whatever goes wrong is logged, and is nobody's problem."""

    def __init__(self, url: str, token: str = "", authority: Path | None = None, timeout_s: float = 10.0) -> None:
        """`token` is the secret of the engine's door, empty for an engine that has none; `authority` signed its
        certificate, where the system does not know it."""
        self._url = f"{url.rstrip('/')}/adapters"
        self._headers, self._verify, self._timeout_s = headers(token), trusting(authority), timeout_s

    def __call__(self, adapters: Sequence[AdapterRef], /) -> None:
        log = structlog.get_logger()
        try:
            with httpx.Client(headers=self._headers, verify=self._verify, timeout=self._timeout_s) as client:
                for start in range(0, len(adapters), BATCH):
                    batch = [adapter.model_dump(mode="json") for adapter in adapters[start : start + BATCH]]
                    client.post(self._url, json=batch).raise_for_status()
        except httpx.HTTPError as error:
            log.warning("prefetch_failed", adapters=len(adapters), error=f"{type(error).__name__}: {error}")
        else:
            log.info("prefetched", adapters=len(adapters))
