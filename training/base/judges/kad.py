"""How far one set of sounds is from another, and how varied one set is, in an embedding.

Not for single clips: every number here is about a set.
"""

import torch
from torch import Tensor

SCALE = 100.0


def kad(reference: Tensor, found: Tensor) -> float:
    """Kernel audio distance (Chung et al. 2025, arXiv 2502.15602): 100 times the unbiased estimate of MMD^2 (Gretton
    et al. 2012, equation 3) with a Gaussian kernel whose bandwidth is the median distance within the reference.

    0 on average for two samples of one distribution, so it may be negative.

    Args:
        reference: embeddings of real clips [m, size], m >= 2, not all the same.
        found: embeddings of the clips to judge [n, size], n >= 2; independent of the reference.
    """
    reference, found = reference.double(), found.double()
    bandwidth = torch.pdist(reference).median()
    return SCALE * float(
        _within(_kernel(reference, reference, bandwidth))
        + _within(_kernel(found, found, bandwidth))
        - 2 * _kernel(reference, found, bandwidth).mean()
    )


def vendi(embeddings: Tensor) -> float:
    """Vendi score (Friedman and Dieng 2023, definition 3.1) with the cosine as similarity: how many clips with nothing
    in common would be as varied. 1 for equal clips, n for orthogonal ones.

    Args:
        embeddings: [n, size], n >= 1.
    """
    unit = torch.nn.functional.normalize(embeddings.double(), dim=1)
    shares = torch.linalg.eigvalsh(unit @ unit.T / len(unit)).clamp_min(0)
    return float(torch.special.entr(shares).sum().exp())


def _kernel(first: Tensor, second: Tensor, bandwidth: Tensor) -> Tensor:
    return torch.exp(-torch.cdist(first, second).square() / (2 * bandwidth.square()))


def _within(kernel: Tensor) -> Tensor:
    """Mean over pairs of different clips."""
    count = len(kernel)
    return (kernel.sum() - kernel.trace()) / (count * (count - 1))
