"""Notes by the published transcriber basic-pitch (Bittner et al. 2022), and what they say of key and melody.

Only the network comes from the package; windows and the decoding into notes are plain ones of our own.
"""

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.engine.errors import PackageError

PACKAGE = "basic_pitch"
MODEL = Path("saved_models", "icassp_2022", "nmp.onnx")
SAMPLE_RATE = 22_050
WINDOW, HOP = 43_844, 256
# Frames at either end of a window that know too little of what comes before or after.
MARGIN, KEPT = 15, 142
ONSET, SOUNDING = 0.5, 0.3
SHORTEST, PAUSE = 11, 11
LOWEST_PITCH = 21
WINDOWS_PER_PASS = 24

Notes = NDArray[np.float64]
"""One note a row: start and end in seconds, MIDI pitch."""

# Krumhansl and Kessler 1982: how well each semitone above the tonic fits a major and a minor key.
MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
# Natural minor and the raised seventh.
MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10, 11)


class Transcriber:
    """The network, loaded once.

    Raises:
        PackageError: the package is not installed.
    """

    def __init__(self, threads: int = 1) -> None:
        import onnxruntime

        spec = find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise PackageError("package basic-pitch is not installed: it carries the transcriber")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path = Path(spec.origin).parent / MODEL
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def notes(self, audio: NDArray[np.float32]) -> Notes:
        """Notes of mono audio at 22,050 Hz [samples], in the order of their pitches."""
        frames = -(-len(audio) // HOP)
        count = max(1, -(-frames // KEPT))
        padded = np.pad(audio, (MARGIN * HOP, count * KEPT * HOP + WINDOW - len(audio)))
        windows = np.stack([padded[i * KEPT * HOP :][:WINDOW] for i in range(count)])[..., None]
        sounding, onset = self._posteriors(windows.astype(np.float32))
        return decode(sounding[:frames], onset[:frames])

    def _posteriors(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        parts: tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]] = ([], [])
        for at in range(0, len(windows), WINDOWS_PER_PASS):
            found = self._session.run(None, {self._input: windows[at : at + WINDOWS_PER_PASS]})
            for part, posterior in zip(parts, (found[1], found[0]), strict=True):
                part.append(posterior[:, MARGIN : MARGIN + KEPT].reshape(-1, posterior.shape[2]))
        return np.concatenate(parts[0]), np.concatenate(parts[1])


def decode(sounding: NDArray[np.float32], onset: NDArray[np.float32]) -> Notes:
    """Each peak of a pitch's onset posterior starts a note, which lasts to the next one or to a pause.

    Args:
        sounding: probability that a pitch sounds [frames, 88].
        onset: probability that a note begins [frames, 88].
    """
    found = []
    for pitch in range(onset.shape[1]):
        for start, end in _spans(sounding[:, pitch], onset[:, pitch]):
            if end - start >= SHORTEST:
                found.append((start * HOP / SAMPLE_RATE, end * HOP / SAMPLE_RATE, pitch + LOWEST_PITCH))
    return np.array(found, dtype=np.float64).reshape(-1, 3)


def _spans(sounding: NDArray[np.float32], onset: NDArray[np.float32]) -> list[tuple[int, int]]:
    edge = np.pad(onset, 1)
    starts = np.flatnonzero((onset >= ONSET) & (onset > edge[:-2]) & (onset >= edge[2:]))
    spans = []
    for start, limit in pairwise([*starts, len(onset)]):
        heard = np.flatnonzero(sounding[start:limit] >= SOUNDING)
        gaps = np.flatnonzero(np.diff(heard, prepend=0) > PAUSE)
        heard = heard[: gaps[0]] if len(gaps) else heard
        if len(heard):
            spans.append((int(start), int(start + heard[-1] + 1)))
    return spans


def key(notes: Notes) -> tuple[int, bool]:
    """Tonic (0 = C) and whether the mode is minor: the key profile that correlates best with the sounding time of the
    twelve pitch classes (Krumhansl 1990, chapter 4). C major where there is no note."""
    time = _time_by_pitch_class(notes)
    if not time.any():
        return 0, False
    scores = {
        (tonic, minor): np.corrcoef(np.roll(MINOR_PROFILE if minor else MAJOR_PROFILE, tonic), time)[0, 1]
        for tonic in range(12)
        for minor in (False, True)
    }
    return max(scores, key=lambda each: scores[each])


def share_in_key(notes: Notes, tonic: int, *, minor: bool) -> float:
    """Share of the sounding time on pitches of the scale, in minor the natural one and its raised seventh; NaN where
    there is no note. Pitches at random give 0.58 in major and 0.67 in minor."""
    time = _time_by_pitch_class(notes)
    scale = [(tonic + step) % 12 for step in (MINOR_SCALE if minor else MAJOR_SCALE)]
    return float(time[scale].sum() / time.sum()) if time.any() else float("nan")


def note_f1(original: Notes, rebuilt: Notes) -> float:
    """F1 of the notes found in a copy against those found in the original: the same pitch, and an onset within 50 ms
    (mir_eval, offsets ignored). NaN where the original has no note."""
    from mir_eval import transcription, util

    if not len(original):
        return float("nan")
    if not len(rebuilt):
        return 0.0
    tables = (original, rebuilt)
    (intervals, hertz), (other_intervals, other_hertz) = ((t[:, :2], util.midi_to_hz(t[:, 2])) for t in tables)
    scores = transcription.precision_recall_f1_overlap(
        intervals, hertz, other_intervals, other_hertz, offset_ratio=None
    )
    return float(scores[2])


def _time_by_pitch_class(notes: Notes) -> NDArray[np.float64]:
    classes = notes[:, 2].astype(int) % 12
    return np.bincount(classes, notes[:, 1] - notes[:, 0], minlength=12).astype(np.float64)
