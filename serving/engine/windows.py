"""Tracks longer than the denoiser's own length: window after window, each continuing the one before.

A window is given what is there already and makes the rest. The
given frames stay as they are, so the joined latents have no seam. All windows of a track have one
length, so that they share forwards with the windows of other tracks.

Pure bookkeeping of latents: no model, no threads.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from serving.engine.bases.interfaces import WINDOW_S, Codec

# What a window is given at least: a quarter of it, within what the denoiser was trained to continue.
GIVEN_SHARE = 0.25
# Different lengths up to one window; a track of less is made a little longer and cut.
LENGTHS = 6


@dataclass(frozen=True)
class Window:
    """Frames [start, stop) of a track."""

    start: int
    stop: int

    @property
    def frames(self) -> int:
        """Its length."""
        return self.stop - self.start


def plan(frames: int, size: int, given: int) -> tuple[Window, ...]:
    """Windows of one length that cover a track, spread evenly.

    Args:
        frames: of the track, even.
        size: of a window, even.
        given: frames that neighbours share at least, even, in [0, size).

    Returns:
        One window of `frames` if that is at most `size`, else windows of `size`.

    Raises:
        ValueError: a number is odd or out of range.
    """
    if frames < 2 or frames % 2 or size % 2 or given % 2 or not 0 <= given < size:
        raise ValueError(f"expected even frames, size and 0 <= given < size, got {frames}, {size}, {given}")
    if frames <= size:
        return (Window(0, frames),)
    gaps = math.ceil((frames - size) / (size - given))
    starts = [2 * (place * (frames - size) // (2 * gaps)) for place in range(gaps + 1)]
    return tuple(Window(start, start + size) for start in starts)


def windows_for(codec: Codec, seconds: float) -> tuple[Window, ...]:
    """The windows of a track of `seconds`; one window is a whole number of `WINDOW_S / LENGTHS`, or the longest."""
    size = codec.frames_for(codec.window_s)
    frames = codec.frames_for(seconds)
    if frames <= size:
        bucket = codec.frames_for(WINDOW_S / LENGTHS)
        frames = min(size, bucket * math.ceil(frames / bucket))
    return windows_over(codec, frames)


def windows_over(codec: Codec, frames: int) -> tuple[Window, ...]:
    """The windows of a track of exactly so many frames, even."""
    size = codec.frames_for(codec.window_s)
    return plan(frames, size, 2 * round(size * GIVEN_SHARE / 2))


def require_joined(windows: tuple[Window, ...], frames: int) -> None:
    """Passes if windows of one even length cover [0, frames) in order without a gap, else ValueError."""
    starts_right = windows[0].start == 0 and windows[-1].stop == frames
    one_length = len({window.frames for window in windows}) == 1 and windows[0].frames % 2 == 0
    joined = all(a.start < b.start <= a.stop for a, b in pairwise(windows))
    if not (starts_right and one_length and joined):
        raise ValueError(f"expected windows of one even length that cover {frames} frames, got {windows}")


@dataclass(frozen=True, eq=False)
class Given:
    """Music that is there already and stays; the rest is made to fit it: continuation and repaint.

    Attributes:
        latents: [frames, channels]; what stands outside `keep` is never read.
        keep: 1 where the latents stay, 0 where music is wanted [frames].
    """

    latents: Tensor
    keep: Tensor


class Canvas:
    """The latents of a track as far as they are given or made.

    Attributes:
        latents: zero where nothing is yet, float32 [frames, channels].
        done: windows made.
    """

    def __init__(self, windows: tuple[Window, ...], channels: int, given: Given | None) -> None:
        self._windows = windows
        self.done = 0
        if given is None:
            frames = windows[-1].stop
            self.latents, self._keep = torch.zeros(frames, channels), torch.zeros(frames)
        else:
            self._keep = given.keep.float().cpu().clone()
            self.latents = torch.where(self._keep[:, None] > 0, given.latents.float().cpu(), 0.0)

    @property
    def window(self) -> Window:
        """The one to be made next; IndexError when the track is complete."""
        return self._windows[self.done]

    @property
    def complete(self) -> bool:
        """Whether every window is made."""
        return self.done == len(self._windows)

    @property
    def ready(self) -> int:
        """Frames from the beginning that will not change any more."""
        return self._windows[self.done - 1].stop if self.done else 0

    def given(self) -> Given:
        """What is there of the next window."""
        place = slice(self.window.start, self.window.stop)
        return Given(self.latents[place], self._keep[place])

    def fill(self, latents: Tensor) -> Tensor:
        """Takes the next window's latents [frames, channels]; returns the frames that became ready."""
        before, place = self.ready, slice(self.window.start, self.window.stop)
        kept = self._keep[place, None] > 0
        self.latents[place] = torch.where(kept, self.latents[place], latents)
        self._keep[place] = 1
        self.done += 1
        return self.latents[before : self.ready].clone()
