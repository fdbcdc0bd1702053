"""Reads one file from a multipart body, counting and hashing while it arrives: nothing above the limit is kept."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from services.errors import ServiceError

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
    """The audio file in the field `file`, of at most `limit` bytes.

    Raises:
        ServiceError: 413 too large, 415 no multipart or no audio type, 422 no file or an empty one, 400 broken body.
    """
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise _wrong_type(kind, "multipart/form-data with an audio file in the field file")
    parser = MultiPartParser(request.headers, _limited(request, limit + _ENVELOPE), max_files=1, max_fields=4)
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


def _checked(part: object, limit: int) -> Upload:
    if not isinstance(part, UploadFile):
        raise ServiceError("missing_field", "There is no file.", status=422, field="file", expected="an audio file")
    kind = (part.content_type or "").partition(";")[0].strip().lower()
    if not (kind.startswith("audio/") or kind == "application/ogg"):
        raise _wrong_type(kind, "audio/* or application/ogg")
    if not part.size:
        raise ServiceError("empty_file", "The file has no bytes.", status=422, field="file", expected="an audio file")
    if part.size > limit:
        raise _too_large(limit)
    digest = hashlib.sha256()
    while piece := part.file.read(_CHUNK):
        digest.update(piece)
    part.file.seek(0)
    return Upload(part.file, _printable(part.filename), digest.hexdigest())


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


def _wrong_type(kind: str, expected: str) -> ServiceError:
    return ServiceError(
        "wrong_content_type",
        f"The content type {kind[:100]!r} is not taken.",
        status=415,
        field="file",
        expected=expected,
    )


def _printable(filename: str | None) -> str:
    name = "".join(each for each in filename or "" if each.isprintable()).replace("\\", "/").rpartition("/")[2]
    return name[:200] or "unnamed"
