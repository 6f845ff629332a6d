"""Modifications and cancels, and finding an order again."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from sim.conformance.card import TSLA, Need, begins, card, expect, same
from sim.conformance.cards.reducing import known
from sim.conformance.desk import Bench
from sim.conformance.moves import contracts, hit, rest, resting, wish

GONE = "Order was never placed, already canceled, or filled."
ONE, TWO = "0x000000000000000000000000000000c1", "0x000000000000000000000000000000c2"


@card("MOD-1", 4, "measured")
def replaces(bench: Bench) -> None:
    """A modification cancels the order and places another with a new id."""
    desk = bench.desk()
    old = rest(bench, desk, TSLA, 100.0).oid
    new = resting(desk.modify(old, wish(bench, TSLA, 200.0, -0.03))).oid
    expect(new != old, "the new order has the old id")
    same(known(desk, old).status, "canceled", "status of the old order")
    same(desk.open_orders("xyz"), [new], "open orders")


@card("MOD-2", 4, "measured")
def keeps_cloid(bench: Bench) -> None:
    """A modification finds the order by its client's id, which the new one may keep."""
    desk = bench.desk()
    old = rest(bench, desk, TSLA, 100.0, cloid=ONE).oid
    new = resting(desk.modify(ONE, wish(bench, TSLA, 100.0, -0.03, cloid=ONE))).oid
    found = desk.order(ONE)
    same(found and (found.oid, found.status), (new, "open"), "the order of the client's id")
    same(known(desk, old).status, "canceled", "status of the old order")


@card(
    "MOD-3",
    4,
    "not verified",
    Need.PARTNER,
)
def loses_place(bench: Bench) -> None:
    """A modified order goes to the back of its queue, even if only its size shrinks."""
    first, second, partner = bench.desk(), bench.desk(), bench.desk()
    order = wish(bench, TSLA, 5000.0, -0.02)
    ahead = resting(*first.place(order))
    behind = resting(*second.place(order))
    smaller = order._replace(size=contracts(bench, TSLA, 4000.0, order.price))
    new = resting(first.modify(ahead.oid, smaller))
    hit(bench, partner, order._replace(size=contracts(bench, TSLA, 20.0, order.price)), 9000.0)
    front, back = known(second, behind.oid), known(first, new.oid)
    expect(front.size < front.original, "who was second is first now and traded")
    expect(front.size == 0.0 or back.size == back.original, "the modified order waits")


@card("MOD-4", 4, "measured")
def gone(bench: Bench) -> None:
    """An order that is gone cannot be modified."""
    desk = bench.desk()
    oid = rest(bench, desk, TSLA, 100.0).oid
    same(desk.cancel(TSLA, oid), [""], "the cancel")
    answer = desk.modify(oid, wish(bench, TSLA, 100.0, -0.03))
    begins(answer.error, "Cannot modify canceled or filled order", "refusal")
    same(desk.open_orders("xyz"), [], "open orders")


@card("MOD-5", 4, "measured")
def crossing(bench: Bench) -> None:
    """A modification that would take is refused as post-only."""
    desk = bench.desk()
    oid = rest(bench, desk, TSLA, 100.0).oid
    answer = desk.modify(oid, wish(bench, TSLA, 100.0, 0.02, tif="Gtc"))
    expect("Post only order would have immediately matched" in answer.error, answer.error)
    same(desk.held(TSLA).size, 0.0, "position")


@card("MOD-6", 4, "not verified")
def half(bench: Bench) -> None:
    """When the new order of a modification is refused, the old one is gone."""
    desk = bench.desk()
    oid = rest(bench, desk, TSLA, 100.0).oid
    answer = desk.modify(oid, wish(bench, TSLA, 9.0, -0.02))
    begins(answer.error, "Error placing new order during modify: ", "refusal")
    same(known(desk, oid).status, "canceled", "status of the old order")


@card("CXL-1", 4)
def cancel(bench: Bench) -> None:
    """A cancel takes the order out of the book."""
    desk = bench.desk()
    oid = rest(bench, desk, TSLA, 100.0).oid
    same(desk.cancel(TSLA, oid), [""], "answer")
    same(known(desk, oid).status, "canceled", "status")
    same(desk.open_orders("xyz"), [], "open orders")


@card(
    "CXL-2",
    4,
    "measured",
)
def cancel_gone(bench: Bench) -> None:
    """A cancel of an order that is gone, or never was, is refused in the same words."""
    desk = bench.desk()
    oid = rest(bench, desk, TSLA, 100.0).oid
    desk.cancel(TSLA, oid)
    for answer in desk.cancel(TSLA, oid, 999_999_999_999):
        begins(answer, GONE, "refusal")


@card("CXL-3", 4)
def cancel_some(bench: Bench) -> None:
    """One refused cancel leaves the others of its batch alone."""
    desk = bench.desk()
    oid = rest(bench, desk, TSLA, 100.0).oid
    bad, good = desk.cancel(TSLA, 999_999_999_999, oid)
    begins(bad, GONE, "answer to the first")
    same(good, "", "answer to the second")


@card("CLOID-1", 3)
def by_cloid(bench: Bench) -> None:
    """An order can be found and cancelled by its client's id."""
    desk = bench.desk()
    oid = rest(bench, desk, TSLA, 100.0, cloid=ONE).oid
    found = desk.order(ONE)
    same(found and (found.oid, found.cloid, found.status), (oid, ONE, "open"), "the order")
    same(desk.cancel(TSLA, ONE), [""], "the cancel")
    found = desk.order(ONE)
    same(found and found.status, "canceled", "status")


@card("CLOID-2", 3)
def unknown(bench: Bench) -> None:
    """A client's id that was never used is unknown, and nothing else."""
    desk = bench.desk()
    expect(desk.order(TWO) is None, "an unused id is known")
    (answer,) = desk.cancel(TSLA, TWO)
    begins(answer, GONE, "answer to its cancel")


@card("CLOID-3", 4, "documented", Need.PARTNER)
def foreign(bench: Bench) -> None:
    """The orders of another account cannot be cancelled."""
    desk, partner = bench.desk(), bench.desk()
    oid = rest(bench, desk, TSLA, 100.0, cloid=ONE).oid
    for key in (oid, ONE):
        (answer,) = partner.cancel(TSLA, key)
        begins(answer, GONE, "answer")
    same(known(desk, oid).status, "open", "status")


@card("CLOID-4", 4)
def again(bench: Bench) -> None:
    """A client's id may be used again once its order has ended."""
    desk = bench.desk()
    first = rest(bench, desk, TSLA, 100.0, cloid=ONE).oid
    desk.cancel(TSLA, ONE)
    second = rest(bench, desk, TSLA, 100.0, cloid=ONE).oid
    found = desk.order(ONE)
    same(found and (found.oid, found.status), (second, "open"), "the order of the client's id")
    same(known(desk, first).status, "canceled", "status of the first order")
