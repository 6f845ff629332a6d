"""The world: one clock, the same history for a seed, and hooks that miss nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from portfolio_mm.types import NS
from portfolio_mm.venues.settings import Server
from sim.exchange import transfers
from sim.exchange.messages import MICRO, Change, Execution
from sim.exchange.orders import Ticket
from sim.market.listing import listed_universe
from sim.market.world import World

NAMES = ("BTC", "xyz:TSLA", "para:SMCI")


def world(names: tuple[str, ...] = NAMES, seed: int = 3, **changes: Any) -> World:
    return World(Server(seed=seed, **changes), listed_universe(names))


def history(w: World, seconds: float) -> list[Any]:
    """Run, and return everything that was told, with its time."""
    seen: list[Any] = []
    w.on_trades = seen.extend
    w.on_messages = lambda told: seen.extend((w.now_ns, owner, type(m)) for owner, m in told)
    w.on_books = lambda asset: seen.append(
        (w.now_ns, asset, w.exchange.books[asset].best(0), w.exchange.books[asset].best(1))
    )
    w.on_prices = lambda: seen.append((w.now_ns, w.exchange.mark.tobytes()))
    w.run(w.now_ns + round(seconds * NS))
    return seen


def test_one_seed_one_history() -> None:
    first, again, other = (history(world(seed=s), 20) for s in (3, 3, 4))
    assert first == again
    assert first != other
    assert len(first) > 100


def test_running_in_steps_is_running_at_once() -> None:
    whole, parts = world(), world()
    once = history(whole, 30)
    piecewise: list[Any] = []
    for _ in range(300):
        piecewise += history(parts, 0.1)
    assert once == piecewise
    assert whole.now_ns == parts.now_ns


def test_every_listed_market_lives() -> None:
    w = world(())
    w.run(w.now_ns + 30 * NS)
    for book in w.exchange.books:
        assert 0 < book.best(0) < book.best(1)
    assert np.allclose(w.exchange.mark / w.exchange.oracle, 1.0, atol=0.02)


def test_actions_run_in_the_order_of_their_time_and_then_of_their_making() -> None:
    w, ran = world(), []
    start = w.now_ns
    for delay, name in ((2, "c"), (1, "a"), (1, "b")):
        w.at(start + delay * NS, ran.append, name)
    w.run(start + NS)
    assert ran == ["a", "b"]
    assert w.now_ns == start + NS < w.next_ns <= start + 2 * NS
    w.run(start + 2 * NS)
    assert ran == ["a", "b", "c"]


def test_a_user_is_told_at_once_and_trades_with_the_others() -> None:
    w = world(("xyz:TSLA",))
    user = w.exchange.open_user("unified", 1e4)
    transfers.credit(w.exchange, user, "spot", 10**11, w.now_ns)
    w.run(w.now_ns + 5 * NS)
    told: list[Any] = []
    w.on_messages = lambda messages: told.extend((w.now_ns, m) for _, m in messages)

    def join() -> None:
        for side in (0, 1):
            units = w.exchange.books[0].best(side)
            assert not w.exchange.place(user, Ticket(0, side, units, 300), w.now_ns).error

    due = w.now_ns + NS
    w.at(due, join)
    w.run(due)
    assert [(t, m.status) for t, m in told if isinstance(m, Change)] == [(due, "open")] * 2
    w.run(due + 300 * NS)
    fills = [m for _, m in told if isinstance(m, Execution)]
    assert fills
    assert all(not fill.crossed for fill in fills)
    assert w.exchange.accounts[user].volume == sum(f.units * f.lots for f in fills)


def test_a_scheduled_cancel_fires_by_itself() -> None:
    w = world(("xyz:TSLA",))
    user = w.exchange.open_user("unified", 1e4)
    transfers.credit(w.exchange, user, "spot", 10**10, w.now_ns)
    w.run(w.now_ns + 2 * NS)
    w.exchange.accounts[user].volume = 10**6 * MICRO
    units = w.exchange.books[0].best(0) // 1000 * 900
    record = w.exchange.place(user, Ticket(0, 0, units, 300), w.now_ns).record
    assert record is not None
    first, second = w.now_ns + 6 * NS, w.now_ns + 9 * NS
    assert w.schedule_cancel(user, first) == ""
    assert w.schedule_cancel(user, second) == ""
    w.run(first)
    assert record.is_open
    w.run(second)
    assert (record.status, record.status_ns) == ("scheduledCancel", second)
    assert w.schedule_cancel(user, w.now_ns).startswith("Scheduled cancel time")


def test_funding_is_settled_every_hour_and_kept() -> None:
    w = world(("BTC", "xyz:TSLA"))
    w.run(w.now_ns + 3600 * NS)
    (settlement,) = w.exchange.settlements
    assert settlement.time_ns % (3600 * NS) == 0
    assert settlement.samples in (359, 360)
    assert np.all(np.abs(settlement.rate) < 1e-3)
