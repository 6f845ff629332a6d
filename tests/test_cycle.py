"""Properties of the whole cycle: any N, permutations, dead assets, continuity, no crossing."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from portfolio_mm.actuary import stage as actuary
from portfolio_mm.cycle import build, quote_cycle
from portfolio_mm.executor import stage as executor
from portfolio_mm.executor.allocation import Allocator
from portfolio_mm.governor import margin
from portfolio_mm.governor import stage as governor
from portfolio_mm.rules import ticks
from portfolio_mm.runtime import codec
from portfolio_mm.types import Events, MarketStatus, Reason


def subset(record, index):
    """The rows `index` of every array of a snapshot, belief, ... that is per asset."""
    n = 0
    for name in ("mark", "log_price", "position"):
        if hasattr(record, name):
            n = len(getattr(record, name))
    changes = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, np.ndarray) and value.ndim and value.shape[0] == n:
            value = value[index]
            if value.ndim > 1 and value.shape[1] == n and name != "bid_price":
                value = value[:, index]
            changes[name] = value
    return msgspec.structs.replace(record, **changes)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_every_asset_is_quoted_on_both_sides(run_path, n):
    *_, cycle = run_path(n, 60)
    assert (cycle.quotes.reason == Reason.QUOTED).all()
    assert len(cycle.orders.places) == (cycle.quotes.lots > 0).sum()


@pytest.mark.parametrize("n", [1, 2, 7])
def test_no_quote_crosses_the_book(run_path, n):
    for held in (0.0, 40.0, -40.0):
        _, _, snapshot, _, cycle = run_path(n, 40, position=np.full(n, held))
        decimals = np.array([2 + i % 3 for i in range(n)])[:, None]
        price = ticks.from_units(cycle.quotes.units, decimals[:, :, None])
        quoted = cycle.quotes.lots > 0
        bids, asks = quoted[:, 0], quoted[:, 1]
        assert (price[:, 0] < snapshot.ask_price[:, :1])[bids].all()
        assert (price[:, 1] > snapshot.bid_price[:, :1])[asks].all()


def test_long_inventory_lowers_the_reservation_price_and_that_of_correlated_assets(run_path):
    *_, flat = run_path(2, 200)
    *_, long = run_path(2, 200, position=np.array([300.0, 0.0]))
    assert long.surface.reservation[0] < flat.surface.reservation[0]
    assert long.surface.reservation[1] < flat.surface.reservation[1]


def test_cycle_is_a_pure_function(run_path):
    stages, state, snapshot, account, cycle = run_path(3, 30)
    _, again = quote_cycle(stages, state, snapshot, account, Events())
    assert codec.encode(again.quotes) == codec.encode(cycle.quotes)
    assert codec.encode(again.orders) == codec.encode(cycle.orders)


def test_stale_asset_is_not_quoted_and_the_others_are(run_path, bench):
    stages, state, snapshot, account, _ = run_path(3, 30)
    status = np.array([MarketStatus.OPEN, MarketStatus.STALE, MarketStatus.OPEN])
    stale = msgspec.structs.replace(snapshot, status=status)
    _, cycle = quote_cycle(stages, state, stale, account, Events())
    assert (cycle.quotes.reason[1] == Reason.MARKET).all()
    assert not cycle.quotes.lots[1].any()
    assert (cycle.quotes.reason[[0, 2]] == Reason.QUOTED).all()


@pytest.mark.parametrize("n", [2, 7])
def test_permuting_assets_commutes_with_the_cycle(bench, n):
    order = np.random.default_rng(3).permutation(n)
    results = []
    for index in (np.arange(n), order):
        universe = bench.universe(n)
        universe = msgspec.structs.replace(
            universe, instruments=tuple(universe.instruments[i] for i in index)
        )
        back = np.argsort(index)
        stages, state = build(bench.config(universe), universe)
        for snapshot in bench.path(n, 40, seed=5):
            trades = snapshot.trades
            moved = msgspec.structs.replace(
                subset(snapshot, index),
                trades=msgspec.structs.replace(trades, asset=back[trades.asset]),
            )
            position = np.linspace(-30.0, 30.0, n)[index]
            account = bench.account(snapshot.time_ns, position, snapshot.mark[index])
            state, cycle = quote_cycle(stages, state, moved, account, Events())
        results.append((cycle.surface.price[back], cycle.quotes.sizes[back]))
    (price, sizes), (price_permuted, sizes_permuted) = results
    np.testing.assert_allclose(price, price_permuted, rtol=1e-9)
    np.testing.assert_allclose(sizes, sizes_permuted, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_dead_asset_changes_nothing_else(run_path, bench, n):
    """No arrival, no inventory, no correlation: the rest of every stage's output stays."""
    _, state, snapshot, account, cycle = run_path(n, 60, position=np.full(n, 5.0))
    more = bench.universe(n + 1)
    config = bench.config(more)
    alive = cycle.belief

    def pad(value, fill, square=False):
        if square:
            out = np.zeros((n + 1, n + 1))
            out[:n, :n] = value
            out[n, n] = fill
            return out
        return np.concatenate([value, np.full((1, *value.shape[1:]), fill, dtype=value.dtype)])

    filler = {
        "log_price": 3.0,
        "drift": 0.0,
        "variance": 1e-10,
        "drift_covariance": 1e-14,
        "reversion": alive.reversion[0],
        "sigma": 2e-4,
        "tail": 1.0,
        "covariance": 4e-8,
        "arrival": 0.0,
        "decay": 2000.0,
        "informed": 0.1,
        "foresight_s": 10.0,
        "crisis": 0.9,
        "known": True,
    }
    market = msgspec.structs.replace(
        alive,
        **{
            name: pad(getattr(alive, name), fill, square="covariance" in name)
            for name, fill in filler.items()
        },
    )
    wide = bench.snapshot(snapshot.time_ns, np.append(snapshot.mark, np.exp(3.0)), snapshot.trades)
    purse = bench.account(snapshot.time_ns, np.append(account.position, 0.0), wide.mark)
    governor_params, _ = governor.init(
        config.governor, config.account, config.assets, config.actuary.levels, more
    )
    _, budget = governor.step(governor_params, state.governor, market, purse, state.usage)
    np.testing.assert_allclose(budget.gamma, cycle.budget.gamma, rtol=1e-9)
    np.testing.assert_allclose(budget.exposure_limit, cycle.budget.exposure_limit, rtol=1e-9)
    actuary_params, _ = actuary.init(config.actuary, more, config.run.cycle_s)
    prior = state.actuary._replace(
        drift_response=pad(state.actuary.drift_response, 1.0, square=True),
        displacement=pad(state.actuary.displacement, 0.0),
    )
    _, surface = actuary.step(actuary_params, prior, market, budget, wide)
    for name in ("reservation", "price", "margin", "probability", "half_width"):
        np.testing.assert_allclose(
            getattr(surface, name)[:n], getattr(cycle.surface, name), rtol=1e-9, atol=1e-13
        )
    params = executor.init(config.executor, more, config.actuary.levels, margin.pattern(more))
    quotes = executor.step(params, surface, budget, wide, market.known)
    np.testing.assert_allclose(quotes.sizes[:n], cycle.quotes.sizes, rtol=1e-6, atol=1e-4)
    np.testing.assert_array_equal(quotes.lots[:n], cycle.quotes.lots)


def test_allocation_is_continuous_in_inventory(run_path, bench):
    """A fine sweep from -limit to +limit: no jump before rounding, none above one order after."""
    n = 2
    stages, state, snapshot, *_ = run_path(n, 60)
    limit_usd, equity = 30_000.0, 20_000.0  # small enough that the shared limits bind
    poor = state.governor._replace(equity=equity, peak=equity, solved_ns=0)
    state = state._replace(governor=poor)
    grid = np.linspace(-limit_usd, limit_usd, 1201)
    sizes, rounded, price = [], [], []
    decimals = stages.executor.universe.sz_decimals[:, None, None]
    for usd in grid:
        position = np.array([usd, 0.0]) / snapshot.mark
        account = bench.account(snapshot.time_ns, position, snapshot.mark, equity)
        _, swept = quote_cycle(stages, state, snapshot, account, Events())
        sizes.append(swept.quotes.sizes)
        value = swept.quotes.lots * swept.quotes.units * ticks.MICRO_USD
        rounded.append(value)
        price.append(ticks.from_units(swept.quotes.units, decimals))
    sizes, rounded = np.array(sizes), np.array(rounded)
    steps = np.abs(np.diff(sizes, axis=0))
    coarse = np.abs(np.diff(sizes[::2], axis=0))
    assert steps.max() < 120.0, "USD per 50 USD of inventory"
    # Halving the step halves the largest change: what is seen is slope, not a jump.
    assert steps.max() < 0.7 * coarse.max()
    lot_usd = (ticks.from_lots(1, stages.executor.universe.sz_decimals) * snapshot.mark).max()
    smallest_order = ticks.MIN_NOTIONAL + lot_usd
    assert np.abs(np.diff(rounded, axis=0)).max() <= smallest_order + steps.max()


def test_allocator_is_compiled_for_the_universe(run_path):
    stages, *_ = run_path(2, 2)
    assert isinstance(stages.executor.allocator, Allocator)
    assert stages.executor.allocator.fast


def test_belief_and_budget_are_finite_from_the_first_cycle(run_path):
    *_, cycle = run_path(3, 1)
    for record in (cycle.belief, cycle.budget, cycle.surface):
        for name in record.__struct_fields__:
            value = getattr(record, name)
            if isinstance(value, np.ndarray):
                assert np.isfinite(value).all(), name


def test_informed_flow_widens_both_sides_at_zero_inventory(run_path):
    """Doubling pi at x = 0 widens bid and ask alike: toxicity is priced, not gated."""
    stages, state, snapshot, _, cycle = run_path(2, 120)
    twice = msgspec.structs.replace(cycle.belief, informed=2.0 * cycle.belief.informed)
    prior = wider_prior = state.actuary
    for _ in range(20):
        prior, surface = actuary.step(stages.actuary, prior, cycle.belief, cycle.budget, snapshot)
        wider_prior, wider = actuary.step(
            stages.actuary, wider_prior, twice, cycle.budget, snapshot
        )
    assert (wider.half_width > surface.half_width).all()
    assert (wider.price[:, 0] <= surface.price[:, 0]).all()
    assert (wider.price[:, 1] >= surface.price[:, 1]).all()
