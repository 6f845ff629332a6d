"""What a place in a queue is worth."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from portfolio_mm.executor.queue import places
from portfolio_mm.rules import ticks
from portfolio_mm.types import OpenOrders
from sim import synthetic

DECAY = np.array([[2000.0, 1000.0], [1500.0, 2500.0]])


@pytest.fixture
def market():
    """Two assets, and orders at the best bid and ask and away from any level."""
    universe = synthetic.universe(2)
    snapshot = synthetic.snapshot(synthetic.start, np.array([100.0, 300.0]))
    snapshot = msgspec.structs.replace(
        snapshot,
        bid_price=np.round(snapshot.bid_price, 2),
        ask_price=np.round(snapshot.ask_price, 2),
    )
    return universe, snapshot


def orders(universe, rows):
    """Orders from (asset, side, price, queue)."""
    asset, side, price, queue = (np.array(column) for column in zip(*rows, strict=True))
    ints = np.zeros(len(rows), dtype=np.int64)
    return OpenOrders(
        cloid=tuple(str(i) for i in range(len(rows))),
        asset=asset,
        side=side,
        level=ints,
        units=ticks.to_units(price, universe.sz_decimals[asset], 1 - 2 * side),
        lots=ints + 1,
        queue=queue,
        time_ns=ints,
    )


def test_the_front_of_a_queue_by_hand(market):
    universe, snapshot = market
    price, shown = snapshot.bid_price[0, 0], snapshot.bid_size[0, 0]
    worth = places(orders(universe, [(0, 0, price, 0.0)]), snapshot, DECAY, universe)
    z = universe.size_usd[0] / price
    chi = 1.0 - z / (z + shown)
    one_unit = ticks.from_units(1, universe.sz_decimals[0])
    band = (12.0 * chi * (1e-3 / price / 2000.0) ** 2) ** 0.25  # in logarithm
    assert worth[0] * one_unit / price == pytest.approx(band, rel=0.01)


def test_it_falls_with_the_queue_ahead_and_ends_at_its_end(market):
    universe, snapshot = market
    price, shown = snapshot.ask_price[1, 0], snapshot.ask_size[1, 0]
    rows = [(1, 1, price, share * shown) for share in (0.0, 0.3, 0.7, 1.0)]
    worth = places(orders(universe, rows), snapshot, DECAY, universe)
    assert (np.diff(worth) < 0.0).all()
    assert worth[-1] == 0.0


def test_an_unknown_queue_or_price_is_worth_nothing(market):
    universe, snapshot = market
    rows = [(0, 0, snapshot.bid_price[0, 0], np.inf), (0, 1, 123.0, 0.0), (1, 0, 200.0, np.inf)]
    assert not places(orders(universe, rows), snapshot, DECAY, universe).any()


def test_no_orders_have_no_places(market):
    universe, snapshot = market
    assert places(synthetic.no_orders(), snapshot, DECAY, universe).shape == (0,)
