"""Sounds that are no music."""

import torch


def steady_noise(like: torch.Tensor) -> torch.Tensor:
    """Noise that never changes, with the mean power spectrum and the loudness of `like`."""
    window = torch.hann_window(2048)
    mean_power = torch.stft(like, 2048, window=window, return_complex=True).abs().square().mean(dim=1)
    white = torch.randn(len(like), generator=torch.Generator().manual_seed(1))
    coloured = torch.stft(white, 2048, window=window, return_complex=True) * mean_power.sqrt()[:, None]
    noise = torch.istft(coloured, 2048, window=window, length=len(like))
    return noise * (like.square().mean() / noise.square().mean()).sqrt()
