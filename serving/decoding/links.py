"""The parts of a file that are each a whole file: the links of a chained Ogg (RFC 3533, section 4), else one.

A link may have another codec, rate or layout than the one before it. libav goes from one to the next only where they
are alike, so each is opened by itself.
"""

import io
import mmap
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"OggS"
# A page of version 0 with the flag "first page of a stream".
FIRST_PAGE = re.compile(rb"OggS\x00[\x02\x03\x06\x07]")
HEADER = 27


@dataclass(frozen=True)
class Link:
    """Bytes `[start, stop)` of the regular file with this descriptor."""

    file: int
    start: int
    stop: int

    def reader(self) -> "Reader":
        """Its bytes, from the first."""
        return Reader(self)


class Reader:
    """A link as libav reads it, by the methods of a Python file."""

    def __init__(self, link: Link) -> None:
        self._link, self._at = link, link.start

    def read(self, size: int) -> bytes:
        """At most that many bytes; none at the end."""
        data = os.pread(self._link.file, max(0, min(size, self._link.stop - self._at)), self._at)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes there, also beyond the end, as in a file."""
        begin = {io.SEEK_SET: self._link.start, io.SEEK_CUR: self._at, io.SEEK_END: self._link.stop}[whence]
        self._at = max(self._link.start, begin + offset)
        return self.tell()

    def tell(self) -> int:
        """Where it stands."""
        return self._at - self._link.start


def chain_links(file: int) -> list[Link]:
    """The links of a regular file, which is not empty."""
    size = os.fstat(file).st_size
    with mmap.mmap(file, size, access=mmap.ACCESS_READ) as data:
        starts = [0, *list(_joints(data))] if data[: len(MAGIC)] == MAGIC else [0]
    return [Link(file, start, stop) for start, stop in zip(starts, [*starts[1:], size], strict=True)]


def _joints(data: mmap.mmap) -> Iterator[int]:
    """Where a link begins after the first: at a first page that does not follow another one."""
    end = 0
    for page in FIRST_PAGE.finditer(data):
        if page.start() != end:
            yield page.start()
        segments = data[page.start() + HEADER - 1 : page.start() + HEADER]
        table = data[page.start() + HEADER : page.start() + HEADER + (segments[0] if segments else 0)]
        end = page.start() + HEADER + len(table) + sum(table)
