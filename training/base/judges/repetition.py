"""Self-similarity: how well the music comes back to what it has already played.

Not form: verse and chorus are not told apart.
"""

import torch
from diffusers.models.autoencoders.autoencoder_mmaudio import mel_filterbank
from torch import Tensor
from torch.nn import functional

from training.base.render import SAMPLE_RATE

WINDOW, HOP, BANDS = 2048, 2756, 64
# Frames of a passage and between the passages that are compared: two seconds and an eighth.
PASSAGE = 16


def repetition(audio: Tensor, apart: float) -> Tensor:
    """Mean over passages of two seconds of the best cosine with another passage at least `apart` seconds away.

    Passages are compared as log-mel spectrograms less each band's mean, the self-similarity matrix of Foote (1999):
    near 0 where nothing returns, 1 where everything does.

    Args:
        audio: mono at 22,050 Hz, longer than `apart` and two passages [batch, samples].
        apart: seconds.

    Returns:
        [batch].
    """
    window = torch.hann_window(WINDOW)
    power = torch.stft(audio, WINDOW, HOP, window=window, return_complex=True).abs()
    basis = mel_filterbank(SAMPLE_RATE, WINDOW, BANDS, 30.0, SAMPLE_RATE / 2)
    log = torch.log1p(100 * torch.matmul(basis, power))
    passages = (log - log.mean(2, keepdim=True)).unfold(2, PASSAGE, 1).transpose(1, 2).flatten(2)
    unit = functional.normalize(passages, dim=2)
    similar = unit @ unit.transpose(1, 2)
    place = torch.arange(unit.shape[1])
    near = (place[:, None] - place).abs() < apart * SAMPLE_RATE / HOP
    return similar.masked_fill(near, -1).amax(2).mean(1)
