"""A factor model of the curvature matrix, so that joint risk costs time linear in N."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dsyevr

Array = NDArray[np.float64]


def factor_model(curvature: Array, n_factors: int) -> tuple[Array, Array]:
    """Positive semidefinite model A ≈ GGᵀ + diag(ψ) with the diagonal of A exactly.

    With R the correlation form of A, its diagonal replaced by the communalities
    h²_i = max_j |R_ij|, G takes the K largest eigenvalues less the next one, which keeps the model
    continuous in A; rows whose communality exceeds one are scaled back to one. Two assets are
    exact; an asset without correlation has no loading and changes no other. Principal factor
    analysis without iteration (Harman, Modern Factor Analysis).

    Parameters
    ----------
    curvature
        (N, N), symmetric positive semidefinite.
    n_factors
        K ≥ 1.

    Returns
    -------
    loadings, specific
        G (N, K), ψ (N,) ≥ 0.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the eigenvalues do not converge.
    """
    n = len(curvature)
    variance = np.diagonal(curvature)
    deviation = np.sqrt(variance)
    unit = np.divide(1.0, deviation, out=np.zeros(n), where=deviation > 0.0)
    common = curvature * unit[:, None] * unit
    np.fill_diagonal(common, 0.0)
    np.fill_diagonal(common, np.abs(common).max(axis=1))
    kept = min(n, n_factors)
    eigenvalues, vectors, found, _, info = dsyevr(common, range="I", il=max(1, n - kept), iu=n)
    if info != 0:
        raise np.linalg.LinAlgError("eigenvalues of the curvature did not converge")
    eigenvalues, vectors = eigenvalues[:found], vectors[:, :found]
    floor = max(0.0, float(eigenvalues[0])) if n > kept else 0.0
    loadings = np.zeros((n, n_factors))
    loadings[:, :kept] = vectors[:, -kept:] * np.sqrt(np.maximum(eigenvalues[-kept:] - floor, 0.0))
    communality = (loadings**2).sum(axis=1)
    loadings *= (deviation / np.sqrt(np.maximum(communality, 1.0)))[:, None]
    return loadings, variance * (1.0 - np.minimum(communality, 1.0))
