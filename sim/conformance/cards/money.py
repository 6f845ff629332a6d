"""Fees, funding and liquidation."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from typing import NamedTuple

from eth_account import Account

from sim.conformance.card import MSTR, TSLA, Need, Scene, card, expect, near, same
from sim.conformance.cards.reducing import known
from sim.conformance.desk import Bench, Desk, Paid
from sim.conformance.moves import hit, rest, resting, take, wish
from sim.conformance.sdk import SdkBench, done, statuses

CENT = 1e-4
HOUR_MS = 3_600_000


def rates(bench: Bench, coin: str) -> tuple[float, float]:
    """Return what a maker and a taker paid of a trade between them, in basis points."""
    desk, partner = bench.desk(), bench.desk()
    order = wish(bench, coin, 2000.0, -0.02)
    resting(*desk.place(order))
    hit(bench, partner, order)
    made, taken = desk.deals()[-1], partner.deals()[-1]
    same((made.crossed, taken.crossed), (False, True), "who took")
    maker, taker = (1e4 * x.fee / (x.price * x.size) for x in (made, taken))
    return maker, taker


@card(
    "FEE-1",
    11,
    "measured",
    Need.PARTNER,
    scene=Scene((MSTR,)),
)
def normal(bench: Bench) -> None:
    """A maker pays 3 and a taker 9 basis points on a market of scale 1."""
    maker, taker = rates(bench, MSTR)
    near(maker, 3.0, "maker, basis points", within=CENT)
    near(taker, 9.0, "taker, basis points", within=CENT)


@card(
    "FEE-2",
    11,
    "measured",
    Need.PARTNER,
    scene=Scene((TSLA,)),
)
def growth(bench: Bench) -> None:
    """Growth mode charges a tenth: 0.3 and 0.9 basis points."""
    maker, taker = rates(bench, TSLA)
    near(maker, 0.3, "maker, basis points", within=CENT)
    near(taker, 0.9, "taker, basis points", within=CENT)


@card(
    "FEE-3",
    11,
    "documented",
    Need.PARTNER,
    scene=Scene(("SOL",)),
)
def own(bench: Bench) -> None:
    """On the venue's own markets a maker pays 1.5 and a taker 4.5 basis points."""
    maker, taker = rates(bench, "SOL")
    near(maker, 1.5, "maker, basis points", within=CENT)
    near(taker, 4.5, "taker, basis points", within=CENT)


@card(
    "FEE-4",
    11,
    "documented",
    Need.SHARE,
    scene=Scene((TSLA,)),
)
def rebate(bench: Bench) -> None:
    """A maker of half a percent of all maker volume is paid a rebate."""
    taken = take(bench, bench.desk(), TSLA, 100.0)
    expect(taken.size > 0.0, "nothing traded")


@card(
    "FEE-5",
    11,
    "documented",
    Need.SIGNATURES,
    Need.TRACES,
    differs={"server": "builder fees can be approved, but they are not charged"},
)
def builder(bench: SdkBench) -> None:
    """The fee of a builder comes on top."""
    desk = bench.sdk_desk(Account.from_key(bench.new_key()))
    rest(bench, desk, TSLA, 100.0)
    address = "0x" + "b" * 40
    done(desk.exchange.approve_builder_fee(address, "0.05%"))
    order = wish(bench, TSLA, 500.0, 0.02, tif="Ioc")
    kind, terms = {"limit": {"tif": "Ioc"}}, {"b": address, "f": 50}
    statuses(desk.exchange.order(TSLA, True, order.size, order.price, kind, builder=terms))
    deal = desk.deals()[-1]
    near(1e4 * deal.fee / (deal.price * deal.size), 5.9, "taker, basis points", within=CENT)


def only(desk: Desk) -> Paid:
    """Return the one funding payment of an account."""
    payments = desk.paid()
    same(len(payments), 1, "funding payments")
    return payments[0]


HOUR = Scene((TSLA,), speed=25.0, before_hour_s=14.0)


def full_hour(bench: Bench) -> None:
    """Wait until the venue has passed a full hour."""
    start = bench.now_ms() // HOUR_MS
    bench.wait(lambda: bench.now_ms() // HOUR_MS > start, "a full hour")


@card(
    "FUND-1",
    10,
    "documented",
    Need.PARTNER,
    scene=HOUR,
)
def funding(bench: Bench) -> None:
    """Funding is paid at the full hour: size x oracle x rate, by longs if it is positive."""
    long, short = bench.desk(), bench.desk()
    take(bench, long, TSLA, 2000.0)
    take(bench, short, TSLA, -2000.0)
    full_hour(bench)
    oracle = bench.oracle(TSLA)
    for desk in (long, short):
        payment = only(desk)
        same(payment.size, desk.held(TSLA).size, "size that paid")
        expect(payment.rate != 0.0, "a rate of nothing shows no sign")
        due = -payment.size * oracle * payment.rate
        expect(abs(payment.usd - due) <= 0.01 * abs(due) + 2e-6, f"{payment.usd} for {due}")


@card(
    "FUND-2",
    10,
    "measured",
    scene=HOUR,
)
def rate(bench: Bench) -> None:
    """The hourly rate of a calm market is an eighth of 0.01 % times its multiplier."""
    desk = bench.desk()
    take(bench, desk, TSLA, 2000.0)
    full_hour(bench)
    payment = only(desk)
    near(payment.rate, 0.5 * 1e-4 / 8.0, "rate", within=1e-3)


def traded(bench: Bench, usd: float, *, is_cross: bool) -> list[Far]:
    """Let two accounts trade below the market and return them, each with an order far away."""
    desks = bench.desk(), bench.desk()
    both = []
    for desk, side in zip(desks, (1.0, -1.0), strict=True):
        desk.set_terms(TSLA, 20, is_cross=is_cross)
        (answer,) = desk.place(wish(bench, TSLA, side * 20.0, -side * 0.5))
        both.append(Far(desk, resting(answer).oid))
    bid = wish(bench, TSLA, usd, -0.04)
    resting(*desks[0].place(bid))
    hit(bench, desks[1], bid, 2000.0)
    return both


class Far(NamedTuple):
    """An account, and an order of it that nobody will reach."""

    desk: Desk
    oid: int

    def status(self) -> str:
        """Return the status of the order."""
        return known(self.desk, self.oid).status


def ruined(bench: Bench, usd: float = 30_000.0, *, is_cross: bool = True) -> Far:
    """Return whichever of two opposite accounts is liquidated first."""
    both = traded(bench, usd, is_cross=is_cross)
    victims: list[Far] = []

    def over() -> bool:
        victims.extend(far for far in both if far.status() != "open")
        return bool(victims)

    bench.wait(over, "a liquidation")
    return victims[0]


WILD = Scene((TSLA,), usd=2000.0, wild=True, speed=20.0)


@card(
    "LIQ-1",
    7,
    "documented",
    Need.PARTNER,
    scene=WILD,
)
def liquidation(bench: Bench) -> None:
    """Equity below maintenance closes the position, in trades that say so."""
    victim = ruined(bench).desk
    closing = [deal for deal in victim.deals() if deal.liquidation]
    expect(bool(closing), "nothing was closed")
    expect({x.liquidation for x in closing} <= {"market", "backstop"}, "how it was liquidated")
    expect(all(x.direction.startswith("Close") for x in closing), "it closes the position")
    left, before = abs(victim.held(TSLA).size), abs(closing[0].start)
    expect(left < before, f"{left} of {before} are left")


@card("LIQ-2", 7, "documented", Need.PARTNER, scene=WILD)
def orders(bench: Bench) -> None:
    """A liquidation cancels the open orders."""
    victim = ruined(bench, 15_000.0, is_cross=False)
    same(victim.status(), "liquidatedCanceled", "status")
    same(victim.desk.open_orders("xyz"), [], "open orders")


@card(
    "LIQ-3",
    7,
    "documented",
    Need.PARTNER,
    scene=WILD,
)
def alone(bench: Bench) -> None:
    """An isolated position is liquidated without touching the rest."""
    victim = ruined(bench, 15_000.0, is_cross=False)
    same(victim.status(), "liquidatedCanceled", "status")
    expect(victim.desk.balance("xyz") >= 1200.0, "what was not in the position is left")
