"""The two smallest depths."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio_mm.actuary import floors


def test_option_floor_is_the_expected_loss_of_a_stale_quote():
    """E[max(-σ√τ Z, 0)] by Monte Carlo."""
    z = np.random.default_rng(1).normal(size=4_000_000)
    payoff = np.maximum(1e-4 * math.sqrt(1.3) * z, 0.0).mean()
    assert floors.option_floor(np.array([1e-4]), 1.3)[0] == pytest.approx(payoff, rel=2e-3)
