"""Budgets: requests of an address, weight of a network address, actions a day, open orders."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from hyperliquid.utils.error import ClientError

from sim.conformance.card import (
    HOOD,
    MSTR,
    TSLA,
    Broken,
    Need,
    Scene,
    begins,
    card,
    expect,
    near,
    refused,
    same,
)
from sim.conformance.desk import Bench, Refused
from sim.conformance.moves import rest, resting, take, wish
from sim.conformance.sdk import SdkBench

WORDS = "Too many cumulative requests sent (6 > 5) for cumulative volume traded $0.00."
NOWHERE = 999_999_999_999


@card(
    "BUDGET-1",
    8,
    "measured",
)
def counted(bench: Bench) -> None:
    """Every order and cancel of a batch is one request, a failed cancel too."""
    desk = bench.desk()
    before = desk.requests().used
    orders = [wish(bench, TSLA, 100.0, -0.02)] * 3
    oids = [x.oid for x in desk.place(*orders)]
    same(desk.requests().used - before, 3, "requests of three orders")
    desk.cancel(TSLA, *oids, NOWHERE)
    same(desk.requests().used - before, 7, "requests after four cancels")


@card(
    "BUDGET-2",
    8,
    "measured",
    scene=Scene(requests=5.0, speed=1.0),
)
def exhausted(bench: Bench) -> None:
    """Without requests left orders are refused whole, and cancels go on."""
    desk = bench.desk()
    oids = [x.oid for x in desk.place(*[wish(bench, TSLA, 100.0, -0.02)] * 5)]
    with refused(WORDS, "the sixth order"):
        rest(bench, desk, TSLA, 100.0)
    same(desk.requests().used, 5, "requests used, the refused one cost nothing")
    same(desk.cancel(TSLA, *oids[:4]), [""] * 4, "cancels")
    same(desk.open_orders("xyz"), oids[4:], "open orders")


@card(
    "BUDGET-3",
    8,
    "documented",
    scene=Scene(requests=5.0, speed=1.0),
)
def cancels(bench: Bench) -> None:
    """Cancels go on to twice the budget at most."""
    desk = bench.desk()
    desk.cancel(TSLA, *[NOWHERE] * 10)
    with refused("Too many cumulative requests sent", "the eleventh cancel"):
        desk.cancel(TSLA, NOWHERE)


@card(
    "BUDGET-4",
    8,
    "measured",
    scene=Scene(requests=5.0, speed=40.0),
)
def trickle(bench: Bench) -> None:
    """Without requests left, one action in ten seconds is let through; refusals do not delay it."""
    desk = bench.desk()
    order = wish(bench, TSLA, 100.0, -0.02)
    last = desk.place(*[order] * 5)[-1]
    oids: list[int] = []

    def admitted() -> bool:
        try:
            oids.append(desk.place(order)[0].oid)
        except Refused:
            return False
        return True

    bench.wait(admitted, "an action of an exhausted address")
    before, after = desk.order(last.oid), desk.order(oids[0])
    assert before is not None
    assert after is not None
    waited = (after.status_ms - before.status_ms) / 1000.0
    expect(10.0 <= waited <= 14.0, f"it was let through after {waited} s, 10 or 11 are due")


@card("BUDGET-5", 8, "measured", scene=Scene((MSTR,)))
def earned(bench: Bench) -> None:
    """A dollar of volume earns a request."""
    desk = bench.desk()
    before = desk.requests().cap
    taken = take(bench, desk, MSTR, 400.0)
    expect(abs(desk.requests().cap - before - taken.size * taken.price) <= 1.0, "one per dollar")


@card(
    "BUDGET-6",
    8,
    scene=Scene((TSLA,)),
)
def earned_growing(bench: Bench) -> None:
    """In growth mode a dollar of volume earns a tenth of a request."""
    desk = bench.desk()
    before = desk.requests().cap
    taken = take(bench, desk, TSLA, 1000.0)
    earned = desk.requests().cap - before
    expect(abs(earned - 0.1 * taken.size * taken.price) <= 1.0, f"{earned} requests were earned")


@card(
    "IP-1",
    8,
    "not verified",
    Need.GATE,
    scene=Scene(speed=1.0),
)
def weight(bench: SdkBench) -> None:
    """Beyond 1200 weight a minute a network address gets HTTP 429."""
    user = "0x" + "1" * 40
    for _ in range(21):
        try:
            bench.info.user_role(user)
        except ClientError as error:
            same(error.status_code, 429, "HTTP status")
            return
    raise Broken("21 questions of weight 60 in a second were answered")


@card(
    "DAY-1",
    7,
    "not verified",
    Need.GATE,
    scene=Scene(mode="unified", requests=60_000.0, speed=100.0),
)
def daily(bench: Bench) -> None:
    """A unified account has 50 000 actions a day; each one of a batch is taken to count."""
    desk = bench.desk()
    for _ in range(250):
        desk.cancel(TSLA, *[NOWHERE] * 200)
    with refused("", "action 50 001"):
        rest(bench, desk, TSLA, 100.0)
    same(desk.open_orders("xyz"), [], "open orders")


@card(
    "OPEN-1",
    8,
    scene=Scene((TSLA, HOOD), usd=100_000.0),
)
def many(bench: Bench) -> None:
    """An account without volume has at most 1000 open orders."""
    desk = bench.desk()
    order = wish(bench, TSLA, 12.0, -0.02)
    for _ in range(5):
        same([x.error for x in desk.place(*[order] * 200) if x.error], [], "refusals")
    cloid = "0x000000000000000000000000000000d1"
    (answer,) = desk.place(order._replace(cloid=cloid))
    expect(bool(answer.error), "order 1001 was accepted")
    known = desk.order(cloid)
    same(known and known.status, "tooManyOpenOrdersRejected", "its status")
    reducing = wish(bench, HOOD, -100.0, 0.02, reduce_only=True)
    begins(desk.place(reducing)[0].error, answer.error.partition(" asset")[0], "reduce-only")


@card(
    "OI-1",
    9,
    "documented",
    Need.PARTNER,
    scene=Scene(("test:ABC",), usd=50e6),
)
def interest(bench: Bench) -> None:
    """At the cap of open interest orders that would increase it are refused, others are not."""
    coin = "test:ABC"
    desk, partner = bench.desk(), bench.desk()
    bid = wish(bench, coin, 24.4e6, -0.02)
    resting(*desk.place(bid))
    partner.place(bid._replace(is_buy=False, tif="Ioc", size=round(bid.size + 1e4, 1)))
    held = desk.held(coin).size
    expect(held * bid.price > 24e6, "this card needs open interest near the cap")
    (answer,) = desk.place(wish(bench, coin, 1e6, -0.02))
    words = "Order would increase open interest while open interest is capped"
    begins(answer.error, words, "refusal")
    (answer,) = desk.place(wish(bench, coin, -1e6, 0.02))
    same(answer.error, "", "refusal of an order that reduces")


@card(
    "BUDGET-7",
    4,
    "measured",
    Need.SIGNATURES,
    scene=Scene((MSTR,), requests=5.0, speed=1.0),
)
def wording(bench: Bench) -> None:
    """The refusal says how many requests volume has earned."""
    desk = bench.desk()
    taken = take(bench, desk, MSTR, 20.0)
    limit = desk.requests()
    near(limit.cap, 5.0 + taken.size * taken.price, "limit", within=0.1)
    orders = [wish(bench, MSTR, 100.0, -0.02)] * (limit.cap - limit.used)
    desk.place(*orders)
    words = f"Too many cumulative requests sent ({limit.cap + 1} > {limit.cap}) for"
    with refused(words, "one order more"):
        rest(bench, desk, MSTR, 100.0)
