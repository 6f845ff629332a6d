from __future__ import annotations

from math import inf, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm.types import Instrument, MarginTier, MarketStatus, Universe
from portfolio_mm.venues.hyperliquid.books import DEPTH, Books
from portfolio_mm.venues.hyperliquid.events import index
from portfolio_mm.venues.hyperliquid.wire import AssetContext, Best, Book, Level, Trade

UNIVERSE = Universe(
    instruments=tuple(
        Instrument(
            name=name,
            asset_id=i,
            sz_decimals=2,
            tiers=(MarginTier(lower_bound=0.0, max_leverage=20.0),),
            leverage=3,
            isolated=False,
            pool=0,
            maker_fee=0.0,
            taker_fee=0.0,
            size_usd=100.0,
        )
        for i, name in enumerate(("BTC", "xyz:NVDA"))
    ),
    pools=("USDC",),
)
MS = 1_000_000


def books(since_ns: int = 0) -> Books:
    return Books(UNIVERSE, index(UNIVERSE), since_ns)


def level(price: float, size: float = 1.0) -> Level:
    return Level(px=f"{price:g}", sz=f"{size:g}", n=1)


def book(time: int, bids: list[float], asks: list[float], coin: str = "BTC") -> Book:
    return Book(coin=coin, time=time, levels=(tuple(map(level, bids)), tuple(map(level, asks))))


def best(time: int, bid: float | None, ask: float | None, coin: str = "BTC") -> Best:
    tops = [None if px is None else level(px, 7.0) for px in (bid, ask)]
    return Best(coin=coin, time=time, bbo=(tops[0], tops[1]))


def prices(view: Books, side: int) -> list[float]:
    snapshot = view.snapshot(0, 0)
    row = (snapshot.bid_price, snapshot.ask_price)[side][0]
    return [float(price) for price in row[np.isfinite(row)]]


def test_nothing_is_known_at_first() -> None:
    view = books()
    snapshot = view.snapshot(5, 9)
    assert (snapshot.status == MarketStatus.NO_BOOK).all()
    assert np.isnan(snapshot.bid_price).all()
    assert snapshot.bid_price.shape == (2, DEPTH)
    assert (snapshot.time_ns, snapshot.settlement_ns, len(snapshot.trades.asset)) == (5, 9, 0)
    assert view.missing == UNIVERSE.names
    assert not view.complete


def test_a_younger_best_price_stands_before_older_levels() -> None:
    view = books()
    view.book(book(10, [100, 99, 98], [101, 102, 103]))
    view.best(best(12, 99.5, 101.5))
    assert prices(view, 0) == [99.5, 99, 98]
    assert prices(view, 1) == [101.5, 102, 103]
    assert view.snapshot(0, 0).book_time_ns[0] == 12 * MS
    assert view.snapshot(0, 0).bid_size[0, :2].tolist() == [7.0, 1.0]


def test_a_younger_book_replaces_everything() -> None:
    view = books()
    view.best(best(10, 99.5, 101.5))
    view.book(book(12, [98, 97], [103]))
    assert (prices(view, 0), prices(view, 1)) == ([98, 97], [103])


def test_an_empty_side_stays_empty() -> None:
    view = books()
    view.book(book(10, [100, 99], [101, 102]))
    view.best(best(11, None, 101))
    assert (prices(view, 0), prices(view, 1)) == ([], [101, 102])


frames = st.lists(
    st.tuples(st.booleans(), st.integers(1, 30), st.integers(90, 110), st.integers(1, 9)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(rows=frames, order=st.randoms(use_true_random=False))
def test_order_and_repetition_of_frames_do_not_matter(
    rows: list[tuple[bool, int, int, int]], order: Any
) -> None:
    unique = {(whole, time): (mid, width) for whole, time, mid, width in rows}

    def view(keys: list[tuple[bool, int]]) -> Any:
        seen = books()
        for whole, time in keys:
            mid, width = unique[whole, time]
            if whole:
                bids = [mid - width - k for k in range(3)]
                seen.book(book(time, bids, [mid + width + k for k in range(3)]))
            else:
                seen.best(best(time, mid - width, mid + width))
        return seen.snapshot(0, 0)

    keys = sorted(unique)
    shuffled = keys + keys
    order.shuffle(shuffled)
    once, again = view(keys), view(shuffled)
    for field in ("bid_price", "bid_size", "ask_price", "ask_size", "book_time_ns"):
        np.testing.assert_array_equal(getattr(once, field), getattr(again, field))
    bid, ask = once.bid_price[0], once.ask_price[0]
    assert (np.diff(bid[np.isfinite(bid)]) < 0).all()
    assert (np.diff(ask[np.isfinite(ask)]) > 0).all()


def test_coins_outside_the_run_are_passed_over() -> None:
    view = books()
    assert view.book(book(1, [1], [2], coin="ETH")) == -1
    assert view.best(best(1, 1, 2, coin="ETH")) == -1
    view.trades([Trade(coin="ETH", side="B", px="1", sz="1", time=5, tid=1)])
    assert len(view.snapshot(0, 0).trades.asset) == 0


def test_a_move_is_measured_from_the_last_snapshot() -> None:
    view = books()
    assert view.moved(0) == 0.0
    view.book(book(1, [99], [101]))
    assert view.moved(0) == inf
    view.snapshot(0, 0)
    assert view.moved(0) == 0.0
    view.best(best(2, 100, 102))
    assert view.moved(0) == pytest.approx(log(101 / 100))
    view.best(best(3, None, 102))
    assert view.moved(0) == inf


def test_prints_count_once_in_time_order_and_not_from_before_the_start() -> None:
    def trade(tid: int, time: int, side: Any = "B") -> Trade:
        return Trade(coin="xyz:NVDA", side=side, px="10.5", sz="2", time=time, tid=tid)

    view = books(since_ns=100 * MS)
    view.trades([trade(1, 99), trade(3, 130, "A"), trade(2, 120)])
    view.trades([trade(3, 130, "A"), trade(2, 120)])
    trades = view.snapshot(0, 0).trades
    assert trades.time_ns.tolist() == [120 * MS, 130 * MS]
    assert trades.side.tolist() == [1, -1]
    assert trades.asset.tolist() == [1, 1]
    view.trades([trade(2, 120), trade(4, 140)])
    assert view.snapshot(0, 0).trades.time_ns.tolist() == [140 * MS]


def test_contexts_make_the_view_complete() -> None:
    view = books()
    for coin in UNIVERSE.names:
        view.book(book(1, [99], [101], coin=coin))
        assert not view.complete
        context = AssetContext(
            funding="-0.0001",
            open_interest="1",
            prev_day_px="1",
            day_ntl_vlm="1",
            oracle_px="100.5",
            mark_px="100.25",
        )
        view.context(coin, context)
    assert view.complete
    snapshot = view.snapshot(0, 0)
    assert snapshot.mark.tolist() == [100.25] * 2
    assert snapshot.oracle.tolist() == [100.5] * 2
    assert snapshot.funding.tolist() == [-0.0001] * 2
