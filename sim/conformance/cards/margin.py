"""Margin of orders and positions, leverage, isolation."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from sim.conformance.card import (
    ABC,
    HOOD,
    TSLA,
    Need,
    Scene,
    begins,
    card,
    expect,
    near,
    refused,
    same,
)
from sim.conformance.cards.reducing import known
from sim.conformance.desk import Bench, Terms, Wish
from sim.conformance.moves import contracts, price, rest, resting, take, wish

SHORT = "Insufficient margin to place order."
THOUSAND = Scene(usd=1000.0)


@card(
    "MARGIN-1",
    7,
    "measured",
    scene=THOUSAND,
)
def own_price(bench: Bench) -> None:
    """A resting order reserves its value at its own price over the leverage."""
    desk = bench.desk()
    begins(desk.place(wish(bench, TSLA, 20_100.0, -0.05))[0].error, SHORT, "refusal")
    resting(*desk.place(wish(bench, TSLA, 19_900.0, -0.05)))


@card(
    "MARGIN-2",
    7,
    "measured",
    scene=THOUSAND,
)
def shared(bench: Bench) -> None:
    """Orders share what is free, and cancels give it back."""
    desk = bench.desk()
    order = wish(bench, TSLA, 12_000.0, -0.05)
    oid = resting(*desk.place(order)).oid
    begins(desk.place(order)[0].error, SHORT, "refusal")
    desk.cancel(TSLA, oid)
    resting(*desk.place(order))


@card(
    "MARGIN-3",
    7,
    "not verified",
    scene=THOUSAND,
)
def gross(bench: Bench) -> None:
    """Orders on opposite sides reserve margin each: nothing is netted."""
    desk = bench.desk()
    resting(*desk.place(wish(bench, TSLA, 11_000.0, -0.05)))
    begins(desk.place(wish(bench, TSLA, -11_000.0, 0.05))[0].error, SHORT, "refusal")


@card(
    "MARGIN-4",
    7,
    "not verified",
    scene=Scene(usd=100.0),
)
def reducing(bench: Bench) -> None:
    """Orders that only reduce a position need no margin."""
    desk = bench.desk()
    held = take(bench, desk, TSLA, 1900.0).size
    begins(desk.place(wish(bench, TSLA, 400.0, -0.02))[0].error, SHORT, "refusal")
    resting(*desk.place(Wish(TSLA, False, held, price(bench, TSLA, 0.02))))


@card(
    "MARGIN-5",
    4,
    "documented",
    Need.PARTNER,
    scene=Scene((ABC,), usd=5000.0),
)
def again(bench: Bench) -> None:
    """Margin is checked again when a resting order would trade, or the order is cancelled."""
    desk, partner = bench.desk(), bench.desk()
    order = wish(bench, ABC, 20_000.0, -0.05)
    oid = resting(*desk.place(order)).oid
    dear = wish(bench, ABC, -30_000.0, 0.10)
    resting(*partner.place(dear))
    size = contracts(bench, ABC, 29_500.0, dear.price)
    (answer,) = desk.place(Wish(ABC, True, size, dear.price, "Ioc"))
    same(answer.error, "", "refusal of the dear trade")
    bought = desk.held(ABC).size
    expect(desk.balance("test") < 3500.0, "this card needs a loss")
    sweep = contracts(bench, ABC, 25_000.0, order.price)
    bench.desk().place(Wish(ABC, False, sweep, order.price, "Ioc"))
    same(known(desk, oid).status, "marginCanceled", "status")
    same(desk.held(ABC).size, bought, "position")


@card("LEV-1", 4)
def bounds(bench: Bench) -> None:
    """Leverage lies between 1 and the largest of the asset."""
    desk = bench.desk()
    for leverage in (0, 21):
        with refused("Invalid leverage value", f"leverage {leverage}"):
            desk.set_terms(TSLA, leverage, is_cross=True)
    desk.set_terms(TSLA, 3, is_cross=True)
    same(desk.terms(TSLA), Terms(3, True), "terms")


@card(
    "LEV-2",
    7,
    scene=Scene(usd=200.0),
)
def lower(bench: Bench) -> None:
    """With a position, leverage may rise, and falls only as far as margin allows."""
    desk = bench.desk()
    desk.set_terms(TSLA, 18, is_cross=True)
    take(bench, desk, TSLA, 3000.0)
    desk.set_terms(TSLA, 20, is_cross=True)
    desk.set_terms(TSLA, 17, is_cross=True)
    words = "Cross position does not have sufficient margin available to decrease leverage."
    with refused(words, "leverage 10"):
        desk.set_terms(TSLA, 10, is_cross=True)
    same(desk.terms(TSLA), Terms(17, True), "terms")


@card("LEV-3", 7, "measured")
def switch(bench: Bench) -> None:
    """Cross and isolated change only without a position and without orders."""
    desk = bench.desk()
    words = "Cannot switch leverage type with open position."
    oid = rest(bench, desk, TSLA, 100.0).oid
    with refused(words, "isolated with an order"):
        desk.set_terms(TSLA, 10, is_cross=False)
    desk.cancel(TSLA, oid)
    desk.set_terms(TSLA, 10, is_cross=False)
    take(bench, desk, TSLA, 100.0)
    with refused(words, "cross with a position"):
        desk.set_terms(TSLA, 10, is_cross=True)
    same(desk.terms(TSLA), Terms(10, False), "terms")


@card("LEV-4", 7, "not verified", scene=THOUSAND)
def orders(bench: Bench) -> None:
    """Leverage changes what resting orders reserve."""
    desk = bench.desk()
    order = wish(bench, TSLA, 9000.0, -0.05)
    desk.set_terms(TSLA, 10, is_cross=True)
    resting(*desk.place(order))
    begins(desk.place(order)[0].error, SHORT, "refusal at ten times")
    desk.set_terms(TSLA, 20, is_cross=True)
    resting(*desk.place(order))


@card(
    "NOCROSS-1",
    7,
    scene=Scene((HOOD,)),
)
def no_cross(bench: Bench) -> None:
    """An asset that is noCross starts isolated and refuses cross margin."""
    desk = bench.desk()
    same(desk.terms(HOOD).is_cross, False, "cross at first contact")
    with refused("Cross margin is not allowed for this asset.", "cross"):
        desk.set_terms(HOOD, 5, is_cross=True)


@card(
    "ISO-1",
    7,
    scene=Scene((HOOD,)),
)
def isolated(bench: Bench) -> None:
    """An isolated position takes its initial margin from the pool and keeps it."""
    desk = bench.desk()
    desk.set_terms(HOOD, 5, is_cross=False)
    taken = take(bench, desk, HOOD, 500.0)
    near(desk.held(HOOD).margin, taken.size * taken.price / 5.0, "margin", within=0.02)


@card(
    "ISO-2",
    7,
    "documented",
    scene=Scene((HOOD, TSLA)),
)
def adjusted(bench: Bench) -> None:
    """Margin can be added to an isolated position, and taken down to the initial one."""
    desk = bench.desk()
    take(bench, desk, HOOD, 500.0)
    before = desk.held(HOOD).margin
    desk.add_margin(HOOD, 30.0)
    near(desk.held(HOOD).margin, before + 30.0, "margin", within=0.01)
    desk.add_margin(HOOD, -20.0)
    near(desk.held(HOOD).margin, before + 10.0, "margin", within=0.01)
    with refused("", "taking more than is spare"):
        desk.add_margin(HOOD, -30.0)


@card("ISO-3", 4, "measured")
def not_isolated(bench: Bench) -> None:
    """A cross position has no margin of its own to change."""
    desk = bench.desk()
    take(bench, desk, TSLA, 100.0)
    with refused("Position does not use isolated margin.", "adding margin"):
        desk.add_margin(TSLA, 10.0)
