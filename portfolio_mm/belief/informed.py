"""Informed flow: the posterior over hypotheses (π, τ), per asset, from the moves after our fills.

Each fill contributes its log-likelihood under every hypothesis of `theory.informed_flow`. Fills of
other assets count as well, with a power prior: their evidence enters with an exponent η < 1, so an
asset without fills borrows from the portfolio and one with many speaks for itself. Evidence is
forgotten; what is left then is the prior, exponential in π and flat in τ.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from portfolio_mm.config import Belief
from portfolio_mm.theory.informed_flow import FORESIGHT_S, SHARE
from portfolio_mm.types import Floats


class InformedFlow(NamedTuple):
    """Posterior means."""

    share: Floats  # (N,) π
    foresight_s: Floats  # (N,) τ of the informed ones, s


def prior(n: int) -> Floats:
    """Return the evidence before any fill: discounted log-likelihoods, (N, G)."""
    return np.zeros((n, len(SHARE)))


def observe(config: Belief, evidence: Floats, log_likelihood: Floats, dt: float) -> Floats:
    """Add one cycle's log-likelihoods (N, G), forgetting by `dt` seconds."""
    keep = math.exp(-math.log(2.0) * dt / config.informed_half_life_s)
    updated: Floats = keep * evidence + log_likelihood
    return updated


def estimate(config: Belief, evidence: Floats) -> InformedFlow:
    """Return the posterior means of every asset."""
    pooled = evidence + config.informed_pooling * (evidence.sum(axis=0) - evidence)
    weight = softmax(pooled - SHARE / config.informed, axis=1)
    share = weight @ SHARE
    return InformedFlow(share, (weight @ (SHARE * FORESIGHT_S)) / share)
