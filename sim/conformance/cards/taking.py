"""Post-only, immediate-or-cancel and good-till-cancelled orders, and who meets whom."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sim.conformance.card import TSLA, Need, Scene, begins, card, expect, same
from sim.conformance.cards.grid import refusal
from sim.conformance.desk import Bench, Wish
from sim.conformance.moves import contracts, hit, price, rest, resting, take, wish

MINE, OTHER = "0x000000000000000000000000000000b1", "0x000000000000000000000000000000b2"


@card("ALO-1", 4, "measured")
def crossing(bench: Bench) -> None:
    """A post-only order that would take is refused, not repriced."""
    desk = bench.desk()
    words = "Post only order would have immediately matched, bbo was "
    refusal(desk, wish(bench, TSLA, 100.0, 0.02), words, "badAloPxRejected")
    same(desk.open_orders("xyz"), [], "open orders")
    same(desk.held(TSLA).size, 0.0, "position")


@card("ALO-2", 4, "measured")
def best(bench: Bench) -> None:
    """The refusal names best bid and ask as bid@ask."""
    desk = bench.desk()
    (answer,) = desk.place(wish(bench, TSLA, 100.0, 0.02))
    text = answer.error.partition("bbo was ")[2].partition(". asset")[0]
    bid, _, ask = text.partition("@")
    expect(bool(bid and ask), f"{answer.error!r} names bid@ask")
    expect(0.0 < float(bid) < float(ask), f"{text}: the bid is below the ask")
    expect(abs(float(bid) / bench.mark(TSLA) - 1.0) < 0.02, f"{text} is the market")


@card(
    "IOC-1",
    4,
    "measured",
    Need.PARTNER,
    scene=Scene(usd=1e6),
)
def partly(bench: Bench) -> None:
    """An immediate-or-cancel order takes what it can, and the rest is cancelled silently."""
    desk, partner = bench.desk(), bench.desk()
    offer = rest(bench, partner, TSLA, -500.0)
    at = price(bench, TSLA, 0.025)
    size = contracts(bench, TSLA, 200_000.0, at)
    (answer,) = desk.place(Wish(TSLA, True, size, at, "Ioc", cloid=MINE))
    same(answer.error, "", "refusal")
    expect(0.0 < answer.size < size, f"{answer.size} of {size} was filled, a part is due")
    known = partner.order(offer.oid)
    same(known and known.status, "filled", "status of the order it took")
    same(desk.open_orders("xyz"), [], "open orders")
    same(desk.held(TSLA).size, answer.size, "position")


@card("IOC-2", 4, "measured")
def nobody(bench: Bench) -> None:
    """An immediate-or-cancel order that meets nobody is refused."""
    words = "Order could not immediately match against any resting orders."
    refusal(bench.desk(), wish(bench, TSLA, 100.0, -0.02, tif="Ioc"), words, "iocCancelRejected")


@card(
    "GTC-1",
    4,
    scene=Scene(usd=1e6),
)
def remainder(bench: Bench) -> None:
    """A good-till-cancelled order takes what it can and rests with what remains."""
    desk = bench.desk()
    at = price(bench, TSLA, 0.02)
    size = contracts(bench, TSLA, 200_000.0, at)
    (answer,) = desk.place(Wish(TSLA, True, size, at, "Gtc"))
    same(answer.error, "", "refusal")
    expect(0.0 < answer.size < size, f"{answer.size} of {size} was filled, a part is due")
    order = desk.order(answer.oid)
    expect(order is not None, "the order is known")
    assert order is not None
    same(order.status, "open", "status")
    same((order.size, order.original), (round(size - answer.size, 8), size), "what remains")


@card("GTC-2", 4)
def patient(bench: Bench) -> None:
    """A good-till-cancelled order that meets nobody rests."""
    desk = bench.desk()
    oid = resting(*desk.place(wish(bench, TSLA, 100.0, -0.02, tif="Gtc"))).oid
    same(desk.open_orders("xyz"), [oid], "open orders")


@card("QUEUE-1", 4, "documented", Need.PARTNER)
def queue(bench: Bench) -> None:
    """At one price, who came first trades first."""
    first, second, partner = bench.desk(), bench.desk(), bench.desk()
    order = wish(bench, TSLA, 2000.0, -0.02)
    ahead, behind = resting(*first.place(order)), resting(*second.place(order))
    hit(bench, partner, order._replace(size=contracts(bench, TSLA, 20.0, order.price)), 9000.0)
    front, back = first.order(ahead.oid), second.order(behind.oid)
    assert front is not None
    assert back is not None
    expect(front.size < front.original, "the first order traded")
    expect(front.size == 0.0 or back.size == back.original, "the second one waited")


@card(
    "STP-1",
    4,
    "documented",
)
def self_trade(bench: Bench) -> None:
    """An order that meets one of its own account cancels the resting one, without a trade."""
    desk = bench.desk()
    own = rest(bench, desk, TSLA, -500.0)
    at = price(bench, TSLA, 0.025)
    size = contracts(bench, TSLA, 50_000.0, at)
    (answer,) = desk.place(Wish(TSLA, True, size, at, "Ioc"))
    same(answer.error, "", "refusal")
    known = desk.order(own.oid)
    same(known and known.status, "selfTradeCanceled", "status of the resting order")
    expect(all(deal.oid != own.oid for deal in desk.deals()), "the resting order traded")


@card(
    "BLOCK-1",
    4,
    "documented",
    Need.PARTNER,
    Need.BLOCKS,
    scene=Scene(usd=1e6, block_ms=4000.0, speed=20.0),
)
def block(bench: Bench) -> None:
    """In one block, cancels are executed before what may take, whichever came first."""
    desk, partner = bench.desk(), bench.desk()
    for _ in range(5):
        oid = rest(bench, desk, TSLA, 500.0).oid
        bid = desk.order(oid)
        assert bid is not None
        sweep = Wish(TSLA, False, contracts(bench, TSLA, 50_000.0, bid.price), bid.price, "Ioc")
        with ThreadPoolExecutor(1) as pool:
            reply = pool.submit(partner.place, sweep._replace(cloid=OTHER))
            answers = desk.cancel(TSLA, oid)
            reply.result()
        ended, taker = desk.order(oid), partner.order(OTHER)
        assert ended is not None
        assert taker is not None
        if ended.status_ms == taker.status_ms:
            same((answers, ended.status), ([""], "canceled"), "the cancel of the same block")
            return
    expect(False, "two requests never came into one block")


@card(
    "FILL-1",
    3,
    "measured",
    Need.PARTNER,
)
def trade(bench: Bench) -> None:
    """A trade tells both sides its number, position before, profit and direction."""
    desk, partner = bench.desk(), bench.desk()
    order = wish(bench, TSLA, 1000.0, -0.02)._replace(cloid=MINE)
    oid = resting(*desk.place(order)).oid
    hit(bench, partner, order)
    take(bench, desk, TSLA, -400.0)
    opened, *_, closed = desk.deals()
    same((opened.oid, opened.cloid, opened.crossed), (oid, MINE, False), "the first trade")
    same((opened.start, opened.direction), (0.0, "Open Long"), "position before it")
    same(opened.closed_pnl, 0.0, "profit of opening")
    expect(opened.tid in {deal.tid for deal in partner.deals()}, "both sides share the number")
    same((closed.crossed, closed.direction), (True, "Close Long"), "the last trade")
    profit = sum(deal.closed_pnl for deal in desk.deals())
    gained = sum((d.price - order.price) * d.size for d in desk.deals() if d.crossed)
    expect(abs(profit - gained) < 1e-4, f"closedPnl {profit}, without fees it is {gained}")
    begins(partner.deals()[-1].direction, "Open Short", "direction of the partner")
