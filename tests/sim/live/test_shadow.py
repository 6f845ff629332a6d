"""Shadow trading: what the live feed fills is what a replay of its recording fills."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from portfolio_mm import config as configuration
from portfolio_mm.config import Asset
from portfolio_mm.rules import ticks
from portfolio_mm.runtime import loop
from portfolio_mm.runtime.journal import Journal
from portfolio_mm.runtime.kill import Until
from portfolio_mm.types import NS, Events, Fill, MarketSnapshot, NewOrder, Orders, Universe
from portfolio_mm.venues.base import Venue, VenueError
from portfolio_mm.venues.hyperliquid import events
from portfolio_mm.venues.settings import Recorded, Shadow
from sim.live import shadow
from sim.live.exchange import LiveExchange, LiveMarkets
from sim.live.shadow import ShadowStatistics
from sim.live.tape import LiveTape
from sim.recorded import files as recording_files
from sim.recorded.queue_models import MODELS
from sim.recorded.recorder import record
from sim.recorded.replay import ReplayVenue
from sim.recorded.tape import BOOK, PRINT, TOUCH, Tape, load

SETTINGS = Shadow(
    network="local",
    url="http://127.0.0.1:1",
    seed=3,
    deposit_usd=100_000.0,
    queue="power",
    patience_ms=1000.0,
)

Sent = list[tuple[int, Orders]]


def assets(names: Sequence[str]) -> list[Asset]:
    return [Asset(name=name, leverage=5, size_usd=1000.0) for name in names]


def still(venue: Venue) -> Any:
    return np.full(len(venue.universe), np.inf)


def ladder(universe: Universe, snapshot: MarketSnapshot, cycle: int) -> tuple[NewOrder, ...]:
    """At the touch and a little behind it, 50 USD each."""
    places = []
    for asset, instrument in enumerate(universe.instruments):
        touch = snapshot.bid_price[asset, 0], snapshot.ask_price[asset, 0]
        for side, depth in itertools.product((0, 1), (0.0, 5e-4)):
            sign = 1 - 2 * side
            price = touch[side] * (1.0 - sign * depth)
            places.append(
                NewOrder(
                    cloid=f"{cycle}/{asset}/{side}/{depth}",
                    asset=asset,
                    side=side,
                    level=0,
                    units=int(ticks.to_units(price, instrument.sz_decimals, sign)),
                    lots=int(ticks.to_lots(50.0 / price, instrument.sz_decimals)),
                )
            )
    return tuple(places)


async def quoted(venue: Venue, seconds: int, sent: Sent, settings: Shadow) -> list[Events]:
    """Place a ladder every second and cancel it five seconds later; then wait for the last words."""
    heard, old = [], []
    for cycle in range(seconds):
        snapshot = venue.snapshot()
        places = ladder(venue.universe, snapshot, cycle)
        old.append(tuple(order.cloid for order in places))
        gone = old.pop(0) if len(old) > 5 else ()
        sent.append((venue.now_ns, Orders(time_ns=venue.now_ns, cancels=gone, places=places)))
        await venue.send(sent[-1][1])
        until = venue.now_ns + NS
        while venue.now_ns < until:
            heard.append(await venue.wait(until, still(venue)))
    every = tuple(name for names in old for name in names)
    sent.append((venue.now_ns, Orders(time_ns=venue.now_ns, cancels=every)))
    await venue.send(sent[-1][1])
    until = venue.now_ns + 3 * NS + round(1e6 * settings.patience_ms)
    while venue.now_ns < until:
        heard.append(await venue.wait(until, still(venue)))
    return heard


async def resent(venue: Venue, sent: Sent) -> list[Fill]:
    """Send the same orders at the same times, and return what they fill."""
    fills: list[Fill] = []
    happened = Events()
    for time_ns, orders in sent:
        while venue.now_ns < time_ns:
            fills += (await venue.wait(time_ns, still(venue))).fills
        await venue.send(orders)
    while not happened.closed:
        happened = await venue.wait(venue.now_ns + NS, still(venue))
        fills += happened.fills
    return fills


def replayed(settings: Shadow, universe: Universe, tape: Tape, sent: Sent) -> list[Fill]:
    same = ("seed", "deposit_usd", "queue", "order_ms", "order_jitter_ms", "response_ms")
    recorded = Recorded(
        maker_fee_bps=0.0,  # the universe has the fees
        taker_fee_bps=0.0,
        **{key: getattr(settings, key) for key in same},
    )
    return asyncio.run(resent(ReplayVenue(recorded, universe, tape), sent))


def facts(fills: Sequence[Fill]) -> list[Any]:
    return [(f.time_ns, f.asset, f.side, f.price, f.size, f.fee, f.maker, f.cloid) for f in fills]


def filled(heard: Sequence[Events]) -> list[Fill]:
    return [fill for happened in heard for fill in happened.fills]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recording")


@pytest.fixture(scope="module")
def run(live: Any, home: Path) -> Any:
    """One minute of shadow trading, and a recording of the same minute beside it."""
    sent: Sent = []

    async def job(make: Any) -> Any:
        recording = asyncio.create_task(record(make(), live.NAMES, home, hours=75 / 3600))
        await asyncio.sleep(1.0)
        venue = await shadow.connect(SETTINGS, assets(live.NAMES), make())
        heard = await quoted(venue, 60, sent, SETTINGS)
        await venue.close()
        await recording
        return venue, heard

    return (*live.at_gateway(live.gateway(), job), sent)


# The same as a replay


def test_a_recording_of_the_feed_replays_to_the_same_fills(live: Any, run: Any, home: Path) -> None:
    venue, heard, sent = run
    assert len(filled(heard)) > 100
    assert venue.statistics().late == 0
    tape = load(home, live.NAMES)
    assert facts(replayed(SETTINGS, venue.universe, tape, sent)) == facts(filled(heard))


@pytest.mark.parametrize("queue", list(MODELS))
def test_a_recording_that_is_played_live_fills_as_its_replay_does(
    live: Any, run: Any, home: Path, queue: str
) -> None:
    settings = msgspec.structs.replace(SETTINGS, queue=queue, seed=11)
    tape = load(home, live.NAMES)
    assert_same(live, settings, tape, 20)


def test_a_minute_of_hyperliquid_does_too(live: Any, data: Path, tmp_path: Path) -> None:
    names = ("BTC", "ETH", "SOL")
    source = data / "market" / "hl_perp_l2_2025-09-04"
    deep = [
        f"{side}_{c}_{k}" for side in ("bid", "ask") for c in ("px", "sz") for k in range(5, 20)
    ]
    for name, dropped in (("l2_20lvl", deep), ("bbo", []), ("trades", [])):
        frame_ = pl.read_parquet(source / f"{name}.parquet").drop(dropped)
        early = pl.col("ts_recv_ns") < frame_["ts_recv_ns"].min() + 90 * NS
        frame_.filter(early).write_parquet(tmp_path / f"{name}.parquet")
    settings = msgspec.structs.replace(SETTINGS, queue="bounded", patience_ms=20_000.0)
    assert_same(live, settings, load(tmp_path, names), 60)


def assert_same(live: Any, settings: Shadow, tape: Tape, seconds: int) -> None:
    sent: Sent = []
    player = live.Player(tape, tape.names)

    async def job(make: Any) -> Any:
        venue = await shadow.connect(settings, assets(tape.names), make())
        heard = await quoted(venue, seconds, sent, settings)
        await venue.close()
        return venue, heard

    venue, heard = player.run(job)
    assert len(filled(heard)) > 10
    assert venue.statistics().late == 0
    assert facts(replayed(settings, venue.universe, tape, sent)) == facts(filled(heard))


# The venue protocol


def test_it_is_a_venue_on_live_prices(run: Any) -> None:
    venue, _, _ = run
    shadowing: Venue = venue
    snapshot = shadowing.snapshot()
    assert (snapshot.ask_price[:, 0] > snapshot.bid_price[:, 0]).all()
    assert snapshot.settlement_ns % recording_files.HOUR_NS == 0
    assert venue.account().mark == pytest.approx(snapshot.mark, rel=1e-2)
    assert venue.universe.pools == ("main", "xyz")


def test_every_order_gets_a_first_word_after_its_latency(run: Any) -> None:
    _, heard, sent = run
    first: dict[str, int] = {}
    for happened in heard:
        for update in happened.updates:
            first.setdefault(update.cloid, update.time_ns)
    for time_ns, orders in sent:
        for order in orders.places:
            assert first[order.cloid] - time_ns >= 200_000_000


def test_equity_is_what_the_fills_made_it(run: Any) -> None:
    venue, heard, sent = run
    exchange, fills = venue._exchange, filled(heard)
    exchange.value(sent[-1][0] + 10 * NS)
    account = exchange.accounts[0]
    paid = sum(payment.usd for happened in heard for payment in happened.funding)
    position = np.zeros(2)
    flows = [100_000.0, -paid]
    for fill in fills:
        position[fill.asset] += fill.side * fill.size
        flows += [-fill.side * fill.price * fill.size, -fill.fee]
    equity = float(account.margin().equity.sum())
    assert sum(flows) + position @ exchange.mark == pytest.approx(equity, rel=1e-12)
    assert position == pytest.approx(account.position(), abs=1e-12)
    statistics = venue.statistics()
    assert isinstance(statistics, ShadowStatistics)
    assert statistics.fills == len(fills)
    assert statistics.fees_usd == pytest.approx(sum(fill.fee for fill in fills))
    assert statistics.funding_usd == pytest.approx(paid)
    assert paid != 0.0  # the hour ended in between
    assert statistics.rejections.keys() <= {"Order was never placed, already canceled, or filled."}
    assert not exchange.rested  # nothing rests any more, and nothing is remembered


def test_fees_are_the_venues(run: Any) -> None:
    venue, heard, _ = run
    assert venue.universe.maker_fee == pytest.approx([1.5e-4, 0.3e-4])
    for fill in filled(heard):
        rate = venue.universe.maker_fee[fill.asset]
        assert fill.fee == pytest.approx(rate * fill.price * fill.size, abs=1e-6)


def test_wait_returns_when_a_mid_moves(live: Any) -> None:
    async def job(make: Any) -> None:
        venue = await shadow.connect(SETTINGS, assets(live.NAMES), make())
        for moves, early in ((np.full(2, 1e-9), True), (still(venue), False)):
            before = venue.snapshot()
            until = venue.now_ns + 20 * NS
            await venue.wait(until, moves)
            assert (venue.now_ns < until) == early
            after = venue.snapshot()
            moved = after.bid_price[:, 0] + after.ask_price[:, 0]
            assert (moved != before.bid_price[:, 0] + before.ask_price[:, 0]).any()
        await venue.close()

    live.at_gateway(live.gateway(), job)


def test_a_venue_that_says_nothing_is_an_error(live: Any, run: Any, home: Path) -> None:
    player = live.Player(load(home, ("BTC",)), live.NAMES)

    async def job(make: Any) -> None:
        with pytest.raises(VenueError, match="no market has shown a book within 30 s"):
            await shadow.connect(SETTINGS, assets(("xyz:NVDA",)), make())

    del run
    player.run(job)


def test_the_engine_quotes_on_it(live: Any, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    config = configuration.load(root / "configs" / "shadow.toml")
    assert isinstance(config.venue, Shadow)
    assert config.venue.network == "mainnet"
    local = msgspec.structs.replace(SETTINGS, deposit_usd=config.venue.deposit_usd)
    config = msgspec.structs.replace(config, venue=local)
    names = tuple(asset.name for asset in config.assets)

    async def job(make: Any) -> Any:
        venue = await shadow.connect(local, config.assets, make())
        until = Until(venue.now_ns + 30 * NS)
        with Journal(tmp_path / "run", durable=False) as journal:
            outcome = await loop.run(config, venue, journal, stop=until)
        return venue, outcome

    venue, outcome = live.at_gateway(live.gateway(names), job)
    assert outcome.cycles >= 29
    assert outcome.resting == ()
    assert venue.statistics().rejections.keys() <= {
        "Order was never placed, already canceled, or filled.",
        "Cannot modify canceled or filled order",
    }


# The live tape


def universe_of(run: Any) -> Universe:
    universe: Universe = run[0].universe
    return universe


def test_pieces_are_in_venue_time_order_and_late_rows_count_when_known(live: Any, run: Any) -> None:
    universe = universe_of(run)
    tape = LiveTape(universe, events.index(universe))
    ms = 1_000_000
    for taken in (
        live.touch(5, [(99, 1)], [(101, 1)]),  # before the first book
        live.trades((6, 1, "B", 101, 1)),
        live.book(10, [(100, 1)], [(101, 1)]),
        live.touch(30, [(100, 1)], [(102, 1)]),
        live.touch(20, [(99, 1)], [(101, 1)]),
        live.trades((20, 2, "B", 101, 1), (20, 2, "B", 101, 1)),
        live.book(12, [(50, 1)], [(51, 1)], "SOL"),  # not ours
    ):
        tape.take(taken, 40 * ms)
    assert tape.piece(4 * ms) is None
    piece, _ = tape.piece(25 * ms) or pytest.fail("nothing happened")
    assert (piece.exch_ns // ms).tolist() == [6, 10, 20, 20]
    assert piece.kind.tolist() == [PRINT, BOOK, PRINT, TOUCH]
    assert piece.prints.backfill.tolist() == [True, False]
    assert tape.piece(25 * ms) is None
    for taken in (
        live.trades((21, 3, "B", 101, 1)),
        live.touch(19, [(98, 1)], [(99, 1)]),
        live.book(22, [(97, 1)], [(98, 1)]),
    ):
        tape.take(taken, 41 * ms)
    late, _ = tape.piece(30 * ms) or pytest.fail("nothing happened")
    assert late.exch_ns.tolist() == [25 * ms + 1, 25 * ms + 1, 30 * ms]
    assert late.kind.tolist() == [PRINT, BOOK, TOUCH]  # a touch older than the one taken is dropped
    assert (tape.rows, tape.late) == (7, 3)


def test_an_order_keeps_its_place_from_piece_to_piece(live: Any, run: Any) -> None:
    universe = universe_of(run)
    tape = LiveTape(universe, events.index(universe))
    markets = LiveMarkets(universe, MODELS["conservative"])
    exchange = LiveExchange(markets)
    owner = exchange.open_account([10**11] * len(universe.pools), 1000.0)
    ms = 1_000_000
    assert exchange.replay(1) is None
    tape.take(live.book(10, [(100, 1)], [(101, 1)]), 10 * ms)
    markets.go_on(*(tape.piece(10 * ms) or pytest.fail("nothing happened")))
    assert exchange.replay(10 * ms) is None
    new = NewOrder(cloid="a", asset=0, side=1, level=0, units=1010, lots=100_000)
    exchange.submit(owner, Orders(time_ns=11 * ms, places=(new,)), 11 * ms)
    assert exchange.books[0].ahead(exchange.accounts[owner].cloids["a"]) == 1.0
    filled_ns = []
    for time in (20, 30):  # the first print takes what is ahead, the second is ours
        tape.take(live.trades((time, time, "B", 101, 1)), time * ms)
        markets.go_on(*(tape.piece(time * ms) or pytest.fail("nothing happened")))
        filled_ns.append(exchange.replay(time * ms))
    assert filled_ns == [None, 30 * ms]
    assert exchange.accounts[owner].position()[0] == -1.0
    assert not exchange.rested


def test_what_is_deeper_than_a_fast_book_is_not_known_to_be_empty(live: Any, run: Any) -> None:
    universe = universe_of(run)
    tape = LiveTape(universe, events.index(universe))
    markets = LiveMarkets(universe, MODELS["conservative"])
    tape.take(live.book(1, [(100 - k, 1) for k in range(20)], []), 1_000_000)
    markets.go_on(*(tape.piece(1_000_000) or pytest.fail("nothing happened")))
    display = markets.books[0]
    display.sync(1_000_000)
    assert display.display.shown(0, 960) == 1.0
    assert display.display.shown(0, 950) == np.inf
    assert display.display.shown(1, 1010) == 0.0
