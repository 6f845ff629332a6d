"""Prices, sizes and values an order may have."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from sim.conformance.card import BTC, HOOD, MSTR, TSLA, Need, Scene, begins, card, expect, same
from sim.conformance.desk import Bench, Desk, Wish
from sim.conformance.moves import contracts, price, rest, resting, take, wish

TICK = "Price must be divisible by tick size."
MINIMUM = "Order must have minimum value of $10."
CLOID = "0x000000000000000000000000000000a1"


def refusal(desk: Desk, order: Wish, words: str, status: str) -> None:
    """Require that an order is refused in certain words, and that its status says so."""
    (answer,) = desk.place(order._replace(cloid=CLOID))
    expect(bool(answer.error), f"{order} was accepted, but {words!r} is due")
    begins(answer.error, words, "refusal")
    known = desk.order(CLOID)
    expect(known is not None, "a refused order can be asked about")
    same(known and known.status, status, "status of the refused order")


@card("GRID-1", 2)
def figures(bench: Bench) -> None:
    """A price has at most five significant figures."""
    desk, at = bench.desk(), price(bench, TSLA, -0.02)
    size = contracts(bench, TSLA, 100.0, at)
    refusal(desk, Wish(TSLA, True, size, round(at + 0.001, 3)), TICK, "tickRejected")
    resting(*desk.place(Wish(TSLA, True, size, at)))


@card("GRID-2", 2, scene=Scene((HOOD,)))
def decimals(bench: Bench) -> None:
    """A price has at most 6 - szDecimals decimals."""
    desk = bench.desk()
    at = round(0.06 * bench.mark(HOOD), 3)
    expect(at < 10.0, "this card needs a price of one digit before the point")
    size = contracts(bench, HOOD, 100.0, at)
    refusal(desk, Wish(HOOD, True, size, round(at + 0.0005, 4)), TICK, "tickRejected")
    resting(*desk.place(Wish(HOOD, True, size, at)))


@card("GRID-3", 2, scene=Scene((BTC,)))
def integers(bench: Bench) -> None:
    """An integer is a valid price, whatever its length."""
    desk = bench.desk()
    size = contracts(bench, BTC, 1000.0, 123_457.0)
    resting(*desk.place(Wish(BTC, False, size, 123_457.0)))


@card("GRID-4", 2)
def lots(bench: Bench) -> None:
    """A size finer than 10^-szDecimals is refused."""
    desk, at = bench.desk(), price(bench, TSLA, -0.02)
    finer = round(contracts(bench, TSLA, 100.0, at) + 10.0 ** -(bench.decimals(TSLA) + 1), 8)
    refusal(desk, Wish(TSLA, True, finer, at), "Order has invalid size.", "rejected")


@card("GRID-5", 4)
def nothing(bench: Bench) -> None:
    """An order of no size is refused."""
    order = Wish(TSLA, True, 0.0, price(bench, TSLA, -0.02))
    refusal(bench.desk(), order, "Order has zero size.", "rejected")


@card("GRID-6", 4, "measured")
def number(bench: Bench) -> None:
    """The text of a refused order ends with the number of the asset."""
    (answer,) = bench.desk().place(wish(bench, TSLA, 9.0, -0.02))
    expect(answer.error.endswith(" asset=110001"), f"{answer.error!r} ends with asset=110001")


@card("MIN-1", 2)
def minimum(bench: Bench) -> None:
    """An order is worth at least 10 USD at its limit price."""
    desk, at = bench.desk(), price(bench, TSLA, -0.02)
    enough = round(contracts(bench, TSLA, 10.0, at) + 10.0 ** -bench.decimals(TSLA), 8)
    less = contracts(bench, TSLA, 10.0, at)
    refusal(desk, Wish(TSLA, True, less, at), MINIMUM, "minTradeNtlRejected")
    resting(*desk.place(Wish(TSLA, True, enough, at)))


def small_position(bench: Bench) -> tuple[Desk, float]:
    """Return a desk with a long position worth less than the minimum, and its size."""
    desk = bench.desk()
    take(bench, desk, TSLA, 20.0)
    held = desk.held(TSLA).size
    at = price(bench, TSLA, -0.02)
    part = contracts(bench, TSLA, 11.5, at)
    (answer,) = desk.place(Wish(TSLA, False, part, at, "Ioc"))
    same(answer.size, part, "size that closed a part")
    return desk, round(held - part, 8)


@card("MIN-2", 2, "measured")
def whole(bench: Bench) -> None:
    """An order that closes the whole position may be smaller."""
    desk, left = small_position(bench)
    at = price(bench, TSLA, -0.02)
    expect(left * at < 10.0, "this card needs a position under the minimum")
    (answer,) = desk.place(Wish(TSLA, False, left, at, "Ioc"))
    same(answer.error, "", "refusal of the order that closes the position")
    same(desk.held(TSLA).size, 0.0, "position")


@card("MIN-3", 2, "measured")
def whole_reducing(bench: Bench) -> None:
    """A reduce-only order larger than the position may be smaller, too."""
    desk, left = small_position(bench)
    at = price(bench, TSLA, 0.02)
    larger = round(left + 10.0 ** -bench.decimals(TSLA), 8)
    expect(larger * at < 10.0, "this card needs an order under the minimum")
    resting(*desk.place(Wish(TSLA, False, larger, at, reduce_only=True)))


@card("MIN-4", 2, "measured")
def part(bench: Bench) -> None:
    """A smaller order that closes a part is refused, reduce-only too."""
    desk, left = small_position(bench)
    less = round(left - 10.0 ** -bench.decimals(TSLA), 8)
    order = Wish(TSLA, False, less, price(bench, TSLA, 0.02), reduce_only=True)
    refusal(desk, order, MINIMUM, "minTradeNtlRejected")
    refusal(desk, order._replace(reduce_only=False), MINIMUM, "minTradeNtlRejected")


@card("FAR-1", 4, "measured")
def distance(bench: Bench) -> None:
    """A price is at most 95 % away from the reference price."""
    desk = bench.desk()
    words = "Order price cannot be more than 95% away from the reference price"
    refusal(desk, wish(bench, TSLA, -100.0, 0.97), words, "oracleRejected")
    resting(*desk.place(wish(bench, TSLA, -100.0, 0.93)))


@card(
    "ID-1",
    1,
    "documented",
    Need.SIGNATURES,
    scene=Scene((MSTR,)),
)
def ids(bench: Bench) -> None:
    """Assets of a deployer are 100000 + 10000 x dex + index, and delisted ones keep their index."""
    desk = bench.desk()
    oid = rest(bench, desk, MSTR, 100.0).oid
    same(desk.open_orders("xyz"), [oid], "open orders on the dex")
    (answer,) = desk.place(wish(bench, MSTR, 9.0, -0.02))
    expect(answer.error.endswith(" asset=110017"), f"{answer.error!r} ends with asset=110017")
