"""Everything about a listener as one ZIP archive, made while it is sent: what it holds in memory does not grow with it.

`tables/<schema>.<table>.json` are rows, the other files lie under their keys in the blob store. `manifest.json`, the
last one, names each with its size and SHA-256, sounds whose term was over, what else the store has not any more, and
what is left out and why.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, cast
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from services.gateway.blobs import Blobs
from services.gateway.executes import Execute
from services.gateway.store import Store
from services.postgres import load_queries

QUERIES: Final = load_queries(Path(__file__).with_suffix(".sql"))
LEFT_OUT: Final = {
    "rollout": "who takes part in a canary, and with which version: ratings are blind, and it would tell the arms",
    "archived": "what months that were taken out of feedback.events fold to: the same facts are in feedback",
    "gateway.orders": "what staff ordered, with the names of people; operators read it in the audit",
    "gateway.log_keys": "the key with which their events lie sealed in the log",
    "gateway.logins": "hashes of codes that are used once",
    "feedback.rollups": "sums of the facts by arm",
    "feedback.vote_rollups": "sums of the facts by arm",
    "feedback.rating_sums": "sums of the facts by arm",
    "analytics": "views of the same rows",
}
"""Tables, or whole schemas, that say whose a row is and are not exported."""
BLIND: Final = frozenset(
    {"arm", "propensity", "release_id", "request", "selection", "action", "model_version", "own_version", "adapter"}
)
"""Fields that tell which arm made a track."""
AT_ONCE: Final = 8
"""Archives that one gateway sends at the same time, at most half of them to one principal."""
_PIECE: Final = 256 * 1024
_IN_MEMORY: Final = 1024 * 1024
_OF_FILES: Final = ("audio_url", "features_url", "url")


class _Sink:
    """Where the archive is written to and taken from."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def taken(self) -> bytes:
        data, self._pieces = b"".join(self._pieces), []
        return data


class Export:
    """One archive. Raises BackendAway while Postgres is away and OSError while the blob store is; what was sent until
    then has no directory, so that no reader takes it for whole."""

    def __init__(
        self, store: Store, blobs: Blobs, store_url: str, listener_id: UUID, song_audio_purpose: str = ""
    ) -> None:
        """`store` within the reach of whoever asks; `song_audio_purpose` is told."""
        self._store, self._blobs, self._listener_id = store, blobs, listener_id
        self._root = store_url.rstrip("/") + "/"
        self._sink = _Sink()
        self._zip = ZipFile(cast("IO[bytes]", self._sink), "w")
        self._files: list[dict[str, Any]] = []
        self._missing: list[str] = []
        self._expired: list[str] = []
        self._purpose = song_audio_purpose
        self._urls: dict[str, None] = {}

    async def pieces(self, **documents: str) -> AsyncIterator[bytes]:
        """The archive, piece by piece.

        Args:
            documents: JSON texts that are put in as they are, by their names without the ending.
        """
        for name, text in documents.items():
            async for piece in self._entry(f"{name}.json", ZIP_DEFLATED, _once(text.encode())):
                yield piece
        with SpooledTemporaryFile(_IN_MEMORY) as spooled:
            file = cast("IO[bytes]", spooled)
            for table, (start, stop) in (await self._spool(file)).items():
                content = _read(file, start, stop)
                async for piece in self._entry(f"tables/{table}.json", ZIP_DEFLATED, content):
                    yield piece
        for url in self._urls:
            async for piece in self._file(url):
                yield piece
        async for piece in self._entry("manifest.json", ZIP_DEFLATED, _once(self._manifest())):
            yield piece
        self._zip.close()
        yield self._sink.taken()

    async def _spool(self, file: IO[bytes]) -> dict[str, tuple[int, int]]:
        """Writes the rows of all tables, as they are at one moment; where in the file those of each begin and end. They
        are read at once, so that a slow client holds no transaction."""
        places: dict[str, tuple[int, int]] = {}
        async with self._store.transaction(at_one_moment=True) as execute:
            for row in await execute(QUERIES["tables"], {}):
                table = f"{row['schema']}.{row['name']}"
                if table not in LEFT_OUT:
                    start = file.tell()
                    await self._write(execute, table, file)
                    places[table] = start, file.tell()
        return places

    async def _write(self, execute: Execute, table: str, file: IO[bytes]) -> None:
        """The rows of a table as one JSON array."""
        named = ".".join(f'"{part}"' for part in table.split("."))
        separator = b"[\n"
        await execute(
            "declare export no scroll cursor for select to_jsonb(t) as row from "  # noqa: S608 - the database's own names
            + named
            + " t where t.listener_id = %(listener_id)s",
            {"listener_id": self._listener_id},
        )
        while rows := await execute("fetch 500 from export", {}):
            for each in rows:
                self._note_files(each["row"])
                file.write(separator + json.dumps(blinded(each["row"]), ensure_ascii=False).encode())
                separator = b",\n"
        await execute("close export", {})
        file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")

    def _note_files(self, row: dict[str, Any]) -> None:
        urls = {name: row[name] for name in _OF_FILES if row.get(name)}
        if row.get("audio_expired_at"):
            self._expired.append(self._key(urls.pop("audio_url")))
        self._urls.update(dict.fromkeys(urls.values()))

    async def _file(self, url: str) -> AsyncIterator[bytes]:
        """A blob under its key; what lies elsewhere or nowhere is named as missing."""
        key = self._key(url)
        try:
            size = await self._blobs.size(url) if url.startswith(self._root) else None
        except FileNotFoundError:
            size = None
        if size is None:
            self._missing.append(key)
            return
        async for piece in self._entry(key, ZIP_STORED, self._blobs.read(url, 0, size)):
            yield piece

    def _key(self, url: str) -> str:
        return url.removeprefix(self._root)

    async def _entry(self, name: str, method: int, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        digest, count = hashlib.sha256(), 0
        info = ZipInfo(name, datetime.now(UTC).timetuple()[:6])
        info.compress_type = method
        with self._zip.open(info, "w", force_zip64=True) as entry:
            async for piece in content:
                digest.update(piece)
                count += len(piece)
                entry.write(piece)
                yield self._sink.taken()
        self._files.append({"name": name, "bytes": count, "sha256": digest.hexdigest()})
        yield self._sink.taken()

    def _manifest(self) -> bytes:
        told = {
            "format": 1,
            "listener_id": str(self._listener_id),
            "made_at": datetime.now(UTC).isoformat(),
            "files": self._files,
            "missing": self._missing,
            "expired": self._expired,
            "song_audio_kept_for": self._purpose or None,
            "left_out": LEFT_OUT | {", ".join(sorted(BLIND)): "fields that tell which arm made a track"},
        }
        return json.dumps(told, indent=1).encode()


def blinded(value: Any) -> Any:
    """The same JSON without what tells an arm, at any depth."""
    if isinstance(value, dict):
        return {name: blinded(each) for name, each in value.items() if name not in BLIND}
    return [blinded(each) for each in value] if isinstance(value, list) else value


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _read(file: IO[bytes], start: int, stop: int) -> AsyncIterator[bytes]:
    file.seek(start)
    while piece := file.read(min(_PIECE, stop - file.tell())):
        yield piece
