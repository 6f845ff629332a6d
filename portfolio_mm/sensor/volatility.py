"""Squared returns as observations of log variance."""

from __future__ import annotations

import numpy as np

from portfolio_mm.theory import log_chi2
from portfolio_mm.types import Floats


def log_variance(returns: Floats, interval: Floats, noise: Floats) -> Floats:
    """Return ln(r²/Δt) + 1.270, an observation of ln(σ² + noise) with variance π²/2.

    Parameters
    ----------
    returns : (K,)
        Log returns over `interval` seconds.
    noise : (K,)
        Variance of the price error inside the return, per second (1/s). A return smaller than
        the rounding error says nothing more than that it is small: r² is not taken below a
        hundredth of the noise.
    """
    squared = np.maximum(returns * returns / interval, 0.01 * noise)
    z: Floats = np.log(squared) - log_chi2.MEAN
    return z
