"""Whether a track repeats a song that it may have learned from: then it is not stored but made again from another seed.

The notes of a song lie beside its features, under a name of their own; a song from before they were taken has none and
is not compared. Not for training music, and not for what merely sounds alike.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from serving.engine.hearing.melody import NOTES, notes_of, repeated
from serving.errors import Refused, refused

if TYPE_CHECKING:
    from serving.studio import Studio

NAME: Final = "notes.safetensors"
MOST: Final = 0.7
"""Correlation from which on a stretch counts as repeated: docs/benchmarks.md has how often that errs, and how."""
ATTEMPTS: Final = 3
REMEMBERED: Final = 256
_STRIDE: Final = 0xD1B5_4A32_D192_ED03
_LOUDEST: Final = 255


class RepeatsError(Exception):
    """A track came too close to a song."""


def dump_notes(notes: Tensor) -> bytes:
    """Notes [frames, NOTES] in [0, 1] as a file, a byte each."""
    return bytes(save({"notes": (notes * _LOUDEST).round().to(torch.uint8).contiguous()}))


def beside(features_url: str) -> str:
    """Where the notes of a song with these features lie."""
    return f"{features_url.rpartition('/')[0]}/{NAME}"


def seeds_again(seed: int) -> list[int]:
    """The request's own seed, then those of further attempts."""
    return [(seed + attempt * _STRIDE) % 2**63 for attempt in range(ATTEMPTS)]


def given_up() -> Refused:
    """The answer when each attempt came too close."""
    message = f"Each of {ATTEMPTS} attempts came too close to a song; another prompt or seed may help."
    return refused(409, "repeats_a_song", message, field="prompt", expected="another prompt or seed")


class Originals:
    """The songs that tracks are compared with; remembers their notes, which never change."""

    def __init__(self, studio: "Studio") -> None:
        self._studio = studio
        # None: a song from before notes were taken, which will never have any.
        self._notes: OrderedDict[str, Tensor | None] = OrderedDict()

    async def notes(self, features_urls: Sequence[str]) -> list[Tensor]:
        """The notes of those songs that have any [frames, NOTES] each.

        Raises:
            Refused: the store is away, or a file is not what it should be.
        """
        return [notes for url in features_urls if (notes := await self._of(beside(url))) is not None]

    def forget(self) -> None:
        """Remembers no song's notes any more."""
        self._notes.clear()

    async def require_new(self, waveform: Tensor, songs: Sequence[Tensor]) -> None:
        """Raises RepeatsError where the track [samples] repeats one of the songs [frames, NOTES]."""
        if songs and await self._studio.decode(_closest, waveform, self._studio.base.codec.sample_rate, songs) >= MOST:
            raise RepeatsError

    async def _of(self, url: str) -> Tensor | None:
        if url not in self._notes:
            self._notes[url] = await self._read(url)
        self._notes.move_to_end(url)
        while len(self._notes) > REMEMBERED:
            self._notes.popitem(last=False)
        return self._notes[url]

    async def _read(self, url: str) -> Tensor | None:
        try:
            return _parsed(await self._studio.read(self._studio.blobs.read, url, field="songs"))
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise


def _closest(waveform: Tensor, sample_rate: int, songs: Sequence[Tensor]) -> float:
    notes = notes_of(waveform, sample_rate)
    return max(repeated(notes, song) for song in songs)


def _parsed(data: bytes) -> Tensor:
    try:
        notes = load(data)["notes"]
    except (SafetensorError, KeyError) as error:
        raise refused(422, "bad_features", f"Not a song's notes: {error}", field="songs") from error
    if notes.ndim != 2 or notes.shape[1] != NOTES:
        raise refused(422, "bad_features", "These are not a song's notes.", field="songs", expected=f"{NOTES} columns")
    told: Tensor = notes.float() / _LOUDEST
    return told
