"""The likelihood of moves after fills finds the planted flow."""

from __future__ import annotations

import numpy as np
import pytest

from portfolio_mm.theory import glosten_milgrom, informed_flow

SIGMA, KAPPA, STALE, HORIZON = 8e-5, 2500.0, 1.3, 10.0


def fills(share: float, foresight: float, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulate takers one by one and keep those that hit our bid; returns depths and moves."""
    rng = np.random.default_rng(seed)
    depths, moves = [], []
    while len(depths) < count:
        size = 200_000
        depth = rng.uniform(1e-4, 4e-4, size)
        until = STALE + max(foresight, HORIZON)
        known = SIGMA * np.sqrt(STALE + foresight) * rng.normal(size=size)
        later = SIGMA * np.sqrt(until - STALE - foresight) * rng.normal(size=size)
        informed = rng.random(size) < share
        seller = rng.random(size) < 0.5
        reaches = rng.random(size) < np.exp(-KAPPA * depth)
        hit = np.where(informed, known < -depth, seller & reaches)
        # What has come out by the horizon of a value known further ahead: a Brownian bridge.
        out = min(1.0, (STALE + HORIZON) / (STALE + foresight))
        bridge = SIGMA * np.sqrt((STALE + HORIZON) * (1 - out)) * rng.normal(size=size)
        moves += list((out * known + bridge + later * (foresight < HORIZON))[hit])
        depths += list(depth[hit])
    return np.array(depths[:count]), np.array(moves[:count])


@pytest.mark.parametrize(
    ("share", "foresight"), [(0.1, 1.0), (0.5, 10.0), (0.9, 10.0), (0.8, 30.0)]
)
def test_the_planted_hypothesis_or_one_that_prices_alike_wins(
    share: float, foresight: float
) -> None:
    depth, move = fills(share, foresight, 4000, seed=1)
    ones = np.ones_like(move)
    total = informed_flow.log_likelihood(
        move, depth, 0.0 * ones, SIGMA * ones, KAPPA * ones, STALE, HORIZON
    ).sum(axis=0)
    best = int(total.argmax())
    at = np.array([1.5e-4, 2.5e-4, 3.5e-4])

    def charge(pi: float, tau: float) -> np.ndarray:
        s2 = informed_flow.knowledge_variance(np.zeros(3), np.full(3, SIGMA), STALE + tau)
        return glosten_milgrom.adverse_selection(at, s2, pi, np.exp(-KAPPA * at))

    np.testing.assert_allclose(
        charge(informed_flow.SHARE[best], informed_flow.FORESIGHT_S[best]),
        charge(share, foresight),
        rtol=0.25,
        atol=0.1e-4,
    )


def test_mean_move_after_fills_is_the_adverse_selection_charge() -> None:
    """The charge that the best hypothesis makes is what fills really cost, within its error."""
    depth, move = fills(0.8, 10.0, 20_000, seed=2)
    s2 = informed_flow.knowledge_variance(np.zeros(1), np.array([SIGMA]), STALE + 10.0)
    charge = glosten_milgrom.adverse_selection(depth, s2, 0.8, np.exp(-KAPPA * depth))
    error = move.std() / np.sqrt(len(move))
    assert abs(move.mean() + charge.mean()) < 4 * error


def test_a_single_fill_has_bounded_influence() -> None:
    one = np.ones(1)
    ordinary, absurd = (
        informed_flow.log_likelihood(
            np.array([move]), 2e-4 * one, 0.0 * one, SIGMA * one, KAPPA * one, STALE, HORIZON
        )
        for move in (-2e-4, -1.0)
    )
    assert np.ptp(absurd) < 1e-6
    assert np.ptp(ordinary) < 10.0
