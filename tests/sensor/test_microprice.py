"""The micro-price by hand, and its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio_mm.sensor.microprice import microprice


def one(bid, bid_size, ask, ask_size, tick=1e-5):
    arrays = (np.array([x], dtype=float) for x in (bid, bid_size, ask, ask_size, tick))
    log_price, variance = microprice(*arrays)
    return log_price[0], variance[0]


def test_by_hand():
    log_price, variance = one(99.0, 3.0, 101.0, 1.0)
    assert log_price == pytest.approx(math.log((99.0 * 1.0 + 101.0 * 3.0) / 4.0), rel=1e-14)
    half = 0.5 * math.log(101.0 / 99.0)
    assert variance == pytest.approx(half**2 / 3.0, rel=1e-14)


def test_equal_sizes_give_the_mid():
    assert one(99.0, 2.0, 101.0, 2.0)[0] == pytest.approx(math.log(100.0))


def test_a_vanishing_side_is_reached():
    assert one(99.0, 1e-12, 101.0, 1.0)[0] == pytest.approx(math.log(99.0), abs=1e-12)
    assert one(99.0, 1.0, 101.0, 1e-12)[0] == pytest.approx(math.log(101.0), abs=1e-12)


def test_noise_is_never_below_that_of_the_tick():
    assert one(100.0, 1.0, 100.0001, 1.0, tick=1e-3)[1] == pytest.approx(1e-6 / 12.0)


@pytest.mark.parametrize(
    "book",
    [
        (np.nan, 0.0, 101.0, 1.0),
        (99.0, 1.0, np.nan, 0.0),
        (np.nan, 0.0, np.nan, 0.0),
        (99.0, 0.0, 101.0, 1.0),
        (99.0, 0.0, 101.0, 0.0),
        (0.0, 1.0, 101.0, 1.0),
    ],
)
def test_without_two_sides_there_is_none(book):
    assert np.isnan(one(*book)).all()


def test_mirror():
    """Exchanging the sides mirrors the price inside the spread."""
    low, _ = one(99.0, 3.0, 101.0, 1.0)
    high, _ = one(99.0, 1.0, 101.0, 3.0)
    assert math.exp(low) + math.exp(high) == pytest.approx(200.0)
