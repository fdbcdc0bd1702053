"""Integrated loudness of mono audio, ITU-R BS.1770-4, in one pass: a gain needs no second one.

Not for true peaks. The weighting's coefficients are pyloudnorm's, and so is the result, within 0.01 LU. The libraries
are loaded at the first use: they take longer than a replica that starts should wait.
"""

import math

import numpy as np
from numpy.typing import NDArray

# Blocks of 0.4 s, one every 0.1 s.
HOP_S, HOPS = 0.1, 4
ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU = -70.0, -10.0
OFFSET_LU = -0.691


def block_powers(waveform: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Mean square of each overlapping block after K-weighting; a gain g makes each g^2 times as large.

    Args:
        waveform: at least 0.4 s [samples].
        sample_rate: of the waveform.

    Returns:
        Powers [blocks].
    """
    from scipy.signal import sosfilt

    hop = round(HOP_S * sample_rate)
    weighted = sosfilt(_weighting(sample_rate), waveform)
    hops = round(len(waveform) / hop)
    weighted = np.pad(weighted[: hops * hop], (0, max(0, hops * hop - len(weighted)))).reshape(hops, hop)
    sums = np.einsum("ij,ij->i", weighted, weighted)
    powers: NDArray[np.float64] = np.convolve(sums, np.ones(HOPS), "valid") / (HOPS * hop)
    return powers


def integrated(powers: NDArray[np.float64]) -> float:
    """Loudness in LUFS of the blocks that both gates let through; -inf where there is none [blocks]."""
    heard = powers[powers >= _power(ABSOLUTE_GATE_LUFS)]
    if not len(heard):
        return -math.inf
    heard = heard[heard > heard.mean() * 10 ** (RELATIVE_GATE_LU / 10)]
    return OFFSET_LU + 10 * math.log10(heard.mean())


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - OFFSET_LU) / 10))


def _weighting(sample_rate: int) -> NDArray[np.float64]:
    """A head's shelf, then a high pass, as second-order sections."""
    from pyloudnorm.iirfilter import IIRfilter

    shelf = IIRfilter(4.0, 1 / math.sqrt(2), 1500.0, sample_rate, "high_shelf")
    high_pass = IIRfilter(0.0, 0.5, 38.0, sample_rate, "high_pass")
    return np.stack([np.concatenate([one.b, one.a]) for one in (shelf, high_pass)])
