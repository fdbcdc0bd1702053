"""The blob store as every process that reads or writes it must keep to: nothing outside its URL, what is written once
stays as it is, and a file that is named by its checksum is that file. Calls block and raise OSError when it is away."""

import errno
import hashlib
import os
import re
import uuid
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

_NAMED: Final = re.compile(r"-([0-9a-f]{64})\.\w+$")


class OutsideStoreError(ValueError):
    """An address that is not below the store's own."""


class DamagedBlobError(ValueError):
    """The bytes at an address are not those that it names."""


def features_name(data: bytes) -> str:
    """The file name of features with these bytes: whoever is told the address can tell whether they are the same."""
    return f"features-{hashlib.sha256(data).hexdigest()}.safetensors"


class Store:
    """A folder or bucket named by an fsspec URL."""

    def __init__(self, url: str) -> None:
        self.address = url.rstrip("/")
        self.files: AbstractFileSystem
        self.files, self._root = fsspec.url_to_fs(self.address)

    @property
    def remote(self) -> bool:
        """Whether the store is anything but a folder of this machine."""
        return not isinstance(self.files, LocalFileSystem)

    def url(self, key: str) -> str:
        """The URL of a key below the store's."""
        return f"{self.address}/{key}"

    def path(self, url: str) -> str:
        """Where a URL below the store's leads.

        Raises:
            OutsideStoreError: it is not below the store's.
        """
        path = str(self.files._strip_protocol(url))  # noqa: SLF001 - fsspec's own way from URL to path
        if (
            _protocol(url) != _protocol(self.address)
            or not path.startswith(f"{self._root}/")
            or ".." in path.split("/")
        ):
            raise OutsideStoreError("This address is not in the blob store.")
        return path

    def read(self, url: str) -> bytes:
        """The whole blob.

        Raises:
            OutsideStoreError: the URL is not below the store's.
            DamagedBlobError: its name ends with another checksum than its bytes have.
            OSError: the store is away; FileNotFoundError: there is nothing.
        """
        data: bytes = self.files.cat_file(self.path(url))
        named = _NAMED.search(url)
        if named and hashlib.sha256(data).hexdigest() != named.group(1):
            raise DamagedBlobError(f"The bytes are not those that {url.rpartition('/')[2]} names.")
        return data

    def names(self, folder: str) -> list[str]:
        """The names of the files right below a folder; none where there is no such folder.

        Raises:
            OSError: the store is away.
        """
        path = self.path(self.url(folder))
        self.files.invalidate_cache(path)  # a listing from before would hide what is new
        if not self.files.exists(path):
            return []
        return sorted(str(found).rpartition("/")[2] for found in self.files.ls(path, detail=False))

    def remove(self, key: str) -> None:
        """Removes a file, or a folder with all in it; nothing there is no error.

        Raises:
            OSError: the store is away.
        """
        path = self.path(self.url(key))
        self.files.invalidate_cache(path)
        with suppress(FileNotFoundError):
            self.files.rm(path, recursive=True)

    def write_once(self, url: str, data: bytes) -> bytes:
        """Puts a file in place whole or not at all, unless one is there: that one stays.

        Returns:
            What lies there now: `data`, or what another writer was quicker with.

        Raises:
            OutsideStoreError: the URL is not below the store's.
            OSError: the store is away.
        """
        path = self.path(url)
        folder = path.rpartition("/")[0]
        self.files.makedirs(folder, exist_ok=True)
        try:
            if self.remote:
                self.files.pipe_file(path, data, mode="create")  # S3: `If-None-Match: *`, decided by the store itself
            else:
                _link(path, data)
        except OSError as error:
            # Some stores that speak S3 say only that a condition failed.
            if not isinstance(error, FileExistsError) and error.errno != errno.EINVAL:
                raise
            return bytes(self.files.cat_file(path))
        return data

    def drop(self, url: str) -> None:
        """Removes a blob; one that is not there is no error.

        Raises:
            OutsideStoreError: the URL is not below the store's.
            OSError: the store is away.
        """
        with suppress(FileNotFoundError):
            self.files.rm_file(self.path(url))


def _protocol(url: str) -> str:
    """A path without one is a file."""
    return urlsplit(url).scheme or "file"


def _link(path: str, data: bytes) -> None:
    """FileExistsError when there is one. A name that no reader knows, then a second name for it: a killed writer leaves
    nothing under the final name, and of two writers one comes first."""
    folder, _, name = path.rpartition("/")
    unfinished = f"{folder}/.{name}.{uuid.uuid4().hex}"
    try:
        with open(unfinished, "xb") as file:  # noqa: PTH123 - fsspec's paths are texts
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(unfinished, path)
    finally:
        if os.path.exists(unfinished):  # noqa: PTH110
            os.unlink(unfinished)  # noqa: PTH108
