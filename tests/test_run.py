"""Whole runs, from a configuration to the journal: what must hold whatever the market does."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
import pytest

from portfolio_mm import cli, config, report
from portfolio_mm.config import Config
from portfolio_mm.report.summary import Summary
from portfolio_mm.rules import ticks
from portfolio_mm.runtime import journal
from portfolio_mm.runtime.journal import Journal
from portfolio_mm.runtime.loop import Outcome
from portfolio_mm.runtime.loop import run as run_loop
from portfolio_mm.runtime.records import Closing
from portfolio_mm.runtime.verify import verify
from portfolio_mm.types import (
    NS,
    AccountState,
    Evaluation,
    Events,
    MarketSnapshot,
    NewOrder,
    Orders,
    QuoteSet,
)
from sim.embedded import EmbeddedVenue
from sim.exchange import refusals
from sim.exchange.matching import NOBODY
from sim.market.listing import build_universe

CONFIGS = Path(__file__).parents[1] / "configs"

THREE = msgspec.convert(
    {
        "name": "three",
        "venue": {"kind": "embedded", "seed": 11, "hours": 0.08, "deposit_usd": 50_000.0},
        "account": {"margin_buffer": 0.2},
        "governor": {"volatility_budget": 0.01, "kelly_fraction": 0.25, "max_drawdown": 0.05},
        "run": {"durable_journal": False},
        "assets": [
            {"name": "xyz:XYZ100", "leverage": 10, "size_usd": 3000.0},
            {"name": "xyz:NVDA", "leverage": 10, "size_usd": 2000.0},
            {
                "name": "xyz:HOOD",
                "leverage": 5,
                "size_usd": 1000.0,
                "isolated_margin_usd": 4000.0,
            },
        ],
    },
    Config,
)


def varied(settings: Config, **venue: Any) -> Config:
    return msgspec.structs.replace(settings, venue=msgspec.structs.replace(settings.venue, **venue))


def one() -> Config:
    return varied(config.load(CONFIGS / "single_asset.toml"), hours=0.05)


class Cycle(NamedTuple):
    """The rows of one cycle that are looked at here."""

    snapshot: MarketSnapshot
    account: AccountState
    events: Events
    quotes: QuoteSet
    evaluation: Evaluation
    intent: Orders


class Done(NamedTuple):
    """A run that ended."""

    settings: Config
    folder: Path
    venue: EmbeddedVenue
    outcome: Outcome
    summary: Summary
    cycles: list[Cycle]


def cycles_of(folder: Path) -> list[Cycle]:
    cycles, rows = [], {}
    for row in journal.read(folder):
        if row.kind == "intent":
            cycles[-1] = cycles[-1]._replace(intent=row.decode(Orders))
        rows[row.kind] = row
        if row.kind == "evaluation":
            kinds = Cycle.__annotations__.items()
            decoded = {kind: rows[kind].decode(KINDS[kind]) for kind, _ in kinds if kind in KINDS}
            cycles.append(Cycle(**decoded, intent=Orders(time_ns=row.ts_ns)))
    return cycles


KINDS: dict[str, Any] = {
    "snapshot": MarketSnapshot,
    "account": AccountState,
    "events": Events,
    "quotes": QuoteSet,
    "evaluation": Evaluation,
}


def play(settings: Config, folder: Path) -> Done:
    assets = settings.assets
    universe = build_universe(
        [asset.name for asset in assets],
        leverage={asset.name: asset.leverage for asset in assets},
        size_usd={asset.name: asset.size_usd for asset in assets},
        isolated=[asset.name for asset in assets if asset.isolated],
    )
    venue = EmbeddedVenue(settings.venue, universe)
    with Journal(folder, durable=False) as log:
        outcome = asyncio.run(run_loop(settings, venue, log))
    summary = report.summary(report.load(folder))
    return Done(settings, folder, venue, outcome, summary, cycles_of(folder))


@pytest.fixture(scope="session")
def three(tmp_path_factory):
    return play(THREE, tmp_path_factory.mktemp("three"))


@pytest.fixture(scope="session")
def single(tmp_path_factory):
    return play(one(), tmp_path_factory.mktemp("single"))


@pytest.fixture(params=["three", "single"])
def done(request):
    """A run of three assets, one of them isolated, and one of a single asset."""
    return request.getfixturevalue(request.param)


def sent(done: Done) -> list[tuple[Cycle, NewOrder]]:
    return [
        (cycle, order)
        for cycle in done.cycles
        for order in (*cycle.intent.places, *(new for _, new in cycle.intent.modifies))
    ]


# Reproduction


def test_a_seed_gives_one_journal(done, tmp_path):
    assert done.outcome.stopped == "the market closed"
    again = play(done.settings, tmp_path / "again")
    assert journal.digest(again.folder) == journal.digest(done.folder)


def test_another_seed_gives_another_journal(single, tmp_path):
    other = play(varied(single.settings, seed=8), tmp_path)
    assert journal.digest(other.folder) != journal.digest(single.folder)


def test_a_replay_of_the_journal_gives_the_quotes_byte_for_byte(done):
    assert verify(done.folder) == (done.outcome.cycles, ())


# Accounts


def assert_accounts_agree(cycles: list[Cycle]) -> None:
    """At every cycle: attribution, the venue's report, and the fills alone say the same."""
    last = cycles[-1].evaluation
    causes = (last.spread, last.adverse_selection, last.inventory, last.fees, last.funding)
    tolerance = 1e-9 * sum(np.abs(cause).sum() for cause in causes)
    assert tolerance > 0.0
    rounding = 1e-9  # of a float64 that holds the equity
    opening = cycles[0].account.equity.sum()
    position, paid = np.zeros((2, len(cycles[0].account.position)))
    cash = 0.0
    for cycle in cycles:
        account, parts = cycle.account, cycle.evaluation
        for fill in cycle.events.fills:
            position[fill.asset] += fill.side * fill.size
            cash -= fill.side * fill.size * fill.price + fill.fee
        for payment in cycle.events.funding:
            paid[payment.asset] += payment.usd
        np.testing.assert_allclose(account.position, position, atol=1e-9)
        np.testing.assert_allclose(account.funding_paid, paid, atol=1e-9)
        attributed = (parts.spread + parts.adverse_selection + parts.inventory).sum()
        attributed -= (parts.fees + parts.funding).sum()
        reported = account.equity.sum() - opening
        held = position != 0.0
        ledger = cash - paid.sum() + position[held] @ account.mark[held]
        assert abs(attributed - reported) <= tolerance + rounding
        assert abs(attributed - ledger) <= tolerance + rounding


def test_attributed_parts_add_up_to_the_change_of_equity(done):
    assert_accounts_agree(done.cycles)


def test_the_report_adds_up(done):
    summary = done.summary
    accounting, total = summary.accounting, summary.attribution[-1]
    tolerance = 1e-9 * accounting.gross_attributed
    assert abs(accounting.identity_residual) <= tolerance + 1e-9
    assert math.isclose(total.total, summary.headline.pnl_usd, abs_tol=tolerance + 1e-9)
    for cause in ("spread", "adverse_selection", "inventory", "fees", "funding", "total"):
        parts = [getattr(row, cause) for row in summary.attribution]
        assert math.isclose(sum(parts[:-1]), parts[-1], abs_tol=tolerance)
    assert math.isclose(total.fees, -summary.headline.fees_usd, abs_tol=tolerance)


def test_fills_of_the_journal_are_those_of_the_exchange(done):
    fills = [fill for cycle in done.cycles for fill in cycle.events.fills]
    statistics = done.venue.statistics()
    on_their_way = statistics.fills - len(fills)
    assert 0 <= on_their_way <= 1
    assert len(fills) == done.summary.headline.fills > 0
    assert all(fill.maker for fill in fills)
    assert statistics.taker_volume_usd == 0.0
    assert len({fill.fill_id for fill in fills}) == len(fills)
    assert {fill.cloid for fill in fills} <= {order.cloid for _, order in sent(done)}


# Margin


def test_margin_is_never_above_the_limit(done):
    limit = 1.0 - done.settings.account.margin_buffer
    statistics = done.venue.statistics()
    assert statistics.liquidations == 0
    assert np.all(statistics.peak_margin_use <= 1.0)
    assert 0.0 < done.summary.headline.peak_margin_use <= limit
    for cycle in done.cycles:
        account = cycle.account
        assert np.all(account.position_margin + account.order_margin <= limit * account.equity)


# Orders


def test_no_order_is_refused_for_what_the_engine_can_know(done):
    ours = {
        refusal.text
        for refusal in (
            refusals.TICK,
            refusals.ZERO,
            refusals.MINIMUM,
            refusals.MARGIN,
            refusals.DISTANT,
            refusals.TOO_MANY,
            refusals.REUSED,
            refusals.RATIONED,
        )
    }
    assert ours.isdisjoint(done.venue.statistics().rejections)
    acknowledged = [update for cycle in done.cycles for update in cycle.events.updates]
    assert "marginCanceled" not in {update.status for update in acknowledged}


def test_every_order_is_on_the_grid_and_large_enough(done):
    orders = sent(done)
    assert orders
    for cycle, order in orders:
        decimals = int(done.venue.universe.sz_decimals[order.asset])
        assert order.lots > 0
        assert ticks.valid_units(order.units, decimals)
        held = int(ticks.to_lots(abs(cycle.account.position[order.asset]), decimals))
        notional = order.units * order.lots * ticks.MICRO_USD
        assert notional >= ticks.MIN_NOTIONAL or order.lots == held


def test_no_quote_crosses_the_book_it_was_made_for(done):
    decimals = done.venue.universe.sz_decimals[:, None]
    quoted = 0
    for cycle in done.cycles:
        quotes, snapshot = cycle.quotes, cycle.snapshot
        price = ticks.from_units(quotes.units, decimals[:, None])
        here = quotes.lots > 0
        quoted += here.sum()
        assert not np.any(here[:, 0] & (price[:, 0] >= snapshot.ask_price[:, :1]))
        assert not np.any(here[:, 1] & (price[:, 1] <= snapshot.bid_price[:, :1]))
        inner = np.where(here[:, 0], price[:, 0], -np.inf).max(axis=1)
        outer = np.where(here[:, 1], price[:, 1], np.inf).min(axis=1)
        assert np.all(inner < outer)
    assert quoted > 0


def test_client_order_ids_are_used_once(done):
    cloids = [order.cloid for _, order in sent(done)]
    assert len(set(cloids)) == len(cloids)
    known: set[str] = set()
    for cycle in done.cycles:
        intent = cycle.intent
        gone = {*intent.cancels, *(old for old, _ in intent.modifies)}
        assert gone <= known, "only our own orders are cancelled"
        assert len(gone) == len(intent.cancels) + len(intent.modifies), "each of them once"
        known |= {order.cloid for order in intent.places}
        known |= {new.cloid for _, new in intent.modifies}


def test_resting_orders_are_those_of_the_last_quotes(done):
    """At most one order for every level that is quoted, at no time more."""
    levels = done.settings.actuary.levels
    n = len(done.venue.universe)
    for cycle in done.cycles:
        rests = cycle.account.orders
        count = np.zeros((n, 2), dtype=np.int64)
        np.add.at(count, (rests.asset, rests.side), 1)
        assert count.max(initial=0) <= levels


def test_every_asset_is_quoted_on_both_sides_most_of_the_time(done):
    for row in done.summary.assets:
        assert row.bid.quoted >= 0.5, row
        assert row.ask.quoted >= 0.5, row


def test_the_solver_is_always_optimal(done):
    assert done.summary.solver["failed"] == 0
    assert done.summary.solver["optimal"] >= 0.99 * done.outcome.cycles


def test_no_number_is_undefined(done):
    for cycle in done.cycles:
        for record in (cycle.account, cycle.quotes, cycle.evaluation):
            for name in record.__struct_fields__:
                value = getattr(record, name)
                if isinstance(value, np.ndarray) and value.dtype == np.float64:
                    assert not np.isnan(value).any(), name


# How a run ends


def test_the_loss_limit_ends_the_run_and_nothing_rests(tmp_path):
    tiny = msgspec.structs.replace(THREE.governor, max_drawdown=1e-6)
    stopped = play(msgspec.structs.replace(THREE, governor=tiny), tmp_path)
    assert stopped.outcome.cycles < 0.08 * 3600
    rows = list(journal.read(tmp_path))
    assert rows[-1].kind == "closing"
    assert "reached the loss limit" in rows[-1].decode(Closing).stopped
    assert stopped.summary.run.stopped == stopped.outcome.stopped
    exchange = stopped.venue.exchange
    assert not exchange.accounts[0].open
    assert all(order.owner == NOBODY for book in exchange.books for order in book.orders.values())
    assert any(cycle.intent.places for cycle in stopped.cycles), "it did quote before"
    killed = [row.ts_ns for row in rows if row.kind == "kill"]
    last = [c.intent for c in stopped.cycles if len(c.intent) and c.intent.time_ns >= killed[0]]
    assert last[0].cancels, "first everything is cancelled"
    assert last[-1].exits, "then positions are closed"
    for intent in last:
        assert not intent.places
        assert not intent.modifies
        assert not (intent.exits and intent.cancels)
    assert not any(exchange.accounts[0].lots)
    assert verify(tmp_path).different == ()


# Settings at their ends


@pytest.mark.parametrize(
    "venue", [{"feed_ms": 2500.0}, {"order_ms": 3000.0, "response_ms": 2000.0}]
)
def test_slow_messages_are_no_failure(venue, tmp_path):
    slow = play(varied(one(), hours=0.01, **venue), tmp_path)
    assert slow.outcome.stopped == "the market closed"
    assert verify(tmp_path).different == ()


def test_a_fast_cycle_starts_before_anything_is_known(tmp_path):
    settings = varied(one(), hours=0.002)
    fast = msgspec.structs.replace(settings, run=config.Run(cycle_s=0.05, durable_journal=False))
    assert play(fast, tmp_path).outcome.cycles >= 0.002 * 3600 / 0.05


# Recorded


SLICE_S = 120


@pytest.fixture(scope="session")
def slice_of_a_day(data, tmp_path_factory):
    """The first two minutes of a recording."""
    source = data / "market" / "hl_perp_l2_2025-09-04"
    if not source.is_dir():
        pytest.skip("no recorded books and trades beside the project")
    folder = tmp_path_factory.mktemp("slice")
    files = sorted(source.glob("*.parquet"))
    frames = {file.name: pl.read_parquet(file) for file in files}
    until = min(frame["ts_recv_ns"].min() for frame in frames.values()) + SLICE_S * NS
    for name, frame in frames.items():
        frame.filter(pl.col("ts_recv_ns") <= until).write_parquet(folder / name)
    return folder


def test_a_recorded_slice(slice_of_a_day, tmp_path, monkeypatch, capsys):
    text = (CONFIGS / "replay.toml").read_text()
    text = text.replace("maker_fees_bps = [1.5, 0.3, 0.0]", "maker_fees_bps = [0.0]")
    path = tmp_path / "replay.toml"
    path.write_text(text)
    names = [asset.name for asset in config.load(path).assets]
    written = sum(
        pl.read_parquet(file)["inst"].is_in(names).sum()
        for file in slice_of_a_day.glob("*.parquet")
    )
    words = ("pmm", "replay", path, "--data", slice_of_a_day, "--run", tmp_path / "run", "--json")
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    results = json.loads(capsys.readouterr().out)
    assert [result["queue"] for result in results] == ["conservative", "power"]
    for result in results:
        statistics = result["statistics"]
        assert statistics["rows"] == sum(statistics["file_rows"].values()) == written
        assert max(statistics["peak_margin_use"]) <= 1.0
        assert result["summary"]["run"]["stopped"] == "the market closed"
    folders = sorted((tmp_path / "run").iterdir())
    assert len(folders) == len(results)
    for folder in folders:
        assert verify(folder).different == ()
        assert_accounts_agree(cycles_of(folder))
