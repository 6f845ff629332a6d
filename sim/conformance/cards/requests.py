"""Batches: what one refused order means for the others."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from sim.conformance.card import TSLA, Need, card, expect, refused, same
from sim.conformance.desk import Bench
from sim.conformance.moves import rest, wish


@card("BATCH-1", 4)
def some(bench: Bench) -> None:
    """One refused order leaves the others of its batch alone."""
    desk = bench.desk()
    good = wish(bench, TSLA, 100.0, -0.02)
    answers = desk.place(good, good._replace(size=0.0), good)
    same([bool(x.error) for x in answers], [False, True, False], "which were refused")
    same(sorted(desk.open_orders("xyz")), sorted(x.oid for x in answers if x.oid), "open orders")


@card("BATCH-2", 4)
def order(bench: Bench) -> None:
    """Answers come in the order of the requests."""
    desk = bench.desk()
    wishes = [wish(bench, TSLA, 100.0 + 10.0 * i, -0.02 - 0.001 * i) for i in range(5)]
    for one, answer in zip(wishes, desk.place(*wishes), strict=True):
        found = desk.order(answer.oid)
        same(found and (found.price, found.original), (one.price, one.size), "price and size")


@card("BATCH-3", 4, "documented", Need.SIGNATURES)
def empty(bench: Bench) -> None:
    """A batch of nothing is refused whole."""
    with refused("", "an empty batch"):
        bench.desk().place()


@card(
    "BATCH-4",
    4,
    "measured",
    Need.SIGNATURES,
)
def overweight(bench: Bench) -> None:
    """More than 200 orders or cancels in one request are refused whole, at no cost."""
    desk = bench.desk()
    oid = rest(bench, desk, TSLA, 100.0).oid
    before = desk.requests().used
    words = "Signed action over weight limit of 200."
    with refused(words, "201 cancels"):
        desk.cancel(TSLA, *([oid] * 201))
    with refused(words, "201 orders"):
        desk.place(*([wish(bench, TSLA, 100.0, -0.02)] * 201))
    same(desk.requests().used, before, "requests used")
    same(desk.open_orders("xyz"), [oid], "open orders")
    expect(len(desk.cancel(TSLA, *([oid] * 200))) == 200, "200 cancels are answered one by one")
