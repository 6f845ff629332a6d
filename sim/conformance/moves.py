"""Moves that many cards make: a valid price near the market, a position, a trade between two."""

from __future__ import annotations

from portfolio_mm.rules import ticks
from sim.conformance.card import expect
from sim.conformance.desk import Answer, Bench, Desk, Wish

DEEP = 0.02
"""Distance from the mark beyond everybody else's orders."""


def price(bench: Bench, coin: str, away: float) -> float:
    """Return a valid price at a relative distance from the mark."""
    side = 1 if away < 0 else -1
    return ticks.round_price(bench.mark(coin) * (1.0 + away), bench.decimals(coin), side)


def contracts(bench: Bench, coin: str, usd: float, at: float) -> float:
    """Return the largest size that costs no more than some dollars at a price."""
    return ticks.round_size(usd / at, bench.decimals(coin))


def wish(
    bench: Bench,
    coin: str,
    usd: float,
    away: float,
    *,
    tif: str = "Alo",
    reduce_only: bool = False,
    cloid: str = "",
) -> Wish:
    """Return an order at a relative distance from the mark; negative dollars sell."""
    at = price(bench, coin, away)
    size = contracts(bench, coin, abs(usd), at)
    return Wish(coin, usd > 0, size, at, tif, reduce_only, cloid)  # type: ignore[arg-type]


def rest(bench: Bench, desk: Desk, coin: str, usd: float, *, cloid: str = "") -> Answer:
    """Rest an order away from the market."""
    away = -DEEP if usd > 0 else DEEP
    (answer,) = desk.place(wish(bench, coin, usd, away, cloid=cloid))
    return resting(answer)


def resting(answer: Answer) -> Answer:
    """Require that an order rests."""
    expect(not answer.error, f"a valid order was refused: {answer.error}")
    expect(answer.size == 0.0, "a post-only order traded at once")
    return answer


def take(bench: Bench, desk: Desk, coin: str, usd: float) -> Answer:
    """Trade at once with whoever is there, or comes."""
    side = 1 if usd > 0 else 0
    bench.wait(lambda: bool(bench.levels(coin)[side]), "somebody to trade with")
    away = DEEP if usd > 0 else -DEEP
    (answer,) = desk.place(wish(bench, coin, usd, away, tif="Ioc"))
    expect(not answer.error, f"an order that takes was refused: {answer.error}")
    expect(answer.size > 0.0, "an order that takes traded nothing")
    return answer


def hit(bench: Bench, partner: Desk, order: Wish, more: float = 30_000.0) -> Answer:
    """Let a partner sweep the market down, or up, to an order and through it."""
    size = order.size + contracts(bench, order.coin, more, order.price)
    (answer,) = partner.place(
        Wish(order.coin, not order.is_buy, round(size, 8), order.price, "Ioc")
    )
    expect(not answer.error, f"the partner was refused: {answer.error}")
    return answer
