"""The posterior over informed flow: prior, Bayes by hand, pooling, forgetting."""

from __future__ import annotations

import numpy as np
import pytest

from portfolio_mm.belief import informed
from portfolio_mm.config import Belief
from portfolio_mm.theory.informed_flow import FORESIGHT_S, SHARE


def by_hand(log_posterior):
    weight = np.exp(log_posterior - log_posterior.max())
    weight /= weight.sum()
    share = (weight * SHARE).sum()
    return share, (weight * SHARE * FORESIGHT_S).sum() / share


def test_prior_is_exponential_in_the_share():
    config = Belief(informed=0.1)
    flow = informed.estimate(config, informed.prior(3))
    share, foresight = by_hand(-SHARE / 0.1)
    np.testing.assert_allclose(flow.share, share)
    np.testing.assert_allclose(flow.foresight_s, foresight)


def test_bayes_by_hand_with_evidence_of_others_at_a_discount():
    config = Belief(informed=0.2, informed_pooling=0.25)
    evidence = np.random.default_rng(1).normal(size=(2, len(SHARE)))
    flow = informed.estimate(config, evidence)
    share, foresight = by_hand(evidence[0] + 0.25 * evidence[1] - SHARE / 0.2)
    assert flow.share[0] == pytest.approx(share)
    assert flow.foresight_s[0] == pytest.approx(foresight)


def test_without_pooling_assets_are_their_own():
    config = Belief(informed_pooling=0.0)
    evidence = np.zeros((2, len(SHARE)))
    evidence[1] = 50.0 * SHARE
    flow = informed.estimate(config, evidence)
    alone = informed.estimate(config, informed.prior(1))
    assert flow.share[0] == pytest.approx(alone.share[0])
    assert flow.share[1] > 0.8


def test_evidence_halves_in_its_half_life():
    config = Belief(informed_half_life_s=100.0)
    evidence = np.ones((1, len(SHARE)))
    later = informed.observe(config, evidence, np.zeros_like(evidence), 100.0)
    np.testing.assert_allclose(later, 0.5)


def test_share_stays_inside_its_grid_under_overwhelming_evidence():
    for sign in (-1.0, 1.0):
        flow = informed.estimate(Belief(), sign * 1e6 * SHARE[None, :])
        assert SHARE.min() <= flow.share[0] <= SHARE.max()
        assert np.isfinite(flow.foresight_s).all()
