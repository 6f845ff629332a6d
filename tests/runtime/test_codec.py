"""Every interface survives the journal, byte for byte."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from portfolio_mm.runtime import codec
from portfolio_mm.runtime.records import Closing, Opening
from portfolio_mm.types import (
    Events,
    Fill,
    FundingPayment,
    MarketSnapshot,
    NewOrder,
    OpenOrders,
    Orders,
    OrderUpdate,
)


def same(a, b):
    """Equal in every field, dtype and shape; NaN equals NaN."""
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, msgspec.Struct):
        assert type(a) is type(b)
        for name in a.__struct_fields__:
            same(getattr(a, name), getattr(b, name))
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b


def round_trip(record):
    body = codec.encode(record)
    back = codec.decode(body, type(record))
    same(record, back)
    assert codec.encode(back) == body


@pytest.mark.parametrize("n", [1, 3])
def test_every_arrow_of_a_cycle(run_path, n):
    _, _, snapshot, account, cycle = run_path(n, 12)
    for record in (snapshot, account, *cycle):
        round_trip(record)


def test_empty_arrays_and_missing_values(bench):
    round_trip(bench.no_orders())
    snapshot = bench.snapshot(bench.start, bench.prices(2))
    round_trip(msgspec.structs.replace(snapshot, mark=np.array([np.nan, np.inf])))
    round_trip(msgspec.structs.replace(snapshot, bid_price=np.zeros((2, 0))))


def test_events_and_orders():
    fill = Fill(
        time_ns=1,
        asset=0,
        side=-1,
        price=1.5,
        size=2.0,
        fee=-0.1,
        maker=True,
        cloid="0x1",
        fill_id=2**53 + 1,
    )
    update = OrderUpdate(time_ns=1, cloid="0x1", status="open")
    payment = FundingPayment(time_ns=3, asset=1, usd=-0.5, rate=1e-5)
    round_trip(Events(fills=(fill,), updates=(update,), funding=(payment,), closed=True))
    round_trip(Events())
    new = NewOrder(cloid="0x2", asset=0, side=1, level=2, units=10**15, lots=7)
    round_trip(Orders(time_ns=5, cancels=("0x1",), modifies=(("0x3", new),), places=(new,)))


def test_opening_and_closing(bench):
    universe = bench.universe(2, isolated=(1,))
    body = codec.encode(Opening(config=bench.config(universe), universe=universe))
    back = codec.decode(body, Opening)
    assert back.config == bench.config(universe)
    assert back.universe.names == universe.names
    assert codec.encode(back) == body
    round_trip(Closing(cycles=3, stopped="the market closed"))


def test_order_in_memory_does_not_matter():
    grid = np.arange(6.0).reshape(2, 3)
    assert codec.encode(grid.T) == codec.encode(np.ascontiguousarray(grid.T))
    assert codec.encode(np.float64(0.5)) == codec.encode(0.5)


def test_foreign_bodies_are_refused(bench):
    body = codec.encode(bench.no_orders())
    with pytest.raises(msgspec.MsgspecError):
        codec.decode(body, MarketSnapshot)
    with pytest.raises(msgspec.MsgspecError):
        codec.decode(body[:-3], OpenOrders)
    with pytest.raises(TypeError, match="cannot be journalled"):
        codec.encode(object())
