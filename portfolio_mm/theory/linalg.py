"""Symmetric matrices through one eigendecomposition.

Every function of a matrix in the theory is a function of the eigenvalues of one symmetric
positive semidefinite matrix S = U diag(s) Uᵀ, so one call to ``eigh`` serves them all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
ArrayLike = npt.ArrayLike


def symmetrize(matrix: Array) -> Array:
    """Return ½ (S + Sᵀ); shape (N, N)."""
    return 0.5 * (matrix + matrix.T)


def psd_eigh(matrix: Array) -> tuple[Array, Array]:
    """Eigendecomposition S = U diag(s) Uᵀ of a positive semidefinite matrix.

    Rounding leaves a zero eigenvalue at ± the machine precision of the largest one, so
    eigenvalues are floored there: s > 0 always, and 1/s and √s exist.

    Parameters
    ----------
    matrix
        (N, N), symmetric; only the lower triangle is read.

    Returns
    -------
    eigenvalues, eigenvectors
        (N,) ascending and positive, (N, N) orthonormal columns.
    """
    values, vectors = np.linalg.eigh(matrix)
    smallest = max(float(values[-1]) * np.finfo(np.float64).eps, np.finfo(np.float64).tiny)
    return np.maximum(values, smallest), vectors


def lyapunov(drift: Array, noise: Array, gain: Array) -> Array:
    """Solve R X + X Rᵀ = Q for R = diag(gain) S with S symmetric positive definite.

    With G = diag(gain), B = G^½ S G^½ = U diag(b) Uᵀ and X = G^½ Y G^½ the equation becomes
    B Y + Y B = G^(−½) Q G^(−½), whose solution in the eigenbasis is an elementwise quotient.

    Parameters
    ----------
    drift
        S, (N, N).
    noise
        Q, (N, N), symmetric.
    gain
        (N,), positive.

    Returns
    -------
    X, (N, N), symmetric.
    """
    root = np.sqrt(gain)
    values, vectors = psd_eigh(root[:, None] * drift * root)
    scaled = noise / (root[:, None] * root)
    rotated = (vectors.T @ scaled @ vectors) / (values[:, None] + values)
    return root[:, None] * symmetrize(vectors @ rotated @ vectors.T) * root
