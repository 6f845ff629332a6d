"""The recorded venue: no look-ahead, latency, the exchange's rules, and exact accounts."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from portfolio_mm.rules import ticks
from portfolio_mm.types import (
    NS,
    AccountState,
    Events,
    Fill,
    MarketSnapshot,
    MarketStatus,
    NewOrder,
    Orders,
)
from portfolio_mm.venues.base import Venue
from portfolio_mm.venues.settings import Recorded
from sim.exchange.messages import MICRO
from sim.recorded.listing import build_universe
from sim.recorded.queue_models import MODELS
from sim.recorded.replay import ReplayVenue
from sim.recorded.tape import Tape, instruments, load

SETTINGS = Recorded(
    seed=3,
    deposit_usd=100_000.0,
    queue="conservative",
    maker_fee_bps=1.5,
    taker_fee_bps=4.5,
    order_ms=200.0,
    order_jitter_ms=0.0,
    response_ms=100.0,
    response_jitter_ms=0.0,
)

BIDS, ASKS = [(100.0, 1.0), (99.0, 2.0)], [(102.0, 1.5), (103.0, 2.5)]

Step = tuple[int, Events, MarketSnapshot, AccountState]


def venue(tape: Tape, *, leverage: int = 5, fee: float = 1.5e-4, **changes: Any) -> ReplayVenue:
    n = len(tape.names)
    universe = build_universe(
        tape,
        leverage=[leverage] * n,
        size_usd=[1000.0] * n,
        maker_fee=fee,
        taker_fee=4.5e-4,
    )
    return ReplayVenue(msgspec.structs.replace(SETTINGS, **changes), universe, tape)


def order(
    market: ReplayVenue, cloid: str, side: int, price: float, size: float, asset: int = 0
) -> NewOrder:
    decimals = market.universe.instruments[asset].sz_decimals
    return NewOrder(
        cloid=cloid,
        asset=asset,
        side=side,
        level=0,
        units=round(price * 10 ** (6 - decimals)),
        lots=round(size * 10**decimals),
    )


def send(market: ReplayVenue, **actions: Any) -> None:
    asyncio.run(market.send(Orders(time_ns=market.now_ns, **actions)))


def until(market: ReplayVenue, deadline_ns: int, move: float = np.inf) -> Events:
    """Wait once: to the deadline, to news of our orders, or to a move of a mid."""
    return asyncio.run(market.wait(deadline_ns, np.full(len(market.universe), move)))


def wait(market: ReplayVenue, seconds: float) -> Events:
    """Wait for a fill or the deadline, whatever else is told meanwhile."""
    deadline = market.now_ns + round(seconds * NS)
    told = [until(market, deadline)]
    while not (told[-1].fills or told[-1].closed or market.now_ns >= deadline):
        told.append(until(market, deadline))
    return Events(
        fills=told[-1].fills,
        updates=tuple(update for events in told for update in events.updates),
        funding=tuple(payment for events in told for payment in events.funding),
        closed=told[-1].closed,
    )


def quiet(record: Any, *, trades: list[Any], until: float = 30.0, **more: Any) -> Tape:
    """One book that repeats every second, and some prints."""
    books = [record.book(float(t), BIDS, ASKS) for t in range(int(until))]
    return load(record.write(l2=books, trades=trades, **more), ("BTC",))


def noisy(record: Any, seed: int, seconds: int = 60, name: str = "noisy") -> Path:
    """Two random markets with delays that overtake one another."""
    rng = np.random.default_rng(seed)
    books, best, trades = [], [], []
    for inst, scale in (("BTC", 1.0), ("ETH", 0.1)):
        mid = 1000
        for step in range(seconds * 4):
            t = step / 4.0
            mid += int(rng.integers(-2, 3))
            delay = t + 0.1 + float(rng.exponential(0.2))
            size = (rng.integers(1, 300, 6) / 100).tolist()
            bids = [((mid - 1 - k) * scale, size[k]) for k in range(3)]
            asks = [((mid + 1 + k) * scale, size[3 + k]) for k in range(3)]
            if step % 3 == 0:
                books.append(record.book(t, *_round(bids, asks), inst=inst, recv=delay))
            else:
                touches = _round(bids[:1], asks[:1])
                best.append(record.touch(t, touches[0][0], touches[1][0], inst=inst, recv=delay))
            for _ in range(int(rng.integers(0, 3))):
                side = int(rng.integers(0, 2))
                ladder = (bids, asks)[side]
                price = round(ladder[int(rng.integers(0, 3))][0], 1)
                t_trade, contracts = t + float(rng.uniform(0, 0.2)), int(rng.integers(1, 400)) / 100
                row = record.trade(t_trade, ("sell", "buy")[side], price, contracts, inst=inst)
                trades.append({**row, "recv": t_trade + 0.1 + float(rng.exponential(0.3))})
    return record.write(l2=books, bbo=best, trades=trades, name=name)


def _round(bids: list[Any], asks: list[Any]) -> tuple[list[Any], list[Any]]:
    return tuple([(round(p, 1), s) for p, s in side] for side in (bids, asks))


def quoting(
    market: ReplayVenue, *, cycle_s: float = 1.0, life: int = 5, usd: float = 50.0
) -> Iterator[Step]:
    """Place a ladder that depends on the books alone, cancel it some cycles later."""
    old: list[tuple[str, ...]] = []
    events = Events()
    for cycle in itertools.count():
        if events.closed:
            return
        events = wait(market, cycle_s)
        while events.fills and not events.closed and market.now_ns % NS:
            yield market.now_ns, events, market.snapshot(), market.account()
            events = wait(market, 1.0 - market.now_ns % NS / NS)
        snapshot = market.snapshot()
        yield market.now_ns, events, snapshot, market.account()
        places = []
        for asset, instrument in enumerate(market.universe.instruments):
            best = snapshot.bid_price[asset, 0], snapshot.ask_price[asset, 0]
            for side, depth in itertools.product((0, 1), (0.0, 2e-3)):
                if np.isnan(best[side]):
                    continue
                sign = 1 - 2 * side
                price = best[side] * (1.0 - sign * depth)
                places.append(
                    NewOrder(
                        cloid=f"{cycle}/{asset}/{side}/{depth}",
                        asset=asset,
                        side=side,
                        level=0,
                        units=int(ticks.to_units(price, instrument.sz_decimals, sign)),
                        lots=int(ticks.to_lots(usd / price, instrument.sz_decimals)),
                    )
                )
        old.append(tuple(place.cloid for place in places))
        cancels = old.pop(0) if len(old) > life else ()
        send(market, cancels=cancels, places=tuple(places))


def encoded(step: Step) -> bytes:
    return msgspec.json.encode(step, enc_hook=lambda value: value.tolist())


# What was recorded


def test_it_is_a_venue_and_every_row_is_processed(record: Any) -> None:
    tape = load(noisy(record, 1), ("BTC", "ETH"))
    market: Venue = venue(tape)
    assert isinstance(market, ReplayVenue)
    assert market.fraction == 0.0
    steps = list(quoting(market))
    assert steps[-1][1].closed
    assert market.fraction == 1.0
    statistics = market.statistics()
    assert statistics.rows == sum(statistics.file_rows.values()) == len(tape.exch_ns)
    assert sum(len(step[2].trades.asset) for step in steps) == len(tape.prints.asset)
    assert statistics.fills > 10


def test_the_recorded_half_hour_is_processed_whole(data: Path) -> None:
    tape = load(data / "market" / "hl_perp_l2_2025-09-04", ("BTC", "ETH", "SOL", "WLFI"))
    market = venue(tape)
    spread, cycles, events = Counter[int](), 0, Events()
    while not events.closed:
        events = wait(market, 1.0)
        snapshot = market.snapshot()
        spread[int((snapshot.ask_price[:, 0] > snapshot.bid_price[:, 0]).sum())] += 1
        cycles += 1
    assert market.statistics().rows == 75_546
    assert market.statistics().gaps == {"BTC": 1, "ETH": 1, "SOL": 1, "WLFI": 1}
    assert spread == {4: cycles}  # never crossed, never empty


@pytest.mark.parametrize(
    "folder",
    [
        "aster_perp_l2_2025-09-29",
        "aster_perp_l2_2025-11-28",
        "edgex_perp_l2_2025-09-13",
        "hl_perp_BTC_bbo_2025-09-01",
        "hl_perp_l2_ETH_2025-12-10",
        "lighter_perp_bbo_2025-09-15",
    ],
)
def test_other_recordings_can_be_quoted_in(data: Path, folder: str) -> None:
    path = data / "market" / folder
    market = venue(load(path, instruments(path)), queue="power")
    *_, last = quoting(market, cycle_s=10.0)
    statistics = market.statistics()
    assert last[1].closed
    assert statistics.rows == sum(statistics.file_rows.values())
    assert statistics.filled_orders > 0
    assert statistics.peak_margin_use[0] <= 1.0


def test_nothing_is_seen_before_it_was_received(record: Any) -> None:
    whole = noisy(record, 2)
    cut = record.ns(40.0)
    part = record.home / "part"
    part.mkdir()
    for path in whole.glob("*.parquet"):
        pl.read_parquet(path).filter(pl.col("ts_recv_ns") <= cut).write_parquet(part / path.name)
    runs = [
        [
            encoded(step)
            for step in quoting(venue(load(folder, ("BTC", "ETH"))))
            if step[0] < cut - NS
        ]
        for folder in (whole, part)
    ]
    assert len(runs[0]) > 30
    assert runs[0] == runs[1]


def test_two_runs_are_the_same(record: Any) -> None:
    tape = load(noisy(record, 3), ("BTC", "ETH"))
    jitter = {"order_jitter_ms": 50.0, "response_jitter_ms": 30.0}
    runs = [[encoded(step) for step in quoting(venue(tape, **jitter))] for _ in range(2)]
    assert runs[0] == runs[1]


def test_the_local_book_is_the_newest_of_what_arrived(record: Any) -> None:
    tape = load(
        record.write(
            l2=[
                record.book(1.0, BIDS, ASKS),
                record.book(2.0, [(90.0, 1.0), (89.0, 1.0)], ASKS, recv=5.0),
            ],
            bbo=[record.touch(3.0, (95.0, 4.0), (102.0, 1.0), recv=3.1)],
            trades=[record.trade(9.0, "buy", 102.0, 1.0)],
        ),
        ("BTC",),
    )
    market = venue(tape)
    seen = []
    for _ in range(5):
        snapshot = market.snapshot()
        row = snapshot.bid_price[0], snapshot.bid_size[0], snapshot.book_time_ns[0]
        seen.append((*row[0].tolist(), *row[1].tolist(), (row[2] - record.ns(0)) / NS))
        wait(market, 1.0)
    # The touch removes what it crossed; the late book fills in below it and does not undo it.
    assert seen[0] == (100.0, 99.0, 1.0, 2.0, 1.0)
    assert seen[2][::2] == pytest.approx((95.0, 4.0, 3.0))
    assert seen[4] == (95.0, 90.0, 4.0, 1.0, 3.0)


def test_before_its_first_book_a_market_has_none(record: Any) -> None:
    tape = load(
        record.write(
            l2=[record.book(1.0, BIDS, ASKS), record.book(5.0, BIDS, ASKS, inst="ETH")],
            trades=[record.trade(2.0, "sell", 100.0, 9.0, inst="ETH")],
        ),
        ("BTC", "ETH"),
    )
    market = venue(tape)
    snapshot = market.snapshot()
    assert snapshot.status.tolist() == [MarketStatus.OPEN, MarketStatus.NO_BOOK]
    assert snapshot.book_time_ns[1] == 0
    assert np.isnan([snapshot.mark[1], snapshot.oracle[1], snapshot.bid_price[1, 0]]).all()
    assert snapshot.mark[0] == snapshot.oracle[0] == 101.0
    send(market, places=(order(market, "a", 0, 99.0, 1.0, asset=1),))
    assert wait(market, 1.0).updates[0].status == "oracleRejected"
    wait(market, 5.0)
    snapshot = market.snapshot()
    assert snapshot.status[1] == MarketStatus.OPEN
    assert len(snapshot.trades.asset) == 0  # older than the first book
    assert market.statistics().backfill == 1


def test_a_gap_is_silence(record: Any) -> None:
    books = [record.book(float(t), BIDS, ASKS) for t in (0, 1, 2, 20, 21)]
    market = venue(
        load(record.write(l2=books, trades=[record.trade(1.5, "buy", 102.0, 1.0)]), ("BTC",))
    )
    wait(market, 15.0)
    snapshot = market.snapshot()
    assert snapshot.time_ns - snapshot.book_time_ns[0] == 13.25 * NS
    assert snapshot.status[0] == MarketStatus.OPEN  # its age is the engine's to judge
    assert market.statistics().gaps == {"BTC": 1}


def test_the_clock_skips_the_nights_between_sessions(record: Any) -> None:
    books = [record.book(float(t), BIDS, ASKS) for t in (*range(10), *range(90_000, 90_010))]
    market = venue(
        load(record.write(l2=books, trades=[record.trade(1.5, "buy", 102.0, 1.0)]), ("BTC",))
    )
    cycles = 0
    while not wait(market, 1.0).closed:
        cycles += 1
    assert cycles < 100
    assert market.now_ns == record.ns(90_009.25)


def test_wait_ends_when_a_middle_is_known_to_have_moved(record: Any) -> None:
    moved = [(99.0, 1.0), (98.0, 1.0)], [(101.0, 1.0), (102.0, 1.0)]
    books = [record.book(float(t), BIDS, ASKS) for t in range(5)]
    books += [record.book(float(t), *moved) for t in range(5, 10)]
    tape = load(record.write(l2=books, trades=[record.trade(1.5, "buy", 102.0, 1.0)]), ("BTC",))
    market = venue(tape)
    market.snapshot()
    end, far = tape.end_ns, 0.02
    seen = market.now_ns
    until(market, end, far)
    assert market.now_ns == tape.end_ns
    market = venue(tape)
    market.snapshot()
    until(market, end, 1e-4)
    assert seen < market.now_ns == record.ns(5.25)
    until(market, end, 1e-4)
    assert market.now_ns == record.ns(5.25)  # it still is where it is until one looks
    market.snapshot()
    until(market, end, 1e-4)
    assert market.now_ns == end


def test_wait_ends_at_an_order_update(record: Any) -> None:
    market = venue(quiet(record, trades=[record.trade(25.0, "buy", 102.0, 0.1)]))
    send(market, places=(order(market, "a", 0, 99.0, 0.5),))
    events = until(market, market.now_ns + 10 * NS)
    assert [update.status for update in events.updates] == ["open"]
    assert market.now_ns < record.ns(2.0)


# What we do


def test_an_order_takes_its_time_and_so_does_its_answer(record: Any) -> None:
    # A second ahead of us, and prints before and after the order arrives at 5.45 s.
    tape = quiet(record, trades=[record.trade(t, "sell", 100.0, 1.0) for t in (5.4, 6.0, 7.0)])
    market = venue(tape)
    wait(market, 5.0)
    assert market.now_ns == record.ns(5.25)
    send(market, places=(order(market, "a", 0, 100.0, 0.4),))
    events = wait(market, 0.25)
    assert (events.fills, events.updates) == ((), ())
    assert market.account().order_margin[0] == 0.0
    (update,) = wait(market, 0.25).updates
    assert (update.cloid, update.status, update.time_ns) == ("a", "open", record.ns(5.45))
    assert market.account().order_margin[0] == pytest.approx(8.0)
    events = wait(market, 100.0)
    (fill,) = events.fills
    assert fill.time_ns == record.ns(7.0)  # the print at 6 s was the queue's
    assert market.now_ns == record.ns(7.1)
    assert (fill.side, fill.price, fill.size, fill.maker) == (1, 100.0, 0.4, True)
    assert fill.fee == pytest.approx(40.0 * 1.5e-4)
    assert [u.status for u in events.updates] == ["filled"]
    account = market.account()
    assert account.position[0] == 0.4
    assert account.entry_price[0] == 100.0
    assert account.order_margin[0] == 0.0


def test_a_partial_fill_leaves_the_rest(record: Any) -> None:
    market = venue(quiet(record, trades=[record.trade(t, "sell", 100.0, 1.2) for t in (3.0, 4.0)]))
    send(market, places=(order(market, "a", 0, 100.0, 1.0),))
    sizes = []
    while not (events := wait(market, 100.0)).closed:
        sizes += [fill.size for fill in events.fills]
    assert sizes == [0.2, 0.8]
    assert market.account().position[0] == 1.0


def test_a_cancel_works_when_it_arrives(record: Any) -> None:
    trades = [record.trade(t, "sell", 99.5, 1.0) for t in (5.3, 5.6)]
    market = venue(quiet(record, trades=trades))
    send(market, places=(order(market, "a", 0, 100.0, 0.3), order(market, "b", 0, 99.5, 5.0)))
    wait(market, 5.0)
    send(market, cancels=("a", "b", "c"))
    first = wait(market, 10.0)
    assert [(fill.cloid, fill.size) for fill in first.fills] == [("a", 0.3), ("b", 0.7)]
    second = wait(market, 10.0)
    assert second.fills == ()
    assert {(u.cloid, u.status) for u in second.updates} == {
        ("a", "unknownOid"),
        ("b", "canceled"),
        ("c", "unknownOid"),
    }
    assert market.account().order_margin[0] == 0.0


def test_a_modified_order_queues_again(record: Any) -> None:
    trades = [record.trade(t, "sell", 100.0, 1.0) for t in (3.0, 6.0, 7.0)]
    market = venue(quiet(record, trades=trades))
    send(market, places=(order(market, "a", 0, 100.0, 0.5),))
    wait(market, 4.0)
    send(market, modifies=(("a", order(market, "b", 0, 100.0, 0.5)),))
    (fill,) = wait(market, 100.0).fills
    assert (fill.cloid, fill.time_ns) == ("b", record.ns(7.0))
    send(market, modifies=(("a", order(market, "c", 0, 100.0, 0.5)),))
    (update,) = wait(market, 1.0).updates
    assert (update.cloid, update.reason) == ("c", "Cannot modify canceled or filled order")


@pytest.mark.parametrize(
    ("price", "size", "text"),
    [
        (102.0, 1.0, "Post only order would have immediately matched, bbo was 100@102. asset=0"),
        (100.001, 1.0, "Price must be divisible by tick size. asset=0"),
        (99.0, 0.1, "Order must have minimum value of $10. asset=0"),
        (99.0, 0.0, "Order has zero size. asset=0"),
        (99.0, 6000.0, "Insufficient margin to place order. asset=0"),
    ],
)
def test_the_exchange_refuses(record: Any, price: float, size: float, text: str) -> None:
    trades = [record.trade(1.5, "sell", 100.0, 0.01)]
    market = venue(quiet(record, trades=trades))
    assert market.universe.instruments[0].sz_decimals == 2
    send(market, places=(order(market, "a", 0, price, size),))
    (update,) = wait(market, 1.0).updates
    assert update.reason == text
    assert sum(market.statistics().rejections.values()) == 1


def test_an_id_is_used_once(record: Any) -> None:
    market = venue(quiet(record, trades=[record.trade(20.0, "sell", 100.0, 0.01)]))
    for _ in range(2):
        send(market, places=(order(market, "a", 0, 99.0, 1.0),))
    updates = wait(market, 1.0).updates
    assert [update.status for update in updates] == ["open", "rejected"]


def test_margin_is_gross_and_never_above_the_limit(record: Any) -> None:
    market = venue(quiet(record, trades=[record.trade(20.0, "sell", 100.0, 0.01)]))
    half = 100_000.0 * 5 / 2
    ladder = [order(market, str(s), s, p, half / p) for s, p in ((0, 99.0), (1, 103.0))]
    send(market, places=(*ladder, order(market, "more", 0, 99.0, 1.0)))
    assert [u.status for u in wait(market, 1.0).updates] == ["open", "open", "perpMarginRejected"]
    assert 0.99 < market.statistics().peak_margin_use[0] <= 1.0


def test_funding_is_paid_on_the_hour_at_the_mid(record: Any) -> None:
    tape = quiet(record, trades=[record.trade(2.0, "sell", 99.0, 5.0)], until=1700.0)
    market = venue(tape, funding_rate=1e-4)
    send(market, places=(order(market, "a", 0, 100.0, 3.0),))
    payments, snapshot = [], market.snapshot()
    assert snapshot.settlement_ns == record.ns(1600.0)
    assert snapshot.funding.tolist() == [1e-4]
    while not (events := wait(market, 60.0)).closed:
        payments += events.funding
    (payment,) = payments
    assert payment.time_ns == record.ns(1600.0)
    assert payment.usd == pytest.approx(3.0 * 101.0 * 1e-4)
    assert market.account().funding_paid[0] == pytest.approx(payment.usd)


def test_an_account_below_maintenance_is_liquidated(record: Any) -> None:
    crash = [record.book(float(t), [(70.0, 900.0), (69.0, 900.0)], ASKS) for t in range(20, 25)]
    books = [record.book(float(t), BIDS, ASKS) for t in range(20)] + crash
    trades = [record.trade(5.0, "sell", 99.0, 900.0)]
    market = venue(
        load(record.write(l2=books, trades=trades), ("BTC",)), leverage=10, deposit_usd=1000.0
    )
    send(market, places=(order(market, "a", 0, 100.0, 90.0),))
    while not wait(market, 1.0).closed:
        pass
    statistics = market.statistics()
    assert statistics.same_orders["conservative"].contracts.tolist() == [90.0]
    assert statistics.liquidations >= 1
    assert market.account().position[0] == 0.0


# What must add up


def assert_reproduced(market: ReplayVenue, fills: list[Fill]) -> None:
    """The run's own model gives the run's own fills, and no other has its order reversed."""
    statistics = market.statistics()
    own = statistics.same_orders[statistics.queue]
    decimals = market.universe.sz_decimals
    lots = np.zeros(len(decimals), dtype=np.int64)
    for fill in fills:
        lots[fill.asset] += ticks.to_lots(fill.size, int(decimals[fill.asset]))
    assert own.contracts.tolist() == ticks.from_lots(lots, decimals).tolist()
    assert own.fills.tolist() == np.bincount([f.asset for f in fills], minlength=len(lots)).tolist()
    assert own.filled_orders.sum() == len({fill.cloid for fill in fills})
    assert own.volume_usd.sum() == pytest.approx(statistics.maker_volume_usd)
    assert list(statistics.same_orders) == list(MODELS)
    for fewer, more in itertools.pairwise(statistics.same_orders.values()):
        assert (fewer.filled_orders <= more.filled_orders).all()
        assert (fewer.contracts <= more.contracts).all()


def end_of(market: ReplayVenue) -> tuple[list[Fill], float]:
    fills, paid = [], 0.0
    for _, events, _, _ in quoting(market):
        fills += events.fills
        paid += sum(payment.usd for payment in events.funding)
    return fills, paid


@pytest.mark.parametrize("queue", list(MODELS))
def test_equity_is_what_the_fills_made_it(record: Any, queue: str) -> None:
    tape = load(noisy(record, 4, seconds=120), ("BTC", "ETH"))
    market = venue(tape, queue=queue, fee=-2e-5)
    for books in tape.books:
        assert books.full.any()
    fills, paid = end_of(market)
    market.exchange.value(market.now_ns)
    mark, account = market.exchange.mark, market.exchange.accounts[0]
    assert len(fills) == market.statistics().fills > 20
    assert len({fill.cloid for fill in fills}) == market.statistics().filled_orders
    position = np.zeros(2)
    flows = [100_000.0, -paid]
    for fill in fills:
        position[fill.asset] += fill.side * fill.size
        flows += [-fill.side * fill.price * fill.size, -fill.fee]
    gross = np.abs(flows).sum()
    equity = float(account.margin().equity[0])
    assert abs(sum(flows) + position @ mark - equity) <= 1e-9 * gross
    assert position == pytest.approx(account.position(), abs=1e-12)
    assert sum(fill.fee for fill in fills) == pytest.approx(account.fees_paid / MICRO)
    volume = sum(fill.price * fill.size for fill in fills)
    assert market.statistics().maker_volume_usd == pytest.approx(volume)
    assert_reproduced(market, fills)


def filled_per_order(market: ReplayVenue) -> Counter[str]:
    filled: Counter[str] = Counter()
    for fill in end_of(market)[0]:
        decimals = market.universe.instruments[fill.asset].sz_decimals
        filled[fill.cloid] += int(ticks.to_lots(fill.size, decimals))
    return filled


def assert_ordered(run: Callable[[str], Counter[str]]) -> list[Counter[str]]:
    counts = [run(queue) for queue in MODELS]
    for fewer, more in itertools.pairwise(counts):
        assert all(more[cloid] >= lots for cloid, lots in fewer.items())
    return counts


def test_no_order_fills_more_under_a_more_conservative_model(record: Any) -> None:
    tape = load(noisy(record, 5), ("BTC", "ETH"))
    counts = assert_ordered(lambda queue: filled_per_order(venue(tape, queue=queue)))
    assert 0 < counts[0].total() < counts[-1].total()


def five_minutes(data: Path, folder: Path) -> Path:
    source = data / "market" / "hl_perp_l2_2025-09-04"
    for path in source.glob("*.parquet"):
        frame = pl.read_parquet(path)
        first = 1_757_015_216 * NS
        frame.filter(pl.col("ts_recv_ns") < first + 300 * NS).write_parquet(folder / path.name)
    return folder


def test_nor_on_five_minutes_of_recorded_books(data: Path, tmp_path: Path) -> None:
    tape = load(five_minutes(data, tmp_path), ("ETH", "WLFI"))
    counts = assert_ordered(lambda queue: filled_per_order(venue(tape, queue=queue)))
    assert 0 < counts[0].total() < counts[-1].total()


@pytest.mark.parametrize("queue", ["conservative", "power"])
def test_five_recorded_minutes_are_reproduced_by_their_own_orders(
    data: Path, tmp_path: Path, queue: str
) -> None:
    tape = load(five_minutes(data, tmp_path), ("ETH", "WLFI"))
    market = venue(tape, queue=queue)
    fills, _ = end_of(market)
    assert len(fills) > 10
    assert_reproduced(market, fills)
    same = market.statistics().same_orders
    assert same["conservative"].contracts.sum() < same["power"].contracts.sum()
    assert market.statistics().same_orders is same  # nothing happened since


def test_the_comparison_follows_a_run(record: Any) -> None:
    tape = load(noisy(record, 6), ("BTC", "ETH"))
    market, fills = venue(tape, queue="bounded"), []
    for cycle, (_, events, _, _) in enumerate(quoting(market)):
        fills += events.fills
        if cycle % 10 == 0:
            own = market.statistics().same_orders["bounded"]
            assert own.fills.sum() == market.statistics().fills
    assert_reproduced(market, fills)


def test_what_the_account_cannot_carry_fills_under_no_model(record: Any) -> None:
    fallen = [(90.0, 50.0), (89.0, 50.0)], [(100.0, 1.0), (103.0, 2.5)]
    books = [record.book(float(t), BIDS, ASKS) for t in range(5)]
    books += [record.book(float(t), *fallen) for t in range(5, 10)]
    trades = [record.trade(2.0, "sell", 99.5, 30.0), record.trade(6.0, "sell", 98.0, 17.0)]
    market = venue(load(record.write(l2=books, trades=trades), ("BTC",)), deposit_usd=1000.0)
    places = (("a", 100.0, 30.0), ("b", 99.0, 15.0), ("c", 98.5, 4.0))
    send(market, places=tuple(order(market, cloid, 0, *rest) for cloid, *rest in places))
    fills, updates = [], {}
    while not (events := wait(market, 1.0)).closed:
        fills += events.fills
        updates |= {update.cloid: update.status for update in events.updates}
    assert updates == {"a": "filled", "b": "marginCanceled", "c": "open"}
    assert [(fill.cloid, fill.size) for fill in fills] == [("a", 30.0), ("c", 2.0)]
    assert_reproduced(market, fills)


# What the settings say


def test_settings_without_a_queue_model_or_fees_are_refused() -> None:
    whole = {"kind": "recorded"} | msgspec.to_builtins(SETTINGS)
    assert msgspec.convert(whole, Recorded) == SETTINGS
    for key in ("queue", "maker_fee_bps", "taker_fee_bps", "deposit_usd", "seed"):
        with pytest.raises(msgspec.ValidationError, match=key):
            msgspec.convert({k: v for k, v in whole.items() if k != key}, Recorded)
    for key, value in (("queue", "hopeful"), ("order_ms", -1.0), ("colour", 1)):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(whole | {key: value}, Recorded)
