"""Margin rows by hand: what adds to positions, what rests at all, isolated assets."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.governor import margin
from sim import synthetic

CAP = np.array([1000.0, 500.0, 2000.0])


@pytest.fixture
def universe():
    """Three assets at leverage 10, 5, 20; the second isolated; the third pays from pool 1."""
    base = synthetic.universe(3, isolated=(1,))
    instruments = tuple(
        msgspec.structs.replace(instrument, leverage=leverage, pool=pool)
        for instrument, leverage, pool in zip(base.instruments, (10, 5, 20), (0, 0, 1), strict=True)
    )
    return msgspec.structs.replace(base, instruments=instruments, pools=("a", "b"))


def account(equity, position_margin):
    base = synthetic.account(synthetic.start, np.zeros(3), np.ones(3))
    return msgspec.structs.replace(
        base, equity=np.array(equity), position_margin=np.array(position_margin)
    )


def test_a_flat_account_pays_for_both_sides(universe):
    pools = [[0.1, 0.2, 0.0], [0.0, 0.0, 0.05]]
    expected = np.array([*pools, *pools, [0.0, 0.2, 0.0]])
    rates = margin.rates(universe, np.zeros(3), CAP)
    np.testing.assert_allclose(rates, np.repeat(expected[:, :, None], 2, axis=2))


def test_orders_that_reduce_draw_nothing_but_count_as_resting(universe):
    rates = margin.rates(universe, np.array([500.0, -9000.0, 0.0]), CAP)
    np.testing.assert_allclose(rates[0], [[0.1, 0.05], [0.0, 0.2], [0.0, 0.0]])
    np.testing.assert_allclose(rates[2], [[0.1, 0.1], [0.2, 0.2], [0.0, 0.0]])
    np.testing.assert_allclose(rates[4], [[0.0, 0.0], [0.0, 0.2], [0.0, 0.0]])


@given(inventory=st.floats(-5000.0, 5000.0), bid=st.floats(0.0, 1.0), ask=st.floats(0.0, 1.0))
def test_rates_never_understate_what_orders_could_add(inventory, bid, ask):
    """The chord is above (S − x)⁺ for every size up to the cap."""
    single = synthetic.universe(1)
    cap = np.array([3000.0])
    sizes = cap * np.array([bid, ask])
    rates = margin.rates(single, np.array([inventory]), cap)
    adds = np.maximum(sizes - np.maximum([-inventory, inventory], 0.0), 0.0) / 10.0
    assert (rates[0, 0] * sizes >= adds - 1e-9).all()


def test_rates_are_continuous_in_inventory():
    single = synthetic.universe(1)
    grid = np.linspace(-4000.0, 4000.0, 4001)
    rates = np.array([margin.rates(single, np.array([x]), np.array([3000.0])) for x in grid])
    assert np.abs(np.diff(rates, axis=0)).max() < 1e-4


def test_free_margin(universe):
    free = margin.free(
        universe,
        account([1000.0, 400.0], [300.0, 500.0]),
        np.array([2000.0, -1500.0, 0.0]),
        0.1,
        np.array([0.0, 250.0, 0.0]),
    )
    expected = [900.0 - 300.0, 360.0 - 500.0, 950.0 - 300.0, 380.0 - 500.0, 250.0 - 1500.0 / 5.0]
    np.testing.assert_allclose(free, expected)


def test_rates_stay_inside_the_pattern(universe):
    rates = margin.rates(universe, np.array([500.0, -9000.0, 10.0]), CAP)
    assert not rates[~margin.pattern(universe)].any()
