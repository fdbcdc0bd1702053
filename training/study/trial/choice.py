"""The score by which one of several tracks is chosen: nearness to the songs, and what ratings say beyond it.

`m(x) = g cos(z, z0) + w.phi(x)`, chosen by `m - KAPPA s`: pessimistic, so that what is unlike anything rated does not
win by luck. phi are the first directions in which songs differ; w has a prior of the size that keeps a few ratings from
overruling the songs, and counts only where leaving one out shows it better than nearness alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.preference import Belief

Vector = NDArray[np.float64]

DIRECTIONS = 12
# Noise of one rating over the prior's spread, both in standard deviations of satisfaction (0.8^2 / 0.1^2).
RIDGE = 64.0
NOISE = 0.8
KAPPA = 1.0
NEARNESS = 1.0
FEWEST = 6
# By what share leaving one out must be foretold better than by nearness alone.
CLEARLY = 0.1


@dataclass(frozen=True, eq=False)
class Space:
    """Directions of style on which scores are computed: mean [size], rows of unit variance [DIRECTIONS, size]."""

    mean: Vector
    rows: Vector

    @staticmethod
    def of(styles: Vector) -> "Space":
        """Principal directions of styles [clips, size]."""
        mean = styles.mean(axis=0)
        _, sizes, directions = np.linalg.svd(styles - mean, full_matrices=False)
        count = min(DIRECTIONS, int((sizes > 1e-6).sum()))
        deviation = sizes[:count] / np.sqrt(len(styles))
        return Space(mean, directions[:count] / deviation[:, None])

    def features(self, styles: Vector) -> Vector:
        """[..., size] -> [..., directions]"""
        found: Vector = (styles - self.mean) @ self.rows.T
        return found


@dataclass(frozen=True, eq=False)
class Scorer:
    """Of one listener; without weights it is nearness to the songs."""

    space: Space
    songs: Vector
    weights: Vector | None = None
    covariance: Vector | None = None

    def score(self, styles: Vector) -> Vector:
        """Of tracks by their styles [tracks, size] -> [tracks]."""
        near = NEARNESS * nearness(styles, self.songs)
        if self.weights is None or self.covariance is None:
            return near
        phi = self.space.features(styles)
        doubt = np.sqrt(np.einsum("nd,de,ne->n", phi, self.covariance, phi))
        found: Vector = near + phi @ self.weights - KAPPA * doubt
        return found


def nearness(styles: Vector, songs: Vector) -> Vector:
    """Cosine of each style with the songs' [tracks]."""
    found: Vector = styles @ songs / (np.linalg.norm(styles, axis=-1) * np.linalg.norm(songs) + 1e-9)
    return found


def learn(space: Space, songs: Vector, styles: Vector, belief: Belief) -> Scorer:
    """The scorer of a listener who rated tracks of these styles [tracks, size]."""
    plain = Scorer(space, songs)
    if len(styles) < FEWEST:
        return plain
    phi, near = space.features(styles), NEARNESS * nearness(styles, songs)
    centre = phi.mean(axis=0)
    residual = belief.mean - belief.mean.mean() - (near - near.mean())
    precision = belief.reliability / NOISE**2
    gram = (phi - centre).T @ (precision[:, None] * (phi - centre)) + RIDGE / NOISE**2 * np.eye(phi.shape[1])
    inverse = np.linalg.inv(gram)
    hat = (phi - centre) @ inverse @ ((phi - centre) * precision[:, None]).T
    left_out = (residual - hat @ residual) / np.clip(1 - np.diag(hat), 1e-3, None)
    if float(precision @ np.square(left_out)) >= (1 - CLEARLY) * float(precision @ np.square(residual)):
        return plain
    return Scorer(space, songs, inverse @ (phi - centre).T @ (precision * residual), inverse)
