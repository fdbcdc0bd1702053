"""The blob store: raw uploads in, audio out, behind one fsspec URL. Calls block, so they run in threads."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import IO, Final, ParamSpec, TypeVar
from uuid import UUID

import fsspec
from fsspec import AbstractFileSystem
from fsspec.core import strip_protocol

from schemas.generation import PARTS_FOLDER, part_key
from services.errors import BackendAway
from services.lanes import Lane

_CHUNK: Final = 256 * 1024
_ABANDONED_S: Final = 3600.0
_WIDTH: Final = 16
_PASSING: Final = "passing"
P = ParamSpec("P")
R = TypeVar("R")


class Blobs:
    """Raises OSError from every call when the store is away, also when it has not answered within `patience_s` seconds;
    FileNotFoundError when a key is missing."""

    def __init__(self, url: str, *, patience_s: float = 30.0) -> None:
        self._url = url.rstrip("/")
        self._files: AbstractFileSystem
        self._files, self._root = fsspec.url_to_fs(self._url)
        self._lane, self._patience_s = Lane("store", _WIDTH), patience_s

    def incoming(self, upload_id: UUID) -> str:
        return f"{self._url}/incoming/{upload_id}"

    def song(self, song_id: UUID) -> str:
        return f"{self._url}/songs/{song_id}"

    def track(self, track_id: UUID) -> str:
        return f"{self._url}/tracks/{track_id}"

    def passing(self, track_id: UUID) -> str:
        """For what is heard once and kept by nobody."""
        return f"{self._url}/{_PASSING}/{track_id}"

    def snapshot(self, sha256: str) -> str:
        """Where the factory keeps what a round learned from."""
        return f"{self._url}/snapshots/{sha256}.json"

    async def is_reachable(self) -> bool:
        try:
            await self._run(self._files.makedirs, self._root, exist_ok=True)
            return bool(await self._run(self._files.exists, self._root))
        except OSError:
            return False

    async def put(self, url: str, source: IO[bytes]) -> None:
        """Copies `source`, from where it stands to its end."""
        await self._run(self._put, self._path(url), source)

    async def drop(self, url: str) -> None:
        """Removes a blob; one that is not there is no error."""
        try:
            await self._run(self._files.rm_file, self._path(url))
        except FileNotFoundError:
            return

    async def drop_song(self, song_id: UUID) -> None:
        """Removes all that is kept of a song; nothing there is no error."""
        await self._run(self._drop_folder, self._path(self.song(song_id)))

    async def drop_all(self, songs: Sequence[UUID], tracks: Sequence[UUID]) -> None:
        """Removes all that is kept of these songs and tracks, and parts of tracks in the making; nothing there is no
        error."""
        folders = [*map(self.song, songs), *map(self.track, tracks), *map(self.passing, tracks)]
        await asyncio.gather(*(self._run(self._drop_folder, self._path(url)) for url in folders))
        await self._run(self._drop_parts, frozenset(map(str, tracks)))

    async def size(self, url: str) -> int:
        return int(await self._run(self._files.size, self._path(url)))

    async def read(self, url: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes `[start, stop)`, piece by piece."""
        path = self._path(url)
        for at in range(start, stop, _CHUNK):
            yield await self._run(self._files.cat_file, path, at, min(at + _CHUNK, stop))

    async def part(self, track_id: UUID, number: int) -> bytes | None:
        """A part of a track that is being made; None if it is not there yet."""
        path = self._path(f"{self._url}/{part_key(track_id, number)}")
        try:
            return bytes(await self._run(self._files.cat_file, path))
        except FileNotFoundError:
            return None

    async def drop_abandoned(self) -> int:
        """Removes what is more than an hour old of uploads and passing sounds that a killed process left behind and of
        parts of tracks, which are whole by then; returns how many files."""
        return sum([await self._run(self._drop_old, folder) for folder in ("incoming", _PASSING, PARTS_FOLDER)])

    async def _run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Threads of its own: a store that hangs must not take those by which everything else asks for its address."""
        try:
            return await self._lane.run(self._patience_s, call, *args, **kwargs)
        except BackendAway as error:
            raise TimeoutError(error.message) from error

    def _drop_folder(self, path: str) -> None:
        """Also where another removes the same files at the time: what one finds gone ends neither's work."""
        while True:
            self._files.invalidate_cache(path)  # a listing from before would hide what is new
            try:
                self._files.rm(path, recursive=True)
            except FileNotFoundError:
                if self._files.exists(path):
                    continue
            return

    def _drop_parts(self, tracks: AbstractSet[str]) -> None:
        folder = f"{self._root}/{PARTS_FOLDER}"
        self._files.invalidate_cache(folder)
        if tracks and self._files.exists(folder):
            for path in self._files.find(folder):
                if path.rpartition("/")[2].partition(".")[0] in tracks:
                    with suppress(FileNotFoundError):
                        self._files.rm_file(path)

    def _drop_old(self, name: str) -> int:
        folder = f"{self._root}/{name}"
        if not self._files.exists(folder):
            return 0
        self._files.invalidate_cache(folder)  # a listing from before would hide what is new
        return sum(self._drop_if_old(path) for path in self._files.find(folder))

    def _drop_if_old(self, path: str) -> bool:
        try:
            if self._age(path) <= _ABANDONED_S:
                return False
            self._files.rm_file(path)
        except FileNotFoundError:  # its owner was quicker
            return False
        return True

    def _age(self, path: str) -> float:
        return time.time() - float(self._files.modified(path).timestamp())

    def _put(self, path: str, source: IO[bytes]) -> None:
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        with self._files.open(path, "wb") as target:
            while piece := source.read(_CHUNK):
                target.write(piece)

    def _path(self, url: str) -> str:
        return str(strip_protocol(url))
