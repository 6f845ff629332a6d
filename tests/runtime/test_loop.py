"""The loop on a tiny venue: the same run twice, its replay, and the loss limit."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from itertools import count

import msgspec
import numpy as np
import pytest

from portfolio_mm.rules import ticks
from portfolio_mm.runtime import codec, journal
from portfolio_mm.runtime.journal import Journal, JournalError
from portfolio_mm.runtime.loop import run
from portfolio_mm.runtime.verify import verify
from portfolio_mm.types import Events, Fill, Orders, OrderUpdate, QuoteSet


class Tape:
    """A venue that plays a path, acknowledges everything and now and then fills an order."""

    def __init__(self, bench, n=2, steps=25, equity=1e5, crash_at=None):
        self.universe = bench.universe(n)
        self._bench, self._equity, self._crash_at = bench, equity, crash_at
        self._path = bench.path(n, steps, seed=3)
        self._step = -1
        self._position = np.zeros(n)
        self.open, self._updates, self.closed = {}, [], False
        self._exits, self._numbers = [], count(1)

    @property
    def now_ns(self):
        return self._path[max(self._step, 0)].time_ns

    async def wait(self, deadline_ns, moves):
        self._step += 1
        fills, updates = [], self._updates
        self._updates = []
        here = self._path[self._step]
        taken = self._exits
        self._exits = []
        if self._step % 7 == 6 and self.open:
            taken.append(self.open.pop(next(iter(self.open))))
        for order in taken:
            decimals = self.universe.sz_decimals[order.asset]
            price = float(ticks.from_units(order.units, decimals))
            size = float(ticks.from_lots(order.lots, decimals))
            side = 1 - 2 * order.side
            self._position[order.asset] += side * size
            fills.append(
                Fill(
                    time_ns=here.time_ns,
                    asset=order.asset,
                    side=side,
                    price=price,
                    size=size,
                    fee=0.01,
                    maker=True,
                    cloid=order.cloid,
                    fill_id=next(self._numbers),
                )
            )
        done = self._step == len(self._path) - 1
        return Events(fills=tuple(fills), updates=tuple(updates), closed=done)

    def snapshot(self):
        return self._path[self._step]

    def account(self):
        here = self._path[self._step]
        lost = self._crash_at is not None and self._step >= self._crash_at
        equity = 0.5 * self._equity if lost else self._equity
        return self._bench.account(here.time_ns, self._position.copy(), here.mark, equity)

    async def send(self, orders: Orders):
        for cloid in (*orders.cancels, *(old for old, _ in orders.modifies)):
            if self.open.pop(cloid, None) is not None:
                self._say(cloid, "canceled")
        for new in (*(new for _, new in orders.modifies), *orders.places):
            self.open[new.cloid] = new
            self._say(new.cloid, "open")
        self._exits += orders.exits

    def _say(self, cloid, status):
        self._updates.append(OrderUpdate(time_ns=self.now_ns, cloid=cloid, status=status))

    async def close(self):
        self.closed = True


def play(bench, folder, **venue):
    tape = Tape(bench, **venue)
    with Journal(folder, durable=False) as log:
        outcome = asyncio.run(run(bench.config(tape.universe), tape, log))
    return tape, outcome


@pytest.fixture(scope="module")
def recorded(bench, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, *play(bench, folder)


def test_runs_until_the_market_closes(recorded):
    folder, tape, outcome = recorded
    assert outcome.cycles == 25
    assert outcome.stopped == "the market closed"
    assert tape.closed
    kinds = [row.kind for row in journal.read(folder)]
    assert kinds[0] == "opening"
    assert kinds[-1] == "closing"
    assert kinds.count("snapshot") == kinds.count("quotes") == 25
    assert any(row.decode(Events).fills for row in journal.read(folder, "events"))


def test_intents_are_journalled_before_anything_else_happens(recorded):
    folder, *_ = recorded
    kinds = [row.kind for row in journal.read(folder)]
    for i, kind in enumerate(kinds):
        if kind == "intent":
            assert kinds[i - 1] == "evaluation"
            assert kinds[i + 1] in {"snapshot", "closing"}


def test_two_runs_are_equal(recorded, bench, tmp_path):
    play(bench, tmp_path)
    assert journal.digest(tmp_path) == journal.digest(recorded[0])


def test_a_replay_gives_the_same_quotes(recorded):
    verification = verify(recorded[0])
    assert verification.cycles == 25
    assert verification.different == ()


def test_a_replay_finds_a_quote_that_was_changed(bench, tmp_path):
    play(bench, tmp_path, steps=10)
    [time_ns] = [row.ts_ns for i, row in enumerate(journal.read(tmp_path, "quotes")) if i == 6]
    with sqlite3.connect(tmp_path / journal.NAME) as database:
        [(body,)] = database.execute(
            "SELECT body FROM journal WHERE kind = 'quotes' AND ts_ns = ?", (time_ns,)
        )
        quotes = codec.decode(zlib.decompress(body), QuoteSet)
        lots = quotes.lots.copy()
        lots[0, 0, 0] += 1
        forged = zlib.compress(codec.encode(msgspec.structs.replace(quotes, lots=lots)))
        database.execute(
            "UPDATE journal SET body = ? WHERE kind = 'quotes' AND ts_ns = ?", (forged, time_ns)
        )
    database.close()
    assert verify(tmp_path).different == (time_ns,)


def test_a_journal_without_an_opening_is_refused(tmp_path):
    with Journal(tmp_path, durable=False):
        pass
    with pytest.raises(JournalError, match="opening"):
        verify(tmp_path)


def test_the_loss_limit_ends_the_run_with_nothing_resting(bench, tmp_path):
    tape, outcome = play(bench, tmp_path, crash_at=12)
    assert "loss limit" in outcome.stopped
    assert outcome.cycles < 25
    assert not tape.open
    assert tape.closed
