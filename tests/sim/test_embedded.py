"""The embedded venue: latency, determinism, accounting, and that its market is worth making."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest

from portfolio_mm.rules import ticks
from portfolio_mm.types import (
    NS,
    Events,
    Fill,
    Floats,
    FundingPayment,
    MarketSnapshot,
    MarketStatus,
    NewOrder,
    Orders,
)
from portfolio_mm.venues.base import Venue
from portfolio_mm.venues.settings import Embedded
from sim.embedded import EmbeddedVenue
from sim.market.latency import MS
from sim.market.listing import DEFAULT_NAMES, build_universe

SIGN = np.array([1, -1])


def still(market: Venue) -> Floats:
    """Moves that no market makes."""
    return np.full(len(market.universe), np.inf)


def venue(names: tuple[str, ...] = DEFAULT_NAMES, **changes: Any) -> EmbeddedVenue:
    base = Embedded(seed=5, hours=0.05, deposit_usd=1e6, requests=1e9)
    universe = build_universe(
        names, leverage=dict.fromkeys(names, 10), size_usd=dict.fromkeys(names, 500.0)
    )
    return EmbeddedVenue(msgspec.structs.replace(base, **changes), universe)


class Naive:
    """Quotes at one depth around the mid, anew every second."""

    def __init__(self, market: EmbeddedVenue, depth: float, usd: float = 800.0) -> None:
        self.venue = market
        self.depth = depth
        self.usd = usd
        self.live: tuple[str, ...] = ()
        self.number = 0
        self.events: list[Events] = []
        self.snapshots: list[MarketSnapshot] = []

    @property
    def fills(self) -> list[Fill]:
        return [fill for events in self.events for fill in events.fills]

    @property
    def funding(self) -> list[FundingPayment]:
        return [payment for events in self.events for payment in events.funding]

    async def trade(self) -> Naive:
        deadline = self.venue.now_ns
        while True:
            deadline += NS
            while True:
                self.events.append(await self.venue.wait(deadline, still(self.venue)))
                if self.venue.now_ns >= deadline or self.events[-1].closed:
                    break
            self.snapshots.append(self.venue.snapshot())
            if self.events[-1].closed:
                return self
            await self.venue.send(self.quotes(self.snapshots[-1]))

    def quotes(self, market: MarketSnapshot) -> Orders:
        decimals = self.venue.universe.sz_decimals[:, None]
        middle = 0.5 * (market.bid_price[:, :1] + market.ask_price[:, :1])
        price = np.nan_to_num(middle * (1.0 - SIGN * self.depth))
        units = ticks.to_units(price, decimals, SIGN)
        lots = ticks.to_lots(self.usd / np.where(price > 0, price, 1.0), decimals)
        places = tuple(
            NewOrder(
                cloid=f"{self.number}-{asset}-{side}",
                asset=asset,
                side=side,
                level=0,
                units=int(units[asset, side]),
                lots=int(lots[asset, side]),
            )
            for asset, side in np.ndindex(*units.shape)
            if units[asset, side] > 0
        )
        self.number += 1
        orders = Orders(time_ns=market.time_ns, cancels=self.live, places=places)
        self.live = tuple(order.cloid for order in places)
        return orders


def run(market: EmbeddedVenue, depth: float, usd: float = 800.0) -> Naive:
    return asyncio.run(Naive(market, depth, usd).trade())


def watch(market: EmbeddedVenue, seconds: int) -> list[MarketSnapshot]:
    async def look() -> list[MarketSnapshot]:
        start, snapshots = market.now_ns, []
        for second in range(1, seconds + 1):
            await market.wait(start + second * NS, still(market))
            snapshots.append(market.snapshot())
        return snapshots

    return asyncio.run(look())


def test_is_a_venue() -> None:
    market: Venue = venue(hours=0.001)
    assert len(market.universe) == 12
    asyncio.run(market.close())


def test_settings_decode_from_toml_and_refuse_nonsense() -> None:
    text = 'kind = "embedded"\nseed = 1\nhours = 2.0\ndeposit_usd = 1e4\n'
    assert msgspec.toml.decode(text, type=Embedded).start == datetime(
        2026, 1, 5, 14, 30, tzinfo=UTC
    )
    for bad in ("hours = 0.0", "deposit_usd = -1.0", "sed = 3", "levels = 0", 'start = "x"'):
        key = bad.split(" = ", maxsplit=1)[0]
        kept = "".join(line + "\n" for line in text.splitlines() if not line.startswith(key))
        with pytest.raises(msgspec.ValidationError):
            msgspec.toml.decode(kept + bad, type=Embedded)
    for required in ("seed", "hours", "deposit_usd"):
        kept = "".join(line + "\n" for line in text.splitlines() if not line.startswith(required))
        with pytest.raises(msgspec.ValidationError, match=required):
            msgspec.toml.decode(kept, type=Embedded)


def test_what_is_shown_is_late_and_well_formed() -> None:
    market = venue(feed_ms=250.0)
    first = market.snapshot()
    assert np.all(first.status == MarketStatus.NO_BOOK)
    assert np.isnan(first.mark).all()
    snapshots = watch(market, 60)
    for snap in snapshots[2:]:
        assert np.all(snap.status == MarketStatus.OPEN)
        age = snap.time_ns - snap.book_time_ns
        assert age.min() >= 250 * MS
        assert age.max() < 1000 * MS
        assert np.all(snap.bid_price[:, 0] < snap.ask_price[:, 0])
        assert np.all(np.diff(snap.bid_price, axis=1)[~np.isnan(snap.bid_price[:, 1:])] < 0)
        assert np.all(np.diff(snap.ask_price, axis=1)[~np.isnan(snap.ask_price[:, 1:])] > 0)
        assert np.array_equal(np.isnan(snap.bid_price), snap.bid_size == 0)
        assert np.all(snap.trades.time_ns <= snap.time_ns - 250 * MS)
        assert np.all(np.diff(snap.trades.time_ns) >= 0)
        assert snap.settlement_ns % (3600 * NS) == 0
        assert 0 < snap.settlement_ns - snap.time_ns <= 3600 * NS
    last = snapshots[-1]
    fair = market.market.fair(last.time_ns)
    assert np.allclose(last.bid_price[:, 0], fair, rtol=3e-3)
    assert np.allclose(last.mark, fair, rtol=3e-3)
    assert np.allclose(last.oracle, fair, rtol=3e-3)
    assert np.all(np.abs(last.funding) < 1e-3)
    assert sum(len(s.trades.asset) for s in snapshots) > 60


def test_snapshots_are_not_written_to_later() -> None:
    market = venue()
    (early,) = watch(market, 1)
    copy = early.bid_price.copy()
    watch(market, 5)
    assert np.array_equal(early.bid_price, copy, equal_nan=True)


def test_orders_and_fills_take_their_time() -> None:
    market = venue(order_ms=300.0, response_ms=150.0)
    trader = run(market, 2e-4)
    sent = {}
    for snap, number in zip(trader.snapshots, range(trader.number), strict=False):
        sent[number] = snap.time_ns
    assert len(trader.fills) > 20
    for fill in trader.fills:
        assert fill.time_ns >= sent[int(fill.cloid.split("-")[0])] + 300 * MS


def test_wait_ends_when_a_fill_is_reported_and_at_the_end() -> None:
    async def session() -> None:
        market = venue(names=("xyz:TSLA",), hours=0.03)
        trader, start = Naive(market, 1e-4), market.now_ns
        await market.wait(start + 3 * NS, still(market))
        await market.send(trader.quotes(market.snapshot()))
        assert market.account().ip_weight == 1199.0
        far = start + 3600 * NS
        events = await market.wait(far, still(market))
        assert [update.status for update in events.updates] == ["open", "open"]
        assert events.updates[0].oid > 0
        assert market.now_ns < start + 4 * NS
        while not events.fills:
            events = await market.wait(far, still(market))
        assert events.fills[0].time_ns + 100 * MS <= market.now_ns < start + 108 * NS
        while not events.closed:
            events = await market.wait(far, still(market))
        assert market.now_ns == start + 108 * NS
        assert (await market.wait(far, still(market))).closed

    asyncio.run(session())


def test_wait_ends_when_a_middle_moved_since_the_last_snapshot() -> None:
    async def session() -> None:
        market = venue(names=("xyz:TSLA", "xyz:NVDA"))
        start = market.now_ns
        await market.wait(start + 5 * NS, still(market))
        for _ in range(20):
            seen = market.snapshot()
            before = 0.5 * (seen.bid_price[:, 0] + seen.ask_price[:, 0])
            await market.wait(start + 3600 * NS, np.array([1e-4, np.inf]))
            await market.wait(start + 3600 * NS, np.array([1e-4, np.inf]))  # at once
            now = market.snapshot()
            after = 0.5 * (now.bid_price[:, 0] + now.ask_price[:, 0])
            assert abs(np.log(after[0] / before[0])) > 1e-4
            assert now.time_ns > seen.time_ns
        assert market.now_ns < start + 180 * NS

    asyncio.run(session())


def test_an_exit_closes_what_there_is_and_never_more() -> None:
    async def session() -> None:
        market = venue(names=("xyz:TSLA",))
        start, trader = market.now_ns, Naive(market, 1e-4)
        await market.wait(start + 3 * NS, still(market))
        await market.send(trader.quotes(market.snapshot()))
        while not market.account().position.any():
            await market.wait(start + 100 * NS, still(market))
        held = market.account().position[0]
        side = int(held > 0)
        book = market.exchange.books[0]
        units = round(book.best(1 - side) * (0.9 if side else 1.1) / 1000) * 1000
        place = NewOrder(cloid="out", asset=0, side=side, level=0, units=units, lots=10**6)
        live = tuple(r.cloid for r in market.exchange.accounts[0].open.values())
        await market.send(Orders(time_ns=market.now_ns, cancels=live, exits=(place,)))
        told: list[Any] = []
        while not any(update.cloid == "out" for update in told):
            events = await market.wait(market.now_ns + NS, still(market))
            told += events.updates
        assert [u.status for u in told if u.cloid == "out"] == ["filled"]
        assert market.account().position[0] == 0.0
        assert market.statistics().taker_volume_usd > 0.0

    asyncio.run(session())


def test_one_seed_one_history() -> None:
    def history(seed: int) -> tuple[bytes, list[Any]]:
        trader = run(venue(seed=seed, hours=0.02), 3e-4)
        told = msgspec.json.encode(trader.events)
        seen = [
            (
                s.bid_price.tobytes(),
                s.ask_size.tobytes(),
                s.mark.tobytes(),
                s.trades.price.tobytes(),
            )
            for s in trader.snapshots
        ]
        return told, seen

    first, again, other = history(5), history(5), history(6)
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_what_we_do_does_not_change_fair_value_or_noise_takers() -> None:
    idle, busy = venue(hours=0.02), venue(hours=0.02)
    run(idle, 0.5)
    run(busy, 2e-4)
    end = idle.now_ns
    (_, prices, regimes), (_, same, regimes_too) = idle.market.path(end), busy.market.path(end)
    assert np.array_equal(prices, same)
    assert np.array_equal(regimes, regimes_too)


def test_the_account_adds_up() -> None:
    """Over a funding settlement: equity = deposit + trades + marks - fees - funding."""
    start = datetime(2026, 1, 5, 14, 58, tzinfo=UTC)
    market = venue(start=start, hours=0.1, response_ms=0.0, response_jitter_ms=0.0, seed=8)
    trader = run(market, 3e-4)
    position, cash, gross = np.zeros(12), 0.0, 0.0
    for fill in trader.fills:
        position[fill.asset] += fill.side * fill.size
        cash -= fill.side * fill.price * fill.size + fill.fee
        gross += fill.price * fill.size
    assert len(trader.funding) >= 10
    cash -= sum(payment.usd for payment in trader.funding)
    state = market.account()
    assert np.allclose(state.position, position, atol=1e-9)
    final = market.exchange.account_state(0, market.now_ns, 0.0)
    expected = 1e6 + cash + position @ market.exchange.mark
    assert abs(final.equity[0] - expected) < 1e-9 * gross
    for payment in trader.funding:
        assert abs(payment.rate) < 1e-3
    statistics = market.statistics()
    assert statistics.fills == len(trader.fills)
    assert statistics.maker_volume_usd == pytest.approx(gross)
    assert statistics.fees_usd == pytest.approx(sum(f.fee for f in trader.fills))
    assert statistics.funding_usd == pytest.approx(sum(p.usd for p in trader.funding))
    assert state.funding_paid.sum() == pytest.approx(statistics.funding_usd)
    assert 0.0 < statistics.peak_margin_use[0] < 0.2
    assert statistics.liquidations == 0


def markouts(depth: float) -> tuple[float, float, float, float]:
    """Fills per asset and minute, then edge at once, after 30 s, and fee, in bps of volume."""
    market = venue(hours=0.15, seed=3)
    trader = run(market, depth)
    fair = market.market.fair
    rows = [
        (
            f.price * f.size,
            f.side * (fair(f.time_ns)[f.asset] / f.price - 1.0),
            f.side * (fair(f.time_ns + 30 * NS)[f.asset] / f.price - 1.0),
            f.fee / (f.price * f.size),
        )
        for f in trader.fills
        if market.universe.names[f.asset] != "xyz:GOLD"
    ]
    weight, *columns = np.array(rows).T
    edge, later, fee = (1e4 * np.average(column, weights=weight) for column in columns)
    return len(rows) / (11 * 9), float(edge), float(later), float(fee)


def test_the_market_is_worth_making_but_not_too_tightly() -> None:
    """At 4 bps a naive maker keeps part of its edge; at 1 bp informed takers leave it nothing."""
    often, edge, later, fee = markouts(4e-4)
    assert 1.5 < often < 12.0
    assert 3.0 < edge < 4.5
    assert fee + 0.5 < later < edge - 0.7
    often, edge, later, fee = markouts(1e-4)
    assert often > 6.0
    assert later < fee


def test_a_small_deposit_carries_what_it_can() -> None:
    """The exchange refuses the rest; only reducing orders may take gross margin above equity."""
    market = venue(hours=0.05, deposit_usd=700.0)
    run(market, 3e-4)
    statistics = market.statistics()
    assert statistics.rejections["Insufficient margin to place order."] > 10
    assert 0.9 < statistics.peak_margin_use[0] < 2.0
    state = market.account()
    assert state.position_margin[0] < 1.02 * state.equity[0]
