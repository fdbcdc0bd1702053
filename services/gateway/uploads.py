"""Reads one file from a multipart body, counting and hashing while it arrives: nothing above the limit is kept."""

import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from services.errors import ServiceError
from services.gateway.filenames import song_name

_ENVELOPE: Final = 64 * 1024  # boundaries, part headers and small fields beside the file
_CHUNK: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """`file` stands at its beginning and is closed by `receive_upload`."""

    file: IO[bytes]
    filename: str
    sha256: str


@asynccontextmanager
async def receive_upload(request: Request, limit: int) -> AsyncIterator[Upload]:
    """The file in the field `file`, of at most `limit` bytes. What it calls itself does not matter.

    Raises:
        ServiceError: 413 too large, 415 no multipart, 422 no file or an empty one, 400 broken body.
    """
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise ServiceError(
            "wrong_content_type",
            f"The content type {kind[:100]!r} is not taken.",
            status=415,
            field="file",
            expected="multipart/form-data with an audio file in the field file",
        )
    parser = _Parser(request.headers, _limited(request, limit + _ENVELOPE), max_files=1, max_fields=4)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ServiceError(
            "malformed_body", str(error), status=400, field="body", expected="multipart/form-data"
        ) from error
    try:
        yield _checked(form.get("file"), limit)
    finally:
        await form.close()


class _Parser(MultiPartParser):
    """Takes a part whose only name is `filename*` as a file too; the parser's own library passes over that name."""

    def on_headers_finished(self) -> None:
        part = self._current_part
        part.content_disposition = re.sub(
            rb"(?i)(;\s*)filename\*", rb'\1filename=""\g<0>', part.content_disposition or b"", count=1
        )
        super().on_headers_finished()


def _checked(part: object, limit: int) -> Upload:
    if not isinstance(part, UploadFile):
        raise ServiceError("missing_field", "There is no file.", status=422, field="file", expected="an audio file")
    if not part.size:
        raise ServiceError("empty_file", "The file has no bytes.", status=422, field="file", expected="an audio file")
    if part.size > limit:
        raise _too_large(limit)
    digest = hashlib.sha256()
    while piece := part.file.read(_CHUNK):
        digest.update(piece)
    part.file.seek(0)
    disposition = part.headers["content-disposition"]
    return Upload(part.file, song_name(disposition.encode("latin-1")), digest.hexdigest())


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit - _ENVELOPE)
    seen = 0
    async for piece in request.stream():
        seen += len(piece)
        if seen > limit:
            raise _too_large(limit - _ENVELOPE)
        yield piece


def _too_large(limit: int) -> ServiceError:
    return ServiceError(
        "too_large", "The file is too large.", status=413, field="file", expected=f"at most {limit} bytes"
    )
