"""Recordings of unpacked music packages, some of them inside archives of a game.

Not for judging: what is held out here, and packages that no training uses, are read by `judges.sets`.
"""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from serving.engine.hearing.style import resample
from training.base.tunes import HELD_OUT_SHARE

SUFFIXES = {".ogg", ".opus", ".mp3"}
# Zip files by another name.
ARCHIVES = {".pk3"}


@dataclass(frozen=True)
class Recording:
    """A file in a folder, or in an archive in it.

    Attributes:
        path: of the file, in the archive's folder where it is inside one.
        archive: that holds it.
        member: its name there.
    """

    path: Path
    archive: Path | None = None
    member: str = ""

    def open(self) -> soundfile.SoundFile:
        """The decoder, at the beginning."""
        if self.archive is None:
            return soundfile.SoundFile(self.path)
        with zipfile.ZipFile(self.archive) as archive:
            return soundfile.SoundFile(BytesIO(archive.read(self.member)))


def found(folder: Path) -> list[Recording]:
    """All recordings below a folder that are not held out, in the order of their paths."""
    known = sorted(_all(folder), key=lambda each: each.path)
    return [each for each in known if not held_out(each.path)]


def _all(folder: Path) -> Iterator[Recording]:
    for path in folder.rglob("*"):
        if path.suffix in SUFFIXES:
            yield Recording(path)
        elif path.suffix in ARCHIVES:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if Path(name).suffix in SUFFIXES]
            yield from (Recording(path.parent / Path(name).name, path, name) for name in names)


def held_out(recording: Path) -> bool:
    """Whether a whole recording is kept from training, for judging."""
    return zlib.crc32(recording.name.encode()) % HELD_OUT_SHARE == 0


def passage(file: soundfile.SoundFile, start: float, seconds: float, sample_rate: int) -> NDArray[np.float32]:
    """Part of a recording as mono at `sample_rate` [samples]; shorter where the recording ends."""
    file.seek(round(start * file.samplerate))
    sound = file.read(round(seconds * file.samplerate), dtype="float32", always_2d=True).mean(1)
    return resample(torch.from_numpy(sound)[None], file.samplerate, sample_rate)[0].numpy()
