"""Queue models: when exactly each one fills, and that they are ordered."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.exchange.matching import Order
from sim.recorded.book import RecordedBook, Rows
from sim.recorded.queue_models import MODELS, Place, Power, QueueModel

NAMES = tuple(MODELS)
SZ_DECIMALS = 2
BID = 100


def recorded(
    ladders: list[tuple[list[tuple[int, float]], list[tuple[int, float]]]], model: QueueModel
) -> RecordedBook:
    """A book of whole rows, one a nanosecond, prices in units."""
    depth = max(len(side) for row in ladders for side in row)
    units = np.zeros((2, len(ladders), depth), dtype=np.int64)
    size = np.full((2, len(ladders), depth), np.nan)
    for row, sides in enumerate(ladders):
        for side, ladder in enumerate(sides):
            for level, (price, contracts) in enumerate(ladder):
                units[side, row, level], size[side, row, level] = price, contracts
    full = np.ones(len(ladders), dtype=np.bool_)
    rows = Rows(full, (units[0], units[1]), (size[0], size[1]), sized=True)
    return RecordedBook(rows, np.arange(len(ladders)), SZ_DECIMALS, model)


def bid_of(displays: list[float], name: str, lots: int = 500) -> tuple[RecordedBook, Order]:
    """An order of ours at the best bid, which displays `displays` in successive rows."""
    ladders = [
        ([(BID, size), (BID - 1, 50.0)], [(BID + 5, 9.0), (BID + 6, 9.0)]) for size in displays
    ]
    book = recorded(ladders, MODELS[name])
    book.sync(0)
    order = Order(1, 0, 0, BID, lots)
    assert book.add(order)
    return book, order


def settle(book: RecordedBook, fills: list[tuple[Order, int]]) -> list[int]:
    for order, lots in fills:
        book.fill(order, lots)
    return [lots for _, lots in fills]


@pytest.mark.parametrize("name", NAMES)
def test_the_queue_is_consumed_by_prints_at_the_price(name: str) -> None:
    book, order = bid_of([4.0], name)
    assert book.ahead(1) == 4.0
    assert settle(book, book.trade(0, BID, 3.0)) == []
    assert book.ahead(1) == 1.0
    assert settle(book, book.trade(0, BID, 1.0)) == []
    assert settle(book, book.trade(0, BID, 1.25)) == [125]
    assert order.lots == 375
    assert settle(book, book.trade(0, BID, 100.0)) == [375]
    assert not book.orders


@pytest.mark.parametrize("name", NAMES)
def test_prints_of_the_other_side_or_above_do_nothing(name: str) -> None:
    book, _ = bid_of([4.0], name)
    assert book.trade(1, BID, 100.0) == []
    assert book.trade(0, BID + 1, 100.0) == []
    assert book.ahead(1) == 4.0


@pytest.mark.parametrize(("name", "lots"), [("conservative", 30), ("bounded", 30), ("power", 500)])
def test_a_print_beyond_the_price(name: str, lots: int) -> None:
    book, _ = bid_of([4.0], name)
    assert settle(book, book.trade(0, BID - 1, 0.3)) == [lots]
    if book.orders:
        assert book.ahead(1) == 0.0


@pytest.mark.parametrize(("name", "ahead"), [("conservative", 4.0), ("bounded", 1.0)])
def test_cancels_in_the_display(name: str, ahead: float) -> None:
    book, _ = bid_of([4.0, 1.0, 7.0], name)
    book.show(1)
    assert book.ahead(1) == ahead
    book.show(2)
    assert book.ahead(1) == ahead


def test_the_power_model_splits_what_prints_do_not_explain() -> None:
    model = Power(2.0)
    place = Place(4.0)
    place.show(10.0, model)  # six joined behind
    assert place.ahead == 4.0
    place.take(1.0, 1.0)  # leaves three ahead, six behind
    place.show(7.0, model)  # one printed, so two cancelled
    share = 6.0**2 / (6.0**2 + 3.0**2)
    assert place.ahead == pytest.approx(3.0 - 2.0 * (1.0 - share))


def test_the_power_model_takes_nothing_more_from_an_empty_part() -> None:
    place = Place(4.0)
    place.show(1.0, Power())  # nobody is behind
    assert place.ahead == 1.0


@pytest.mark.parametrize(
    ("name", "at", "beyond"), [("conservative", 0, 0), ("bounded", 0, 500), ("power", 500, 500)]
)
def test_an_opposite_best_price_that_reaches_ours(name: str, at: int, beyond: int) -> None:
    for ask, lots in ((BID, at), (BID - 1, beyond)):
        ladders = [([(BID, 1.0)], [(BID + 1, 1.0)]), ([(ask - 1, 1.0)], [(ask, 1.0)])]
        book = recorded(ladders, MODELS[name])
        book.sync(0)
        assert book.add(Order(1, 0, 0, BID, 500))
        assert sum(settle(book, book.show(1))) == lots


@pytest.mark.parametrize("name", NAMES)
def test_a_price_deeper_than_the_book_waits_until_it_is_shown(name: str) -> None:
    near = ([(BID, 1.0), (BID - 1, 1.0)], [(BID + 5, 1.0), (BID + 6, 1.0)])
    far = ([(BID - 2, 3.0), (BID - 4, 1.0)], [(BID + 5, 1.0), (BID + 6, 1.0)])
    book = recorded([near, far], MODELS[name])
    book.sync(0)
    for oid, units in ((1, BID - 2), (2, BID - 3)):
        assert book.add(Order(oid, 0, 0, units, 500))
        assert book.ahead(oid) == math.inf
    assert book.trade(0, BID - 2, 5.0) == []
    book.show(1)
    assert book.ahead(1) == 3.0
    assert book.ahead(2) == 0.0  # inside the book, and nobody there


@pytest.mark.parametrize("name", NAMES)
def test_a_price_inside_the_spread_is_first(name: str) -> None:
    book, _ = bid_of([4.0], name)
    assert book.add(Order(2, 0, 0, BID + 1, 100))
    assert book.ahead(2) == 0.0
    assert settle(book, book.trade(0, BID + 1, 0.5)) == [50]


@pytest.mark.parametrize("name", NAMES)
def test_our_orders_do_not_share_a_print_twice(name: str) -> None:
    book, order = bid_of([1.0], name, lots=100)
    better = Order(2, 0, 0, BID + 1, 100)
    assert book.add(better)
    fills = {o.oid: lots for o, lots in book.trade(0, BID, 2.5)}
    assert fills == {2: 100, 1: 50}
    assert order.lots == 100


@pytest.mark.parametrize("name", NAMES)
def test_post_only_against_the_recorded_book(name: str) -> None:
    book, _ = bid_of([1.0], name)
    assert not book.add(Order(2, 0, 0, BID + 5, 100))
    assert not book.add(Order(3, 0, 1, BID, 100))
    assert book.add(Order(4, 0, 1, BID + 4, 100))


def test_a_cancelled_order_is_gone() -> None:
    book, order = bid_of([1.0], "power")
    assert book.cancel(1) is order
    assert book.cancel(1) is None
    assert book.trade(0, BID, 100.0) == []
    assert book.show(0) == []


sizes = st.integers(1, 400).map(lambda n: n / 100)


@st.composite
def ladders(draw: st.DrawFn) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """A book of three levels a side around BID, any of them missing from the end."""
    bid = draw(st.integers(BID - 4, BID + 4))
    ask = bid + draw(st.integers(1, 3))
    sides = []
    for best, step in ((bid, -1), (ask, 1)):
        gaps = draw(st.lists(st.integers(1, 2), max_size=2))
        prices = [best + step * sum(gaps[:k]) for k in range(len(gaps) + 1)]
        sides.append([(price, draw(sizes)) for price in prices])
    return sides[0], sides[1]


prices = st.integers(BID - 6, BID + 7)
events = st.one_of(
    st.tuples(st.just("show")),
    st.tuples(st.just("print"), st.integers(0, 1), prices, sizes),
    st.tuples(st.just("order"), st.integers(0, 1), prices, st.integers(1, 300)),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
)


def run(model: QueueModel, rows: list[Any], stream: list[Any]) -> list[Counter[int]]:
    """Cumulative fills of every order after every event."""
    book = recorded(rows, model)
    book.sync(0)
    sent: dict[int, int] = {}
    row, filled, history = 0, Counter[int](), []
    for oid, (kind, *details) in enumerate(stream):
        before = {order: book.ahead(order) for order in book.orders}
        fills: list[tuple[Order, int]] = []
        match kind:
            case "show":
                row = min(row + 1, len(rows) - 1)
                fills = book.show(row)
            case "print":
                fills = book.trade(*details)
            case "order":
                side, units, lots = details
                if book.add(Order(oid, 0, side, units, lots)):
                    sent[oid] = lots
            case _:
                book.cancel(sorted(sent)[details[0]] if len(sent) > details[0] else -1)
        resting = before.keys() & book.orders.keys()
        assert all(book.ahead(order) <= before[order] for order in resting)
        if kind == "print":
            at_or_through = sum(lots for _, lots in fills)
            assert at_or_through <= details[2] * 100 + 1e-6 or isinstance(model, Power)
        for order, lots in fills:
            assert 0 < lots <= order.lots
            filled[order.oid] += lots
            book.fill(order, lots)
        assert all(filled[order] <= lots for order, lots in sent.items())
        history.append(Counter(filled))
    return history


@settings(max_examples=400, deadline=None)
@given(
    rows=st.lists(ladders(), min_size=1, max_size=12),
    stream=st.lists(events, min_size=1, max_size=40),
)
def test_each_model_fills_every_order_no_later_than_the_one_before(
    rows: list[Any], stream: list[Any]
) -> None:
    histories = [run(MODELS[name], rows, stream) for name in NAMES]
    for fewer, more in pairwise(histories):
        for low, high in zip(fewer, more, strict=True):
            assert all(high[oid] >= lots for oid, lots in low.items())
