"""Copies of adapter files on a local disk, so that an engine far from its blob store loads them in milliseconds.

Content-addressed by SHA-256, so nothing goes stale; bounded, the longest unused go first. Several processes may share
a folder. A copy only: whatever fails here is logged and costs a read of the store.
"""

import hashlib
import os
import threading
import uuid
from contextlib import suppress
from pathlib import Path

import structlog

LOG = structlog.get_logger()


class DiskCache:
    """Files below one folder, named by their own checksum.

    Attributes:
        size: bytes in the folder when this process last looked.
        evicted: files that this process removed to make room.
    """

    def __init__(self, folder: Path, most: int) -> None:
        """`most` bytes are kept; the folder is made when it is first written to."""
        self._folder, self._most = folder, most
        self._trimming = threading.Lock()
        self.size = self.evicted = 0

    def get(self, sha256: str) -> bytes | None:
        """The bytes with this checksum, or None; a file that holds anything else is removed."""
        path = self._folder / sha256
        try:
            data = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            LOG.warning("adapter_cache_away", error=str(error))
            return None
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
        LOG.warning("adapter_cache_damaged", sha256=sha256)
        path.unlink(missing_ok=True)
        return None

    def put(self, data: bytes) -> None:
        """Keeps the bytes, whole or not at all, and makes room for them."""
        path = self._folder / hashlib.sha256(data).hexdigest()
        unfinished = path.with_name(f"unfinished-{uuid.uuid4().hex}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(data)
            unfinished.replace(path)
            self._trim()
        except OSError as error:
            LOG.warning("adapter_cache_away", error=str(error))

    def clear(self) -> None:
        """Removes every file; those of writers that are at it come afterwards.

        Raises:
            OSError: the folder cannot be read or written.
        """
        with self._trimming, suppress(FileNotFoundError):
            for entry in os.scandir(self._folder):
                Path(entry.path).unlink(missing_ok=True)
            self.size = 0

    def _trim(self) -> None:
        """Removes the longest unused files above the bound; what killed writers left counts and goes like the rest."""
        with self._trimming:
            found = [(entry, stat) for entry in os.scandir(self._folder) if (stat := _stat(entry)) is not None]
            self.size = sum(stat.st_size for _, stat in found)
            for entry, stat in sorted(found, key=lambda one: one[1].st_mtime_ns):
                if self.size <= self._most:
                    return
                Path(entry.path).unlink(missing_ok=True)
                self.size -= stat.st_size
                self.evicted += 1


def _stat(entry: "os.DirEntry[str]") -> os.stat_result | None:
    """None for a file that another process has removed meanwhile."""
    try:
        return entry.stat()
    except FileNotFoundError:
        return None
