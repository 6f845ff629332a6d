"""The dead-man switch, and what a restart of the venue means."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from functools import partial

from sim.conformance.card import BTC, TSLA, Need, Scene, begins, card, expect, refused, same
from sim.conformance.cards.reducing import known
from sim.conformance.desk import Bench, Desk
from sim.conformance.moves import hit, rest, resting, wish
from sim.conformance.server import ServerBench

RICH = Scene((BTC,), usd=1e7, speed=100.0)
SECOND = 1000


@card(
    "DEAD-1",
    4,
    "measured",
)
def volume(bench: Bench) -> None:
    """The dead-man switch is refused until the account has traded a million USD."""
    words = "Cannot set scheduled cancel time until enough volume traded. Required: $1000000."
    with refused(words, "a scheduled cancel"):
        bench.desk().schedule_cancel(bench.now_ms() + 60 * SECOND)


def trader(bench: Bench) -> Desk:
    """Return a desk that has traded more than a million."""
    desk, partner = bench.desk(), bench.desk()
    order = wish(bench, BTC, 1.1e6, -0.02)
    resting(*desk.place(order))
    hit(bench, partner, order)
    return desk


def _is_over(desk: Desk, oid: int) -> bool:
    return known(desk, oid).status != "open"


@card(
    "DEAD-2",
    4,
    "documented",
    Need.PARTNER,
    scene=RICH._replace(speed=5.0),
)
def ahead(bench: Bench) -> None:
    """The time of the dead-man switch lies at least five seconds ahead."""
    desk = trader(bench)
    with refused("", "a scheduled cancel in a second"):
        desk.schedule_cancel(bench.now_ms() + SECOND)
    desk.schedule_cancel(bench.now_ms() + 60 * SECOND)


@card(
    "DEAD-3",
    4,
    "documented",
    Need.PARTNER,
    scene=RICH,
)
def fires(bench: Bench) -> None:
    """When the dead-man switch fires, every order of the account is cancelled."""
    desk = trader(bench)
    oids = [rest(bench, desk, BTC, 1000.0).oid for _ in range(2)]
    desk.schedule_cancel(bench.now_ms() + 20 * SECOND)
    bench.wait(lambda: not desk.open_orders(""), "the scheduled cancel")
    for oid in oids:
        same(known(desk, oid).status, "scheduledCancel", "status")


@card(
    "DEAD-4",
    4,
    "documented",
    Need.PARTNER,
    scene=RICH,
)
def moved(bench: Bench) -> None:
    """Setting the dead-man switch again moves it, setting it to nothing forgets it."""
    desk = trader(bench)
    oid = rest(bench, desk, BTC, 1000.0).oid
    start = bench.now_ms()
    desk.schedule_cancel(start + 15 * SECOND)
    desk.schedule_cancel(start + 30 * SECOND)
    bench.wait(partial(_is_over, desk, oid), "the scheduled cancel")
    same(known(desk, oid).status_ms, start + 30 * SECOND, "when it fired")
    other = rest(bench, desk, BTC, 1000.0).oid
    start = bench.now_ms()
    desk.schedule_cancel(start + 15 * SECOND)
    desk.schedule_cancel(None)
    bench.wait(lambda: bench.now_ms() > start + 18 * SECOND, "the time to pass")
    same(known(desk, other).status, "open", "status")


@card("DEAD-5", 4, "documented", Need.PARTNER, scene=RICH)
def ten(bench: Bench) -> None:
    """The dead-man switch fires ten times a day at most."""
    desk = trader(bench)
    for _ in range(10):
        oid = rest(bench, desk, BTC, 1000.0).oid
        desk.schedule_cancel(bench.now_ms() + 9 * SECOND)
        bench.wait(partial(_is_over, desk, oid), "the scheduled cancel")
    with refused("", "the eleventh time"):
        desk.schedule_cancel(bench.now_ms() + 60 * SECOND)


@card(
    "RESTART-1",
    4,
    "measured",
    Need.OPERATOR,
)
def post_only(bench: ServerBench) -> None:
    """After a restart only post-only orders are taken for a while."""
    desk = bench.desk()
    order, quote = wish(bench, TSLA, 100.0, 0.02, tif="Ioc"), wish(bench, TSLA, 100.0, -0.02)
    bench.restart(20.0)
    words = "Only post-only orders allowed immediately after a network upgrade"
    (answer,) = desk.place(order)
    begins(answer.error, words, "refusal of an order that takes")
    oid = resting(*desk.place(quote)).oid
    same(desk.cancel(TSLA, oid), [""], "a cancel")
    bench.wait(lambda: not desk.place(order)[0].error, "the end of the phase")
    expect(desk.held(TSLA).size > 0.0, "nothing was taken")


@card(
    "RESTART-2",
    6,
    "not verified",
    Need.OPERATOR,
    Need.SOCKET,
)
def dropped(bench: ServerBench) -> None:
    """A restart drops every websocket, and orders go on resting."""
    desk = bench.desk()
    oid = rest(bench, desk, TSLA, 100.0).oid
    stream = bench.stream()
    bench.restart(1.0)
    stream.last_words()
    same(known(desk, oid).status, "open", "status")
