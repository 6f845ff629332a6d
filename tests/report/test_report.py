"""The report of small runs against what their journals say row by row."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import shutil
import sqlite3
import statistics
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from portfolio_mm import report
from portfolio_mm.evaluator.markout import HORIZONS_S
from portfolio_mm.report import execution, figures, risk, style
from portfolio_mm.rules import ticks
from portfolio_mm.runtime.journal import NAME, Journal, JournalError, read
from portfolio_mm.runtime.loop import run as run_loop
from portfolio_mm.types import (
    NS,
    Evaluation,
    Events,
    Fill,
    FundingPayment,
    MarketBelief,
    MarketSnapshot,
    OrderUpdate,
    QuoteSet,
    Reason,
)

FEE = 3e-5


class WalkVenue:
    """A correlated random walk that fills whatever rests with a fixed chance per second."""

    def __init__(self, bench, universe, *, seconds, chance, seed, deposit=1e5):
        self.universe = universe
        self.now_ns = bench.start
        self._bench = bench
        self._rng = np.random.default_rng(seed)
        self._path = iter(bench.path(len(universe), seconds, seed))
        self._left = seconds
        self._chance = chance
        self._open = {}
        self._updates = []
        self._ids = 0
        self.position = np.zeros(len(universe))
        self.cash = deposit

    @property
    def equity(self):
        return self.cash + float(self.position @ self._snapshot.mark)

    async def wait(self, deadline_ns, moves):
        self._snapshot = next(self._path)
        self._left -= 1
        self.now_ns = self._snapshot.time_ns
        fills = []
        for cloid, order in list(self._open.items()):
            if self._rng.random() < self._chance:
                del self._open[cloid]
                fills.append(self._fill(order))
        updates, self._updates = tuple(self._updates), []
        funding = ()
        if self._left % 50 == 10:
            paid = 1e-5 * self.position[0] * self._snapshot.mark[0]
            self.cash -= paid
            funding = (FundingPayment(time_ns=self.now_ns, asset=0, usd=paid, rate=1e-5),)
        return Events(fills=tuple(fills), updates=updates, funding=funding, closed=not self._left)

    def _fill(self, order):
        self._ids += 1
        decimals = int(self.universe.sz_decimals[order.asset])
        price = float(ticks.from_units(order.units, decimals))
        size = float(ticks.from_lots(order.lots, decimals))
        side = 1 - 2 * order.side
        self.position[order.asset] += side * size
        self.cash -= side * size * price + FEE * size * price
        return Fill(
            time_ns=self.now_ns - int(self._rng.integers(1, NS // 2)),
            asset=order.asset,
            side=side,
            price=price,
            size=size,
            fee=FEE * size * price,
            maker=True,
            cloid=order.cloid,
            fill_id=self._ids,
        )

    def snapshot(self):
        return self._snapshot

    def account(self):
        return self._bench.account(
            self.now_ns, self.position.copy(), self._snapshot.mark, self.equity
        )

    async def send(self, orders):
        for cloid in (*orders.cancels, *(old for old, _ in orders.modifies)):
            if self._open.pop(cloid, None) is not None:
                self._say(cloid, "canceled")
        for new in (*(new for _, new in orders.modifies), *orders.places):
            if self._rng.random() < 0.02:
                self._say(new.cloid, "badAloPxRejected")
            else:
                self._open[new.cloid] = new
                self._say(new.cloid, "open")

    def _say(self, cloid, status):
        self._updates.append(OrderUpdate(time_ns=self.now_ns, cloid=cloid, status=status))

    async def close(self):
        self._open.clear()


class Done(NamedTuple):
    folder: Path
    venue: WalkVenue
    history: report.History
    summary: report.Summary


@pytest.fixture(scope="module")
def make_run(bench, tmp_path_factory):
    def make(n, seconds, chance, seed=11):
        folder = tmp_path_factory.mktemp("run") / "walk"
        universe = bench.universe(n)
        venue = WalkVenue(bench, universe, seconds=seconds, chance=chance, seed=seed)
        with Journal(folder, durable=False) as journal:
            asyncio.run(run_loop(bench.config(universe), venue, journal))
        history = report.load(folder)
        return Done(folder, venue, history, report.summary(history))

    return make


@pytest.fixture(scope="module")
def done(make_run):
    return make_run(3, 400, 0.03)


@pytest.fixture(scope="module")
def quiet(make_run):
    return make_run(2, 25, 0.0)


def records(done, kind, cls):
    return [row.decode(cls) for row in read(done.folder, kind)]


def silent(fraction: float, note: str) -> None:
    assert 0.0 <= fraction < 1.0
    assert note


def test_attribution_adds_up_to_the_change_of_equity(done):
    summary = done.summary
    assets, total = summary.attribution[:-1], summary.attribution[-1]
    gross = summary.accounting.gross_attributed
    assert summary.headline.fills > 100
    assert gross > 10.0
    assert total.total == pytest.approx(done.venue.equity - 1e5, abs=1e-9 * gross)
    assert summary.headline.pnl_usd == pytest.approx(total.total, abs=1e-9 * gross)
    for row in summary.attribution:
        parts = row.spread + row.adverse_selection + row.inventory + row.fees + row.funding
        assert row.total == pytest.approx(parts, abs=1e-12 * gross)
    for cause in ("spread", "adverse_selection", "inventory", "fees", "funding", "total"):
        column = sum(getattr(row, cause) for row in assets)
        assert getattr(total, cause) == pytest.approx(column, abs=1e-12 * gross)
    assert total.fees == pytest.approx(-FEE * summary.headline.volume_usd)
    assert total.funding != 0.0
    assert summary.assets[0].pnl_usd == assets[0].total


def test_books_agree_with_the_venue_and_with_the_fills(done):
    books = done.summary.accounting
    assert abs(books.identity_residual) <= 1e-9 * books.gross_attributed
    assert abs(books.ledger_residual) <= 1e-9 * books.gross_attributed
    assert books.largest_report_residual <= 1e-9 * books.gross_attributed
    assert books.reports == done.summary.run.cycles == 400
    assert books.account_age_s == 0.0


def test_drawdown_and_margin_use(done):
    curve = risk.equity(done.history.cycles)
    fall = max(1.0 - e / max(curve[: i + 1]) for i, e in enumerate(curve))
    assert done.summary.headline.max_drawdown == pytest.approx(fall)
    accounts = list(read(done.folder, "account"))
    assert len(accounts) == 400
    peak = max(
        float(((a.position_margin + a.order_margin) / a.equity).max())
        for a in records(done, "account", _Margin)
    )
    assert done.summary.headline.peak_margin_use == pytest.approx(peak)


class _Margin(msgspec.Struct):
    position_margin: np.ndarray
    order_margin: np.ndarray
    equity: np.ndarray


def test_markouts_equal_brute_force(done):
    beliefs = records(done, "belief", MarketBelief)
    times = np.array([belief.time_ns for belief in beliefs])
    fills = [fill for events in records(done, "events", Events) for fill in events.fills]
    assert len(fills) == len(done.summary.fills)
    matured = 0
    for fill, row in zip(fills, done.summary.fills, strict=True):
        assert row.price == fill.price
        for horizon, reported in zip(HORIZONS_S, row.markout_bps, strict=True):
            after = np.flatnonzero(times >= fill.time_ns + round(horizon * NS))
            if not len(after):
                assert reported is None
                continue
            move = beliefs[after[0]].log_price[fill.asset] - math.log(fill.price)
            assert reported == pytest.approx(1e4 * fill.side * move, abs=1e-9)
            matured += 1
    assert matured > 500


def test_fair_value_when_quoted_is_that_of_the_cycle_before(done):
    beliefs = records(done, "belief", MarketBelief)
    for index, events in enumerate(records(done, "events", Events)):
        rows = np.flatnonzero(done.history.fills.cycle == index)
        assert len(rows) == len(events.fills)
        for row, fill in zip(rows, events.fills, strict=True):
            expected = math.exp(beliefs[index - 1].log_price[fill.asset])
            assert done.history.fills.fair[row] == pytest.approx(expected, rel=1e-14)


def test_mean_markouts_are_weighted_by_notional(done):
    names = done.summary.run.assets
    for point in done.summary.markouts:
        h = HORIZONS_S.index(point.horizon_s)
        chosen = [
            (fill.markout_bps[h], fill.notional_usd)
            for fill in done.summary.fills
            if point.asset in ("all", fill.asset)
            and point.side in ("all", fill.side)
            and fill.markout_bps[h] is not None
        ]
        assert point.fills == len(chosen)
        if chosen:
            value, weight = np.array(chosen).T
            assert point.mean_bps == pytest.approx(np.average(value, weights=weight))
    assert len(done.summary.markouts) == (len(names) + 1) * 3 * len(HORIZONS_S)


def test_standard_error_of_equal_weights_is_the_usual_one():
    x = np.random.default_rng(0).normal(size=50)
    mean = execution.weighted_mean(x, np.full(50, 3.0))
    assert mean.error == pytest.approx(x.std(ddof=1) / math.sqrt(50))
    assert execution.weighted_mean(np.array([np.nan, 2.0]), np.ones(2))[:2] == (1, 2.0)


def test_time_quoted_equals_brute_force(done):
    quotes = records(done, "quotes", QuoteSet)
    times = [quote.time_ns for quote in quotes]
    lasted = [(b - a) / NS for a, b in itertools.pairwise(times)]
    lasted.append(done.history.config.run.cycle_s)
    for asset, row in enumerate(done.summary.assets):
        bid = ask = both = 0.0
        for quote, seconds in zip(quotes, lasted, strict=True):
            has_bid, has_ask = (quote.lots[asset] > 0).any(axis=1)
            bid, ask = bid + seconds * has_bid, ask + seconds * has_ask
            both += seconds * (has_bid and has_ask)
        assert row.bid.quoted == pytest.approx(bid / sum(lasted))
        assert row.ask.quoted == pytest.approx(ask / sum(lasted))
        assert row.time_quoted_both == pytest.approx(both / sum(lasted))
        for side in (row.bid, row.ask):
            assert side.quoted + sum(side.not_quoted.values()) == pytest.approx(1.0)
            assert list(side.not_quoted.values()) == sorted(side.not_quoted.values())[::-1]


def test_reasons_are_counted_by_time(done):
    reason = done.history.cycles.reason
    first = done.summary.assets[0].bid.not_quoted
    for why in Reason:
        if why is not Reason.QUOTED:
            share = float((reason[:, 0, 0] == why).mean())  # cycles of this run last equally long
            assert first.get(why.name.lower(), 0.0) == pytest.approx(share)


def test_half_spread_equals_brute_force(done):
    quotes = records(done, "quotes", QuoteSet)
    for asset, row in enumerate(done.summary.assets):
        decimals = int(done.history.universe.sz_decimals[asset])
        widths = []
        for quote in quotes:
            price = ticks.from_units(quote.units[asset], decimals)
            bids, asks = (price[side][quote.lots[asset, side] > 0] for side in (0, 1))
            if len(bids) and len(asks):
                widths.append(0.5 * math.log(asks.min() / bids.max()))
        # Cycles of this run last equally long.
        assert row.half_spread_bps == pytest.approx(1e4 * statistics.median_low(widths))


def test_half_spread_is_a_median_of_time(done):
    """One cycle that stood for longer than all others decides it, however wide the others."""
    cycles = done.history.cycles
    both = execution.quoted_both(cycles).all(axis=1)
    longest = int(np.flatnonzero(both)[0])
    duration = np.ones(len(cycles.time_ns))
    duration[longest] = 2.0 * len(duration)
    best = cycles.price[longest]
    width = 0.5 * np.log(np.nanmin(best[:, 1], axis=1) / np.nanmax(best[:, 0], axis=1))
    assert execution.half_spread(cycles, duration) == pytest.approx(width)
    assert np.isnan(execution.half_spread(cycles, np.zeros(len(duration)))).all()


def test_value_at_risk_components_sum_to_the_total(done):
    for held in (done.summary.final_inventory, done.summary.largest_inventory):
        components = held.components
        assert held.value_at_risk_usd > 0
        total = sum(part.value_at_risk_usd for part in components)
        assert total == pytest.approx(held.value_at_risk_usd, rel=1e-12)
        total = sum(part.expected_shortfall_usd for part in components)
        assert total == pytest.approx(held.expected_shortfall_usd, rel=1e-12)
        assert sum(part.share_of_variance for part in components) == pytest.approx(1.0, rel=1e-12)
        assert held.gross_usd == pytest.approx(sum(abs(p.inventory_usd) for p in components))
    assert (
        done.summary.largest_inventory.volatility_usd >= done.summary.final_inventory.volatility_usd
    )


def test_riskiest_inventory_is_the_maximum_over_the_journal(done):
    beliefs = records(done, "belief", MarketBelief)
    x = done.history.cycles.inventory
    volatility = [math.sqrt(86_400 * x[i] @ b.covariance @ x[i]) for i, b in enumerate(beliefs)]
    assert done.summary.largest_inventory.volatility_usd == pytest.approx(max(volatility))


@given(
    held=arrays(np.float64, 4, elements=st.floats(-1e5, 1e5)),
    factor=arrays(np.float64, (4, 4), elements=st.floats(-1.0, 1.0)),
)
def test_gaussian_tail_has_euler_components(held, factor):
    covariance = 1e-8 * (factor @ factor.T + 0.1 * np.eye(4))
    tail = risk.gaussian_tail(held, covariance)
    if np.abs(held).max() > 1e-3:
        assert tail.share.sum() == pytest.approx(1.0, abs=1e-12)
        assert tail.volatility == pytest.approx(math.sqrt(86_400 * held @ covariance @ held))
    double = risk.gaussian_tail(2.0 * held, covariance)
    assert double.value_at_risk == pytest.approx(2.0 * tail.value_at_risk)
    order = np.array([2, 0, 3, 1])
    moved = risk.gaussian_tail(held[order], covariance[np.ix_(order, order)])
    np.testing.assert_allclose(moved.share, tail.share[order], atol=1e-9)


def test_gaussian_tail_is_the_quantile_and_the_mean_beyond_it():
    tail = risk.gaussian_tail(np.array([1e4, -5e3]), 1e-8 * np.array([[2.0, 0.5], [0.5, 1.0]]))
    loss = stats.norm(scale=tail.volatility)
    assert tail.value_at_risk == pytest.approx(loss.ppf(0.99))
    beyond = loss.expect(lambda x: x, lb=loss.ppf(0.99), conditional=True)
    assert tail.expected_shortfall == pytest.approx(beyond, rel=1e-6)


def test_flat_inventory_carries_no_risk():
    tail = risk.gaussian_tail(np.zeros(3), np.eye(3))
    assert tail[:3] == (0.0, 0.0, 0.0)
    assert not tail.share.any()


def test_reliability_of_perfect_predictions_is_the_diagonal():
    x = np.random.default_rng(1).random(1000)
    buckets = execution.reliability(x, x, np.ones(1000), 10)
    assert [bucket.count for bucket in buckets] == [100] * 10
    for bucket in buckets:
        assert bucket.realised == pytest.approx(bucket.predicted)


def test_every_fill_hits_a_quote_of_the_cycle_before(done):
    cycles, fills = done.history.cycles, done.history.fills
    stood = int(np.isfinite(cycles.price[:-1]).sum())
    buckets = done.summary.calibration.fill_probability
    assert sum(bucket.count for bucket in buckets) == stood
    hits = {
        cell
        for cell in zip(fills.cycle, fills.asset, fills.side, fills.level, strict=True)
        if cell[3] >= 0
    }
    counted = sum(bucket.count * bucket.realised for bucket in buckets)
    assert counted == pytest.approx(len(hits))


def test_trace_leads_from_fair_value_to_the_price(done):
    last = records(done, "quotes", QuoteSet)[-1]
    assert len(done.summary.traces) == 6
    for trace in done.summary.traces:
        asset, side = done.summary.run.assets.index(trace.asset), ("bid", "ask").index(trace.side)
        decimals = int(done.history.universe.sz_decimals[asset])
        level = int(np.flatnonzero(last.lots[asset, side])[0])
        assert trace.price == ticks.from_units(last.units[asset, side, level], decimals)
        assert trace.steps[-1].price == pytest.approx(trace.price, rel=1e-12)
        total = sum(step.bps for step in trace.steps)
        assert total == pytest.approx(1e4 * math.log(trace.price / trace.fair), abs=1e-9)
        named = {step.name: step for step in trace.steps}
        assert named["asymmetry of sides"].price == pytest.approx(trace.reservation, rel=1e-12)
        sign = 1 if side == 0 else -1
        for outward in ("fee", "adverse selection", "monopoly", "risk of one more fill"):
            assert -sign * named[outward].bps >= -1e-9


def test_requests_and_refusals(done):
    requests = done.summary.requests
    assert requests.placed > 0
    assert requests.modified > 0
    assert set(requests.rejected) == {"badAloPxRejected"}


def test_files_stand_alone(done):
    fractions = []
    summary, paths = report.write(
        done.folder, asset="xyz:T1", progress=lambda fraction, _: fractions.append(fraction)
    )
    assert summary == done.summary
    assert fractions == pytest.approx([i / report.STEPS for i in range(report.STEPS)])
    assert [path.name for path in paths] == ["report.html", "report.png", "report.json"]
    html = paths[0].read_text(encoding="utf-8")
    assert "http://" not in html
    assert "https://" not in html
    assert "<script" not in html
    assert html.count("<svg") == html.count("</svg>") == 10
    assert "Quotes of xyz:T1" in html
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    numbers = json.loads(paths[2].read_text(encoding="utf-8"))
    assert numbers["headline"]["fills"] == len(numbers["fills"])
    assert msgspec.convert(numbers, report.Summary) == done.summary


def test_figures_are_deterministic(done):
    first, second = (
        style.svg(lambda figure: figures.equity(figure, done.history), 6.0, 3.0) for _ in range(2)
    )
    assert first == second


def test_run_without_fills(quiet):
    assert quiet.summary.headline.fills == 0
    assert quiet.summary.headline.pnl_usd == 0.0
    assert quiet.summary.final_inventory.value_at_risk_usd == 0.0
    assert not quiet.summary.calibration.markout_10s
    assert all(point.mean_bps is None for point in quiet.summary.markouts)


def test_one_asset(make_run):
    alone = make_run(1, 30, 0.1)
    assert alone.summary.headline.fills > 0
    assert alone.summary.final_inventory.components[0].share_of_variance in (0.0, 1.0)
    report.write(alone.folder, asset=None, progress=silent)


def test_one_cycle_of_one_asset(make_run):
    single = make_run(1, 1, 0.0)
    assert single.summary.run.cycles == 1
    _, paths = report.write(single.folder, asset=None, progress=silent)
    assert "No fills." in paths[0].read_text(encoding="utf-8")


def test_unknown_asset_names_those_that_exist(quiet):
    with pytest.raises(ValueError, match=r"'DOGE'.*xyz:T0, xyz:T1"):
        report.write(quiet.folder, asset="DOGE", progress=silent)


def one_line(error) -> bool:
    return "\n" not in str(error.value)


def test_missing_journal(tmp_path):
    with pytest.raises(JournalError, match="no such journal") as error:
        report.load(tmp_path)
    assert one_line(error)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_journal(quiet, tmp_path, share):
    whole = (quiet.folder / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(JournalError) as error:
        report.load(tmp_path)
    assert one_line(error)


def edited(done, folder, statement):
    shutil.copy(done.folder / NAME, folder / NAME)
    database = sqlite3.connect(folder / NAME)
    with database:
        database.execute(statement)
    database.close()
    return folder


def test_run_that_was_cut_short_keeps_its_complete_cycles(quiet, tmp_path):
    last = "(SELECT MAX(seq) FROM journal WHERE kind = 'surface')"
    folder = edited(quiet, tmp_path, f"DELETE FROM journal WHERE seq >= {last}")
    history = report.load(folder)
    assert history.stopped is None
    assert len(history.cycles.time_ns) == 24
    summary = report.summary(history)
    assert not summary.run.complete
    assert summary.run.stopped.startswith("cut short")


def test_journal_without_a_cycle(quiet, tmp_path):
    folder = edited(quiet, tmp_path, "DELETE FROM journal WHERE kind != 'opening'")
    with pytest.raises(JournalError, match="no complete cycle"):
        report.load(folder)


def test_journal_without_an_opening(quiet, tmp_path):
    folder = edited(quiet, tmp_path, "DELETE FROM journal WHERE kind = 'opening'")
    with pytest.raises(JournalError, match="opening"):
        report.load(folder)


def test_journal_of_another_version(quiet, tmp_path):
    body = "(SELECT body FROM journal WHERE kind = 'closing')"
    folder = edited(quiet, tmp_path, f"UPDATE journal SET body = {body} WHERE kind = 'opening'")
    with pytest.raises(JournalError, match="another version") as error:
        report.load(folder)
    assert one_line(error)


def test_marks_and_books_are_those_of_the_snapshots(done):
    for index, snapshot in enumerate(records(done, "snapshot", MarketSnapshot)[:20]):
        np.testing.assert_array_equal(done.history.cycles.mark[index], snapshot.mark)
        best = np.stack([snapshot.bid_price[:, 0], snapshot.ask_price[:, 0]], axis=1)
        np.testing.assert_array_equal(done.history.cycles.best[index], best)


def test_pnl_of_every_cycle_is_journalled(done):
    evaluations = records(done, "evaluation", Evaluation)
    curve = risk.equity(done.history.cycles)
    total = [
        float((e.spread + e.adverse_selection + e.inventory - e.fees - e.funding).sum())
        for e in evaluations
    ]
    np.testing.assert_allclose(curve - curve[0], total, atol=1e-9)
