"""Two dimensions out of many: principal components of last-layer states, and how far apart two clouds lie in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plane:
    """The two directions in which some states vary most."""

    centre: Matrix  # (d,)
    axes: Matrix  # (2, d), orthonormal
    explained: tuple[float, float]  # share of the variance along each

    def __call__(self, states: NDArray[np.float32]) -> Matrix:
        """(n, d) -> (n, 2)"""
        return (states.astype(np.float64) - self.centre) @ self.axes.T


def plane(parts: Sequence[NDArray[np.float32]]) -> Plane:
    """The first two principal components of all `parts` together, so that panels share their axes."""
    states = np.concatenate([part.astype(np.float64) for part in parts])
    centre = states.mean(axis=0)
    _, singular, axes = np.linalg.svd(states - centre, full_matrices=False)
    shares = singular**2 / max(float((singular**2).sum()), 1e-300)
    return Plane(centre, axes[:2], (float(shares[0]), float(shares[1])))


def separation(first: Matrix, second: Matrix) -> float:
    """Distance of the clouds' centres in units of their mean spread (root mean square distance to the centre)."""
    centres = first.mean(axis=0), second.mean(axis=0)
    spread = np.mean(
        [np.sqrt(((cloud - c) ** 2).sum(axis=1).mean()) for cloud, c in zip((first, second), centres, strict=True)]
    )
    return float(np.linalg.norm(centres[0] - centres[1]) / spread) if spread else float("inf")
