"""Rectified flow in closed form, by row, by listener, in sum. Pure tensor functions.

Shapes: R rows, F frames, C channels, S slots. t in (0, 1], 1 = noise (see `serving.engine.bases.base`).
"""

import torch
from torch import Tensor, nn

# B of the preference loss: errors differ by about a thousandth between versions.
SHARPNESS = 500.0
# mu of the safeguard of pairs: the share of the winner's own gain that is left to it.
KEPT = 0.9


def noised(x0_RFC: Tensor, eps_RFC: Tensor, t_R: Tensor) -> Tensor:
    """The point at time t on the straight line from music to noise [R, F, C]."""
    t = t_R[:, None, None]
    return (1 - t) * x0_RFC + t * eps_RFC


def flow_matching(velocity_RFC: Tensor, x0_RFC: Tensor, eps_RFC: Tensor) -> Tensor:
    """Mean squared error of each row against the velocity `eps - x0` [R]; always in float32."""
    return (velocity_RFC.float() - (eps_RFC - x0_RFC)).square().mean(dim=(1, 2))


def signed(velocity_RFC: Tensor, old_RFC: Tensor, x0_RFC: Tensor, eps_RFC: Tensor, target_R: Tensor) -> Tensor:
    """Towards music that was liked and, bounded, away from music that was not [R]; always in float32.

    DiffusionNFT (Zheng et al. 2025, arXiv 2509.16117, equation 5) at beta = 1: with r the target and v* = eps - x0,

        L = r |v - v*|^2 + (1 - r) |(2 v_old - v) - v*|^2

    r = 1 is flow matching, r = 1/2 draws to the old velocity, r = 0 to the mirror image of v* in it. The least is at
    v_old + (2 r - 1) (v* - v_old), however often it is repeated: a disliked track pushes away by a bounded distance.

    Args:
        velocity_RFC: of what is trained.
        old_RFC: of the version that made the music; no gradient goes through it.
        x0_RFC: the music.
        eps_RFC: the noise.
        target_R: r in [0, 1].
    """
    towards = flow_matching(velocity_RFC, x0_RFC, eps_RFC)
    away = flow_matching(2 * old_RFC.detach().float() - velocity_RFC.float(), x0_RFC, eps_RFC)
    return target_R * towards + (1 - target_R) * away


def threshold_guided(
    velocity_RFC: Tensor, old_RFC: Tensor, x0_RFC: Tensor, eps_RFC: Tensor, target_R: Tensor
) -> Tensor:
    """Music above the middle made likelier than under the old version, music below it less likely [R].

    TGO (arXiv 2605.04653), for scores without pairs: with e the flow matching error,

        s = -B (e - e_old),  L = -[l log sigma(s) + (1 - l) log sigma(-s)],  l = 1 where the target is at least 1/2

    The paper's weight of the distance to the threshold is in how often a row is drawn (see `methods.signed`). Not
    bounded: what is below the middle is pushed away for as long as training lasts, ever more weakly.

    Args:
        velocity_RFC: of what is trained.
        old_RFC: of the version that made the music; no gradient goes through it.
        x0_RFC: the music.
        eps_RFC: the noise.
        target_R: in [0, 1].
    """
    gained = flow_matching(old_RFC.detach(), x0_RFC, eps_RFC) - flow_matching(velocity_RFC, x0_RFC, eps_RFC)
    sign = torch.where(target_R >= 0.5, 1.0, -1.0)
    return -nn.functional.logsigmoid(SHARPNESS * sign * gained)


def kahneman_tversky(
    velocity_RFC: Tensor, old_RFC: Tensor, x0_RFC: Tensor, eps_RFC: Tensor, target_R: Tensor
) -> Tensor:
    """Liked music made likelier than under the old version, disliked music less likely, ever less of either [R].

    Diffusion-KTO (Li et al. 2024, arXiv 2404.04465) with a sigmoid as the utility: with e the flow matching error,

        L = 1 - sigma(y B (g - z)),  g = e_old - e,  z = |v - v_old|^2,  y = 1 where the target is at least 1/2, else -1

    z, the point of reference, is how far the version has gone from the old one: between steps of the same variance the
    divergence is the square of the velocities' difference. The paper estimates it by the mean of g over a batch, which
    would make one listener's loss depend on others'. No gradient goes through it.

    Args:
        velocity_RFC: of what is trained.
        old_RFC: of the version that made the music; no gradient goes through it.
        x0_RFC: the music.
        eps_RFC: the noise.
        target_R: in [0, 1].
    """
    old = old_RFC.detach().float()
    gained = flow_matching(old, x0_RFC, eps_RFC) - flow_matching(velocity_RFC, x0_RFC, eps_RFC)
    reference = (velocity_RFC.detach().float() - old).square().mean(dim=(1, 2))
    sign = torch.where(target_R >= 0.5, 1.0, -1.0)
    return 1 - torch.sigmoid(SHARPNESS * sign * (gained - reference))


def flow_dpo(
    velocity_RFC: Tensor,
    old_RFC: Tensor,
    winner_RFC: Tensor,
    losing_RFC: Tensor,
    old_losing_RFC: Tensor,
    loser_RFC: Tensor,
    eps_RFC: Tensor,
) -> Tensor:
    """Of two pieces of music the better one is to gain more on the old version than the worse one [R].

    Diffusion-DPO (Wallace et al. 2023, arXiv 2311.12908) for velocities: with e the flow matching error of each member
    at the same time and noise, and d = e - e_old,

        L = -log sigma(-B (d_winner - d_loser))

    The loser's gradient is taken lambda times (Diffusion-SDPO, arXiv 2511.03317): with g the slope of a member's error
    in its velocity, lambda = min(1, (1 - mu) |g_w|^2 / <g_w, g_l>) where <g_w, g_l> > 0, else 1. So a step that
    moves both velocities alike lowers the winner's error, by a share mu at least of what it would by itself.

    Args:
        velocity_RFC, losing_RFC: of what is trained, at the winner and at the loser.
        old_RFC, old_losing_RFC: alike of the old version; no gradient goes through them.
        winner_RFC, loser_RFC: the music.
        eps_RFC: the noise, of both.
    """
    won = flow_matching(velocity_RFC, winner_RFC, eps_RFC)
    lost = flow_matching(losing_RFC, loser_RFC, eps_RFC)
    scale = _safeguard(
        velocity_RFC.detach().float() - (eps_RFC - winner_RFC), losing_RFC.detach().float() - (eps_RFC - loser_RFC)
    )
    lost = scale * lost + (1 - scale) * lost.detach()
    won_before, lost_before = (
        flow_matching(old.detach(), music, eps_RFC)
        for old, music in ((old_RFC, winner_RFC), (old_losing_RFC, loser_RFC))
    )
    return -nn.functional.logsigmoid(-SHARPNESS * ((won - won_before) - (lost - lost_before)))


def _safeguard(winner_RFC: Tensor, loser_RFC: Tensor) -> Tensor:
    """lambda of `flow_dpo` from what is missing at each member [R]."""
    along = (winner_RFC * loser_RFC).sum(dim=(1, 2))
    most = (1 - KEPT) * winner_RFC.square().sum(dim=(1, 2)) / along.clamp_min(1e-12)
    return torch.where(along > 0, most.clamp_max(1.0), 1.0)


def slot_means(loss_R: Tensor, slot_R: Tensor, slots: int) -> Tensor:
    """Mean of each slot's rows, 0 where a slot has none [S]."""
    total = torch.zeros(slots, dtype=loss_R.dtype).index_add(0, slot_R, loss_R)
    count = torch.zeros(slots, dtype=loss_R.dtype).index_add(0, slot_R, torch.ones_like(loss_R))
    return total / count.clamp(min=1)


def listeners_loss(loss_R: Tensor, slot_R: Tensor, slots: int) -> Tensor:
    """Sum over slots of their means: each listener's gradient is that of training alone."""
    return slot_means(loss_R, slot_R, slots).sum()


def logit_normal(size: int, generator: torch.Generator) -> Tensor:
    """Times drawn as the sigmoid of a standard normal [size]: most weight on the middle of the path."""
    return torch.randn(size, generator=generator).sigmoid()
