"""The order book against a naive one, and the invariants of any book."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.exchange.matching import NOBODY, Book, Order


def accept(_order: Order, _lots: int) -> bool:
    return True


class NaiveBook:
    """Every order in one list, scanned in full for each decision."""

    def __init__(self) -> None:
        self.rows: list[Order] = []

    def best_first(self, side: int) -> list[Order]:
        rows = [o for o in self.rows if o.side == side]
        return sorted(rows, key=lambda o: (-o.units if side == 0 else o.units, o.oid))

    def reach(self, side: int, limit: int | None) -> list[Order]:
        against = self.best_first(1 - side)
        return [
            o
            for o in against
            if limit is None or (o.units <= limit if side == 0 else o.units >= limit)
        ]

    def add(self, order: Order) -> bool:
        if self.reach(order.side, order.units):
            return False
        self.rows.append(order)
        return True

    def cancel(self, oid: int) -> Order | None:
        found = next((o for o in self.rows if o.oid == oid), None)
        if found is not None:
            self.rows.remove(found)
        return found

    def sweep(self, side: int, limit: int | None, lots: int, owner: int) -> list[tuple[int, int]]:
        trades = []
        for order in self.reach(side, limit):
            if lots == 0:
                break
            if owner not in (NOBODY, order.owner):
                size = min(lots, order.lots)
                trades.append((order.units, size))
                lots -= size
                order.lots -= size
            elif owner == order.owner:
                order.lots = 0
            if order.lots == 0:
                self.rows.remove(order)
        return trades


action = st.one_of(
    st.tuples(
        st.just("add"), st.integers(0, 3), st.integers(0, 1), st.integers(1, 12), st.integers(1, 9)
    ),
    st.tuples(st.just("cancel"), st.integers(1, 60)),
    st.tuples(
        st.just("sweep"),
        st.integers(0, 3),
        st.integers(0, 1),
        st.one_of(st.none(), st.integers(1, 12)),
        st.integers(1, 25),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(action, max_size=60))
def test_agrees_with_the_naive_book(actions: list[Any]) -> None:
    book, naive, oid = Book(), NaiveBook(), 0
    for kind, *rest in actions:
        if kind == "add":
            oid += 1
            owner, side, units, lots = rest
            placed = book.add(Order(oid, owner, side, units, lots))
            assert placed == naive.add(Order(oid, owner, side, units, lots))
        elif kind == "cancel":
            assert (book.cancel(rest[0]) is None) == (naive.cancel(rest[0]) is None)
        else:
            owner, side, limit, lots = rest
            before = sum(o.lots for o in book.orders.values())
            result = book.sweep(side, limit, lots, owner, accept)
            assert result.trades == naive.sweep(side, limit, lots, owner)
            traded = sum(size for _, size in result.trades)
            removed = sum(o.lots for o in result.self_traded)
            assert traded + result.remaining == lots
            assert sum(o.lots for o in book.orders.values()) == before - traded - removed
            assert all(o.owner == owner for o in result.self_traded)
        check(book, naive)


def check(book: Book, naive: NaiveBook) -> None:
    bid, ask = book.best(0), book.best(1)
    assert bid == 0 or ask == 0 or bid < ask
    for side in (0, 1):
        expected = naive.best_first(side)
        prices, totals = book.depth(side, 100)
        assert prices == list(dict.fromkeys(o.units for o in expected))
        queue = [o.oid for units in prices for o in book.queue(side, units)]
        assert queue == [o.oid for o in expected]
        assert totals == [sum(o.lots for o in expected if o.units == u) for u in prices]


def test_nobody_never_meets_itself() -> None:
    book = Book()
    book.add(Order(1, NOBODY, 1, 10, 5))
    assert book.sweep(0, 10, 3, NOBODY, accept).trades == [(10, 3)]


def test_partial_fill_keeps_its_place() -> None:
    book = Book()
    book.add(Order(1, 1, 0, 10, 5))
    book.add(Order(2, 2, 0, 10, 5))
    book.sweep(1, None, 3, NOBODY, accept)
    assert [(o.oid, o.lots) for o in book.queue(0, 10)] == [(1, 2), (2, 5)]
    assert book.depth(0, 5) == ([10], [7])


def test_a_shrunk_order_keeps_its_place() -> None:
    book = Book()
    first = Order(1, 1, 0, 10, 5)
    book.add(first)
    book.add(Order(2, 2, 0, 10, 5))
    book.shrink(first, 3)
    assert [(o.oid, o.lots) for o in book.queue(0, 10)] == [(1, 2), (2, 5)]
    assert book.depth(0, 5) == ([10], [7])
    assert book.sweep(1, 10, 3, NOBODY, accept).trades == [(10, 2), (10, 1)]


def test_refused_order_is_cancelled_and_the_next_one_trades() -> None:
    book = Book()
    book.add(Order(1, 7, 1, 10, 5))
    book.add(Order(2, 8, 1, 11, 5))
    result = book.sweep(0, None, 6, NOBODY, lambda order, _: order.owner != 7)
    assert result.trades == [(11, 5)]
    assert [o.oid for o in result.refused] == [1]
    assert result.remaining == 1
    assert not book.orders


def test_depth_is_best_first_and_bounded() -> None:
    book = Book()
    for oid in range(1, 9):
        book.add(Order(oid, 1, oid % 2, 10 + oid if oid % 2 else 10 - oid, oid))
    assert book.depth(0, 2) == ([8, 6], [2, 4])
    assert book.depth(1, 3) == ([11, 13, 15], [1, 3, 5])
