"""What the same orders fill under each queue model: ordered, exact, and nobody's account."""

from __future__ import annotations

import functools
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm.types import Floats, Ints
from sim.exchange.matching import Order
from sim.recorded.book import rows_of
from sim.recorded.exchange import Rested
from sim.recorded.listing import build_universe
from sim.recorded.markets import NEVER, RecordedMarkets
from sim.recorded.queue_models import MODELS
from sim.recorded.same_orders import lots_filled, same_orders
from sim.recorded.tape import BOOK, PRINT, TOUCH, Books, Prints, Tape

NAMES = ("BTC", "ETH")
DEPTH = 3
MID, LOT = 1000, 0.01  # of the grid of all markets here: price units, contracts
STEP = 0.1
"""USD in a step of prices."""


def of_rows(books: tuple[Books, ...], prints: Prints) -> Tape:
    """Merge rows to a tape that was received as it happened."""
    streams = [(prints.exch_ns, np.full(len(prints.asset), PRINT), prints.asset)]
    streams += [
        (rows.exch_ns, np.where(rows.full, BOOK, TOUCH), np.full(len(rows.full), asset))
        for asset, rows in enumerate(books)
    ]
    exch_ns, kind, asset = (np.concatenate(columns) for columns in zip(*streams, strict=True))
    row = np.concatenate([np.arange(len(stream[0])) for stream in streams])
    order = np.lexsort((kind, exch_ns))
    return Tape(
        names=NAMES[: len(books)],
        books=books,
        prints=prints,
        exch_ns=exch_ns[order],
        asset=asset[order],
        kind=kind[order],
        row=row[order],
        rows={},
        other_rows=0,
        start_ns=0,
        end_ns=int(exch_ns.max()),
    )


def markets_of(tape: Tape) -> RecordedMarkets:
    """Markets whose tape has passed."""
    universe = build_universe(
        tape,
        leverage=[5] * len(tape.books),
        size_usd=[1e3] * len(tape.books),
        maker_fee=0.0,
        taker_fee=0.0,
    )
    rows = [
        rows_of(name, books, instrument.sz_decimals, 1e3)
        for name, books, instrument in zip(
            tape.names, tape.books, universe.instruments, strict=True
        )
    ]
    markets = RecordedMarkets(universe, tape, rows, MODELS["conservative"])
    markets.cursor = len(tape.exch_ns)
    return markets


@functools.cache
def noisy(seed: int) -> RecordedMarkets:
    """Two markets: whole books, best prices between them, prints about the best prices."""
    rng = np.random.default_rng(seed)
    books = []
    columns: list[tuple[Ints, Ints, Ints, Floats, Floats]] = []
    for asset in range(len(NAMES)):
        n = 150
        time = np.cumsum(rng.integers(0, 4, n)) + 1
        mid = MID + np.rint(8.0 * np.sin(time / 20.0)).astype(np.int64) + rng.integers(-2, 3, n)
        full = rng.random(n) < 0.4
        full[0] = True
        full = full[np.lexsort((~full, time))]  # whole books first at an instant, as loaded
        level = np.arange(DEPTH)
        prices = [(mid[:, None] + sign * (1 + level)) * STEP for sign in (-1, 1)]
        sizes = [rng.integers(1, 300, (n, DEPTH)) * LOT for _ in prices]
        for price, size in zip(prices, sizes, strict=True):
            price[~full, 1:], size[~full, 1:] = np.nan, np.nan
        books.append(Books(time, time, full, prices[0], sizes[0], prices[1], sizes[1]))
        row = rng.integers(0, n, 2 * n)
        side = rng.choice([-1, 1], len(row))
        price = (mid[row] + side * rng.integers(0, 4, len(row))) * STEP
        size = rng.integers(1, 400, len(row)) * LOT
        columns.append((time[row], np.full(len(row), asset), side, price, size))
    merged = [np.concatenate(part) for part in zip(*columns, strict=True)]
    order = np.argsort(merged[0], kind="stable")
    time, assets, sides, price, size = (column[order] for column in merged)
    backfill = np.zeros(len(order), dtype=np.bool_)
    prints = Prints(time, time, assets, sides, np.round(price, 1), np.round(size, 2), backfill)
    rounded = [
        rows._replace(
            bid_price=np.round(rows.bid_price, 1),
            ask_price=np.round(rows.ask_price, 1),
            bid_size=np.round(rows.bid_size, 2),
            ask_size=np.round(rows.ask_size, 2),
        )
        for rows in books
    ]
    return markets_of(of_rows(tuple(rounded), prints))


@st.composite
def rested(draw: st.DrawFn, seed: int) -> Rested:
    """An order about the middle that arrives after all rows of an instant."""
    markets = noisy(seed)
    first = markets.rows_until(int(markets._tape.exch_ns[draw(st.integers(0, 880))]))
    units_per_step = 1000  # of 10^-4 USD where szDecimals is 2
    return Rested(
        asset=draw(st.integers(0, len(NAMES) - 1)),
        side=draw(st.integers(0, 1)),
        units=(MID + draw(st.integers(-15, 15))) * units_per_step,
        lots=draw(st.integers(1, 400)),
        first=first,
        last=draw(st.one_of(st.just(NEVER), st.integers(0, 200).map(lambda life: first + life))),
        refused=draw(st.booleans()),
    )


@st.composite
def streams(draw: st.DrawFn) -> tuple[RecordedMarkets, list[Rested]]:
    """Markets, and orders in the order of their arrival."""
    seed = draw(st.integers(0, 5))
    return noisy(seed), sorted(draw(st.lists(rested(seed), max_size=40)), key=lambda o: o.first)


def slowly(markets: RecordedMarkets, orders: list[Rested], name: str) -> list[int]:
    """Lots filled of each order, with every row shown to every book."""
    tape = markets._tape
    books = markets.under(MODELS[name]).books
    filled = [0] * len(orders)
    arriving, leaving = defaultdict(list), defaultdict(list)
    for oid, order in enumerate(orders):
        if order.first < order.last:
            arriving[order.first].append(oid)
            leaving[order.last].append(oid)
    for index, (asset, kind, row) in enumerate(zip(tape.asset, tape.kind, tape.row, strict=True)):
        for oid in leaving[index]:
            books[orders[oid].asset].cancel(oid)
        for oid in arriving[index]:
            order = orders[oid]
            books[order.asset].add(Order(oid, 0, order.side, order.units, order.lots))
        book = books[asset]
        fills = book.trade(*markets._prints.taken(row)) if kind == PRINT else book.show(row)
        for resting, lots in fills:
            if not orders[resting.oid].refused or orders[resting.oid].last != index + 1:
                filled[resting.oid] += lots
                book.fill(resting, lots)
    return filled


def test_the_grid_is_the_one_the_orders_are_drawn_on() -> None:
    markets = noisy(0)
    assert markets.universe.sz_decimals.tolist() == [2, 2]
    assert len(markets._tape.exch_ns) > 880


@settings(max_examples=150, deadline=None)
@given(streams())
def test_models_are_ordered_for_every_order_and_asset(
    stream: tuple[RecordedMarkets, list[Rested]],
) -> None:
    markets, orders = stream
    filled = [lots_filled(markets, orders, model) for model in MODELS.values()]
    assert all(
        sum(lots) <= order.lots for run in filled for lots, order in zip(run, orders, strict=True)
    )
    for fewer, more in pairwise(filled):
        assert all(sum(low) <= sum(high) for low, high in zip(fewer, more, strict=True))
    for low, high in pairwise(same_orders(markets, orders, model) for model in MODELS.values()):
        assert (low.filled_orders <= high.filled_orders).all()
        assert (low.contracts <= high.contracts).all()
        assert (low.volume_usd <= high.volume_usd).all()


@settings(max_examples=40, deadline=None)
@given(stream=streams(), name=st.sampled_from(list(MODELS)))
def test_skipping_rows_changes_nothing(
    stream: tuple[RecordedMarkets, list[Rested]], name: str
) -> None:
    markets, orders = stream
    fast = lots_filled(markets, orders, MODELS[name])
    assert [sum(lots) for lots in fast] == slowly(markets, orders, name)


def test_random_orders_do_fill_and_models_do_differ() -> None:
    rng = np.random.default_rng(1)
    markets = noisy(1)
    orders = [
        Rested(
            asset=int(rng.integers(2)),
            side=int(rng.integers(2)),
            units=1000 * (MID + int(rng.integers(-10, 11))),
            lots=200,
            first=first,
            last=first + 60,
        )
        for first in range(1, 800, 4)
    ]
    runs = [same_orders(markets, orders, model) for model in MODELS.values()]
    for low, high in pairwise(runs):
        assert 0.0 < low.contracts.sum() < high.contracts.sum()
    assert markets.cursor == len(markets._tape.exch_ns)  # the caller's markets stay as they were
    assert not any(book.orders for book in markets.books)
    again = [same_orders(markets, orders, model) for model in MODELS.values()]
    for once, twice in zip(runs, again, strict=True):
        assert once.fills.tolist() == twice.fills.tolist()
        assert once.volume_usd.tolist() == twice.volume_usd.tolist()


def one_print() -> RecordedMarkets:
    """A book of two levels, six contracts of sales at its best bid, and the book again."""
    time = np.array([1, 5])
    books = Books(
        exch_ns=time,
        recv_ns=time,
        full=np.ones(2, dtype=np.bool_),
        bid_price=np.array([[99.9, 99.8]] * 2),
        bid_size=np.array([[1.5, 2.0]] * 2),
        ask_price=np.array([[100.1, 100.2]] * 2),
        ask_size=np.array([[1.25, 2.0]] * 2),
    )
    when = np.array([2, 3])
    prints = Prints(
        exch_ns=when,
        recv_ns=when,
        asset=np.zeros(2, dtype=np.int64),
        side=np.array([-1, -1]),
        price=np.array([99.9, 99.9]),
        size=np.array([2.0, 4.0]),
        backfill=np.zeros(2, dtype=np.bool_),
    )
    return markets_of(of_rows((books,), prints))


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize(
    ("first", "last", "refused", "lots"),
    [
        (1, NEVER, False, [50, 250]),  # 1.5 are ahead of it
        (1, 2, False, [50]),  # cancelled between the prints
        (1, 1, False, []),  # cancelled before the first
        (2, 3, False, [250]),
        (3, NEVER, False, []),  # too late
        (1, 3, True, [50]),  # the account could not carry the second fill
        (1, 2, True, []),
    ],
)
def test_an_order_fills_only_while_it_rested(
    name: str, first: int, last: int, refused: bool, lots: list[int]
) -> None:
    order = Rested(0, 0, 999_000, 300, first, last, refused)
    assert lots_filled(one_print(), [order], MODELS[name]) == [lots]


def test_amounts_are_per_asset_and_in_dollars() -> None:
    markets = one_print()
    orders = [Rested(0, 0, 999_000, 100, 1), Rested(0, 0, 998_000, 100, 1)]
    found = same_orders(markets, orders, MODELS["bounded"])
    assert found.filled_orders.tolist() == [1]
    assert found.fills.tolist() == [2]
    assert found.contracts.tolist() == [1.0]
    assert found.volume_usd.tolist() == pytest.approx([99.9])


def test_nothing_is_filled_by_rows_that_did_not_happen_yet() -> None:
    markets = one_print()
    markets.cursor = 2
    assert lots_filled(markets, [Rested(0, 0, 999_000, 300, 1)], MODELS["power"]) == [[50]]
