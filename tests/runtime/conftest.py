"""A small remote venue on virtual time: it acknowledges, fills, forgets and falls silent as told."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest

from portfolio_mm.rules import ticks
from portfolio_mm.types import (
    NS,
    UNKNOWN,
    Audit,
    Events,
    Fill,
    OpenOrder,
    Orders,
    OrderUpdate,
)
from portfolio_mm.venues.base import VenueError
from sim import synthetic
from sim.faults import virtual


class RemoteFake:
    """Two assets whose prices stand still; what rests and what is held is the venue's own."""

    def __init__(self, n=2, position=None):
        self.universe = synthetic.universe(n)
        self.price = synthetic.prices(n)
        self.position = np.zeros(n) if position is None else np.array(position)
        self.open, self.fills, self.inbox = {}, [], []
        self.equity = 1e5
        self.book_ns = None  # stuck books
        self.gap = False
        self.mute = False  # whatever is sent is lost, and so are the answers
        self.refuse_cancels = False
        self.fills_exits = True
        self.unreadable = False
        self.arms, self.arm_answers = [], True
        self.sent, self.audits, self.inquired = [], 0, []
        self.closed = False
        self._wake = asyncio.Event()

    @property
    def now_ns(self):
        loop = asyncio.get_running_loop()
        return synthetic.start + round(loop.time() * NS)

    async def wait(self, deadline_ns, moves):
        if not self.inbox:
            self._wake.clear()
            try:
                async with asyncio.timeout(max(deadline_ns - self.now_ns, 0) / NS):
                    await self._wake.wait()
            except TimeoutError:
                pass
        inbox, self.inbox = self.inbox, []
        return Events(
            fills=tuple(x for x in inbox if isinstance(x, Fill)),
            updates=tuple(x for x in inbox if isinstance(x, OrderUpdate)),
        )

    def snapshot(self):
        now = self.now_ns
        snapshot = synthetic.snapshot(now, self.price)
        if self.book_ns is not None:
            book_ns = np.full(len(self.price), self.book_ns)
            snapshot = msgspec.structs.replace(snapshot, book_time_ns=book_ns)
        return snapshot

    def account(self):
        return synthetic.account(self.now_ns, self.position.copy(), self.price, self.equity)

    async def send(self, orders: Orders):
        self.sent.append(orders)
        await asyncio.sleep(0.1)
        for name in (*orders.cancels, *(old for old, _ in orders.modifies)):
            if self.mute or self.refuse_cancels:
                self.say(name, UNKNOWN)
            elif self.open.pop(name, None) is not None:
                self.say(name, "canceled")
        for new in (*(new for _, new in orders.modifies), *orders.places):
            if self.mute:
                self.say(new.cloid, UNKNOWN)
            else:
                self.open[new.cloid] = new
                self.say(new.cloid, "open")
        for new in orders.exits:
            if self.fills_exits:
                self.fill(new, new.lots)
            self.say(new.cloid, "filled" if self.fills_exits else "iocCancelRejected")

    def say(self, cloid, status, reason=""):
        self.inbox.append(
            OrderUpdate(time_ns=self.now_ns, cloid=cloid, status=status, reason=reason)
        )
        self._wake.set()

    def fill(self, order, lots, told=True):
        decimals = self.universe.sz_decimals[order.asset]
        side = 1 - 2 * order.side
        size = float(ticks.from_lots(lots, decimals))
        fill = Fill(
            time_ns=self.now_ns,
            asset=order.asset,
            side=side,
            price=float(ticks.from_units(order.units, decimals)),
            size=size,
            fee=0.0,
            maker=True,
            cloid=order.cloid,
            fill_id=len(self.fills) + 1,
        )
        self.position[order.asset] += side * size
        self.fills.append(fill)
        if lots >= order.lots:
            self.open.pop(order.cloid, None)
        if told:
            self.inbox.append(fill)
            self._wake.set()

    async def inquire(self, cloids):
        self.inquired += cloids
        await asyncio.sleep(0.05)
        for name in cloids:
            self.say(name, "open" if name in self.open else "canceled")

    async def audit(self, since_ns):
        self.audits += 1
        asked = self.now_ns
        await asyncio.sleep(0.05)
        if self.unreadable:
            raise VenueError("no answer")
        return Audit(
            time_ns=asked,
            position=self.position.copy(),
            orders=tuple(
                OpenOrder(
                    oid=7,
                    cloid=order.cloid,
                    asset=order.asset,
                    side=order.side,
                    units=order.units,
                    lots=order.lots,
                    time_ns=asked,
                )
                for order in self.open.values()
            ),
            fills=tuple(fill for fill in self.fills if fill.time_ns >= since_ns),
        )

    async def arm(self, deadline_ns):
        self.arms.append(deadline_ns)
        return self.arm_answers

    async def close(self):
        self.closed = True


@pytest.fixture
def remote():
    """Make a small remote venue; use it within `virtually`."""
    return RemoteFake


@pytest.fixture
def virtually():
    """Run a coroutine on virtual time."""

    def run(main):
        return virtual.run(main)

    return run
