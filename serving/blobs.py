"""The blob store as the engine uses it: whole files in and out, behind one fsspec URL. Calls block."""

import uuid
from urllib.parse import urlsplit

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from serving.errors import refused


class Blobs:
    """Reads and writes below one URL; anything outside it is refused."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._files: AbstractFileSystem
        self._files, self._root = fsspec.url_to_fs(self._url)

    @property
    def remote(self) -> bool:
        """Whether the store is anything but a folder of this machine."""
        return not isinstance(self._files, LocalFileSystem)

    def url(self, key: str) -> str:
        """The URL of a key below the store's."""
        return f"{self._url}/{key}"

    def read(self, url: str, *, field: str, most: int | None = None) -> bytes:
        """The bytes at a URL.

        Args:
            url: below the store's.
            field: of the request that named it, for the answer when it is wrong.
            most: more bytes than this are refused unread.

        Raises:
            Refused: 422 outside the store or too large, 404 absent, 503 the store is away.
        """
        path = self._path(url, field)
        try:
            if most is not None and (size := self._files.size(path)) > most:
                raise refused(413, "too_large", f"{size} bytes are too many.", field=field, expected=f"<= {most} bytes")
            data: bytes = self._files.cat_file(path)
        except FileNotFoundError:
            raise refused(404, "not_found", "There is nothing at this address.", field=field) from None
        except OSError as error:
            raise refused(503, "store_away", f"The blob store does not answer: {error}") from error
        return data

    def write(self, url: str, data: bytes) -> None:
        """Puts a file in place whole or not at all.

        Raises:
            Refused: 422 outside the store, 503 the store is away.
        """
        path = self._path(url, "destination")
        folder, name = path.rsplit("/", 1)
        # A name that no reader knows, then a rename: a killed writer leaves nothing under the final name.
        unfinished = f"{folder}/.{name}.{uuid.uuid4().hex}"
        try:
            self._files.makedirs(folder, exist_ok=True)
            self._files.pipe_file(unfinished, data)
            self._files.mv(unfinished, path)
        except OSError as error:
            raise refused(503, "store_away", f"The blob store does not answer: {error}") from error

    def _path(self, url: str, field: str) -> str:
        path = str(self._files._strip_protocol(url))  # noqa: SLF001 - fsspec's own way from URL to path
        same_protocol = urlsplit(url).scheme == urlsplit(self._url).scheme
        if not same_protocol or not path.startswith(f"{self._root}/") or ".." in path.split("/"):
            raise refused(422, "outside_store", "This address is not in the blob store.", field=field)
        return path
