"""The blob store as the engine uses it: `schemas.blobs`, with what goes wrong as answers to a request. Calls block."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.blobs import DamagedBlobError, OutsideStoreError, Store
from serving.errors import refused


class Blobs:
    """Reads and writes below one URL; anything outside it is refused."""

    def __init__(self, url: str) -> None:
        self._store = Store(url)

    @property
    def remote(self) -> bool:
        """Whether the store is anything but a folder of this machine."""
        return self._store.remote

    def url(self, key: str) -> str:
        """The URL of a key below the store's."""
        return self._store.url(key)

    def read(self, url: str, *, field: str, most: int | None = None) -> bytes:
        """The bytes at a URL.

        Args:
            url: below the store's.
            field: of the request that named it, for the answer when it is wrong.
            most: more bytes than this are refused unread.

        Raises:
            Refused: 422 outside the store or not what its name says, 413 too large, 404 absent, 503 the store is away.
        """
        with _refusing(field):
            if most is not None and (size := self._store.files.size(self._store.path(url))) > most:
                raise refused(413, "too_large", f"{size} bytes are too many.", field=field, expected=f"<= {most} bytes")
            return self._store.read(url)

    def write(self, url: str, data: bytes) -> bytes:
        """Puts a file in place whole or not at all; one that is there stays, and its bytes are returned.

        Raises:
            Refused: 422 outside the store, 503 the store is away.
        """
        with _refusing("destination"):
            return self._store.write_once(url, data)

    def replace(self, key: str, data: bytes) -> None:
        """Writes the one kind of file that changes: the last of several writers wins. Raises as `write`."""
        files, path = self._store.files, self._store.path(self.url(key))
        folder, name = path.rsplit("/", 1)
        unfinished = f"{folder}/.{name}.{uuid.uuid4().hex}"
        with _refusing("destination"):
            files.makedirs(folder, exist_ok=True)
            files.pipe_file(unfinished, data)
            files.mv(unfinished, path)


@contextmanager
def _refusing(field: str) -> Iterator[None]:
    try:
        yield
    except OutsideStoreError as error:
        raise refused(422, "outside_store", str(error), field=field) from None
    except DamagedBlobError as error:
        raise refused(422, "damaged", str(error), field=field) from None
    except FileNotFoundError:
        raise refused(404, "not_found", "There is nothing at this address.", field=field) from None
    except OSError as error:
        raise refused(503, "store_away", f"The blob store does not answer: {error}") from error
