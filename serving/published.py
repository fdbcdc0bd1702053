"""Which adapters were published last, kept in the blob store: what a replica that starts later loads ahead of requests.

A hint. Requests name exact versions and load what is missing, so a list that is old, short or gone costs milliseconds.
"""

from collections.abc import Collection
from uuid import UUID

import structlog
from pydantic import TypeAdapter, ValidationError

from schemas.registry import AdapterRef
from serving.blobs import Blobs
from serving.errors import Refused

LOG = structlog.get_logger()
NAME = "engine/published.json"
# A starting replica reads them in seconds; what was published before is loaded when it is asked for.
MOST = 256
_REFS = TypeAdapter(list[AdapterRef])


class Published:
    """One file; the last of several writers wins. Calls block."""

    def __init__(self, blobs: Blobs, most: int = MOST) -> None:
        """`most` references are kept."""
        self._blobs, self._most = blobs, most
        self._url = blobs.url(NAME)

    def newest(self) -> list[AdapterRef]:
        """Newest last; empty when there is no list or it cannot be read."""
        try:
            return self._noted()[-self._most :]
        except Refused as refusal:
            LOG.warning("published_unreadable", error=refusal.problem.message)
        except ValidationError as error:
            LOG.warning("published_unreadable", error=str(error))
        return []

    def forget(self, listeners: Collection[UUID]) -> None:
        """Takes these listeners' from the list.

        Raises:
            Refused: the store is away.
        """
        try:
            noted = self._noted()
        except ValidationError:
            noted = []  # nobody can read it either, and the next who notes writes it anew
            self._blobs.replace(NAME, b"[]")
        kept = [ref for ref in noted if ref.listener_id not in listeners]
        if len(kept) < len(noted):
            self._blobs.replace(NAME, _REFS.dump_json(kept))

    def _noted(self) -> list[AdapterRef]:
        try:
            return _REFS.validate_json(self._blobs.read(self._url, field="published"))
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return []

    def note(self, refs: list[AdapterRef]) -> None:
        """Adds to the list; those that are in it already become its newest."""
        kept = {ref.sha256: ref for ref in self.newest()}
        for ref in refs:
            kept.pop(ref.sha256, None)
            kept[ref.sha256] = ref
        newest = list(kept.values())[-self._most :]
        try:
            self._blobs.replace(NAME, _REFS.dump_json(newest))
        except Refused as refusal:
            LOG.warning("published_unwritten", error=refusal.problem.message)
