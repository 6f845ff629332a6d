"""Every order that leaves is one the venue accepts, and never more than was allocated."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.executor.rounding import round_orders
from portfolio_mm.rules import ticks

LEVELS = 3


def assert_valid(price, sizes, decimals, orders):
    """Check one asset, (2, L), against the published rules in decimal arithmetic."""
    for side in (0, 1):
        total = 0.0
        for level in range(LEVELS):
            units, lots = int(orders.units[0, side, level]), int(orders.lots[0, side, level])
            assert (units > 0) == (lots > 0)
            if not lots:
                continue
            at = Decimal(ticks.price_text(units, decimals))
            size = Decimal(ticks.size_text(lots, decimals))
            exponent = at.normalize().as_tuple().exponent
            assert exponent >= 0 or (
                len(at.normalize().as_tuple().digits) <= 5 and -exponent <= 6 - decimals
            )
            assert at * size >= 10
            exact = price[0, side, level]
            better = float(at) / exact - 1.0
            assert (better if side == 0 else -better) <= 1e-9
            total += float(at * size)
        assert total <= sizes[0, side].sum() * (1.0 + 1e-9) + 1e-6


@st.composite
def targets(draw, decimals):
    """Prices of a ladder around a fair value, and sizes of any magnitude."""
    sz = draw(decimals)
    fair = draw(st.floats(1e-3, 2e5))
    steps = np.cumsum(draw(st.lists(st.floats(1e-6, 1e-2), min_size=LEVELS, max_size=LEVELS)))
    price = fair * np.exp(np.stack([-steps, steps]))[None]
    size = st.one_of(st.just(0.0), st.floats(0.0, 30.0), st.floats(0.0, 1e6))
    sizes = draw(st.lists(size, min_size=2 * LEVELS, max_size=2 * LEVELS))
    return price, np.reshape(sizes, (1, 2, LEVELS)), sz


@given(targets(st.integers(0, 6)))
def test_orders_are_valid_over_plain_ranges(case):
    price, sizes, sz = case
    assert_valid(price, sizes, sz, round_orders(price, sizes, np.array([sz])))


def test_orders_are_valid_for_every_recorded_market(data):
    folder = data / "hyperliquid" / "hip3_2026-09-24"
    decimals = {
        asset["szDecimals"]
        for path in sorted(folder.glob("meta_dex_*.json"))
        for asset in json.loads(path.read_text())["universe"]
    }
    assert decimals

    @given(targets(st.sampled_from(sorted(decimals))))
    def check(case):
        price, sizes, sz = case
        assert_valid(price, sizes, sz, round_orders(price, sizes, np.array([sz])))

    check()


def test_dropped_sizes_are_offered_to_the_deepest_level():
    price = np.array([[[100.0, 99.0, 98.0], [101.0, 102.0, 103.0]]])
    sizes = np.array([[[9.0, 6.0, 0.0], [500.0, 9.0, 200.0]]])
    orders = round_orders(price, sizes, np.array([4]))
    value = orders.lots * orders.units * ticks.MICRO_USD
    assert value[0, 0] == pytest.approx([0.0, 0.0, 15.0], abs=0.02)
    assert value[0, 1] == pytest.approx([500.0, 0.0, 209.0], abs=0.02)


def test_what_is_too_small_together_is_dropped():
    price = np.full((1, 2, LEVELS), 100.0)
    orders = round_orders(price, np.full((1, 2, LEVELS), 3.0), np.array([3]))
    assert not orders.lots.any()
    assert not orders.units.any()


@pytest.mark.parametrize("price", [np.nan, 0.0, -1.0, 1e-9])
def test_without_a_valid_price_there_is_no_bid(price):
    prices = np.full((1, 2, LEVELS), 100.0)
    prices[0, 0] = price
    orders = round_orders(prices, np.full((1, 2, LEVELS), 1000.0), np.array([2]))
    assert not orders.lots[0, 0].any()
    assert orders.lots[0, 1].all()
