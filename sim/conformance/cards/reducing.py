"""Reduce-only orders, and orders that wait for a mark."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from sim.conformance.card import TSLA, card, expect, same
from sim.conformance.cards.grid import refusal
from sim.conformance.desk import Bench, Desk, Order, Wish
from sim.conformance.moves import price, rest, resting, take, wish

INCREASING = "Reduce only order would increase position."


def known(desk: Desk, oid: int) -> Order:
    """Return an order that must be known."""
    order = desk.order(oid)
    expect(order is not None, f"order {oid} is known")
    assert order is not None
    return order


@card("RO-1", 4, "measured")
def flat(bench: Bench) -> None:
    """Reduce-only without a position is refused."""
    order = wish(bench, TSLA, -100.0, 0.02, reduce_only=True)
    refusal(bench.desk(), order, INCREASING, "reduceOnlyRejected")


@card("RO-2", 4, "measured")
def increasing(bench: Bench) -> None:
    """Reduce-only on the side of the position is refused."""
    desk = bench.desk()
    take(bench, desk, TSLA, 200.0)
    order = wish(bench, TSLA, 100.0, -0.02, reduce_only=True)
    refusal(desk, order, INCREASING, "reduceOnlyRejected")


@card(
    "RO-3",
    4,
    "measured",
)
def larger(bench: Bench) -> None:
    """A reduce-only order larger than the position shrinks to it; its original size is kept."""
    desk = bench.desk()
    held = take(bench, desk, TSLA, 200.0).size
    double = Wish(TSLA, False, round(2 * held, 8), price(bench, TSLA, 0.02), reduce_only=True)
    order = known(desk, resting(*desk.place(double)).oid)
    same((order.size, order.original), (held, double.size), "size and original size")


@card("RO-4", 4, "measured")
def follows(bench: Bench) -> None:
    """A reduce-only order shrinks with the position and is cancelled when that is gone."""
    desk = bench.desk()
    held = take(bench, desk, TSLA, 400.0).size
    order = Wish(TSLA, False, held, price(bench, TSLA, 0.02), reduce_only=True)
    oid = resting(*desk.place(order)).oid
    sold = take(bench, desk, TSLA, -200.0).size
    shrunk = known(desk, oid)
    same((shrunk.status, shrunk.size), ("open", round(held - sold, 8)), "after half was sold")
    rest_of_it = Wish(TSLA, False, shrunk.size, price(bench, TSLA, -0.02), "Ioc")
    desk.place(rest_of_it)
    same(desk.held(TSLA).size, 0.0, "position")
    same(known(desk, oid).status, "reduceOnlyCanceled", "status")


@card("STOP-1", 4)
def stop(bench: Bench) -> None:
    """A stop waits for the mark outside the book and reserves no margin."""
    desk = bench.desk()
    held = take(bench, desk, TSLA, 400.0).size
    at, limit = price(bench, TSLA, -0.05), price(bench, TSLA, -0.10)
    (answer,) = desk.place(Wish(TSLA, False, held, limit, reduce_only=True, stop=at))
    same(answer.error, "", "refusal")
    same(known(desk, answer.oid).status, "open", "status")
    asks = [x for x, _ in bench.levels(TSLA)[1]]
    expect(min(asks) > limit, "the order is not in the book")


@card("STOP-2", 4)
def badly_set(bench: Bench) -> None:
    """A stop that its mark would set off at once is refused."""
    desk = bench.desk()
    held = take(bench, desk, TSLA, 400.0).size
    order = Wish(
        TSLA,
        False,
        held,
        price(bench, TSLA, -0.05),
        reduce_only=True,
        stop=price(bench, TSLA, 0.05),
    )
    refusal(desk, order, "Invalid TP/SL price.", "badTriggerPxRejected")


@card("RO-5", 4)
def others(bench: Bench) -> None:
    """Other orders stay when a position is gone."""
    desk = bench.desk()
    oid = rest(bench, desk, TSLA, -100.0).oid
    held = take(bench, desk, TSLA, 200.0).size
    desk.place(Wish(TSLA, False, held, price(bench, TSLA, -0.02), "Ioc"))
    same(known(desk, oid).status, "open", "status")
