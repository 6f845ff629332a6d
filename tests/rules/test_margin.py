"""Margin: recorded account states, brute force over prices, invariants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.rules import margin
from portfolio_mm.types import MarginTier

DATA = Path(__file__).parents[3] / "shared" / "data" / "hyperliquid"
recorded = pytest.mark.skipif(not DATA.exists(), reason="recorded data is not here")


def single(leverage: float) -> tuple[MarginTier, ...]:
    return (MarginTier(lower_bound=0.0, max_leverage=leverage),)


THREE = (
    MarginTier(lower_bound=0.0, max_leverage=40.0),
    MarginTier(lower_bound=150e6, max_leverage=20.0),
    MarginTier(lower_bound=500e6, max_leverage=10.0),
)


def states() -> list[Any]:
    text = (DATA / "jkorf" / "Endpoints__Futures__Account__GetAccountInfo.txt").read_text()
    path = DATA / "hip3_2026-09-24" / "clearinghouseState_dex_xyz_isolated_short.json"
    return [json.loads(path.read_text()), json.loads(text[text.index("{") :])]


@recorded
@pytest.mark.parametrize("index", [0, 1])
def test_recorded_account_states(index: int) -> None:
    """Equity, margin and the liquidation price of whole recorded accounts."""
    state = states()[index]
    position = state["assetPositions"][0]["position"]
    size = np.array([float(position["szi"])])
    mark = np.abs(float(position["positionValue"]) / size)
    tiers = margin.tier_table([single(position["maxLeverage"])])
    isolated, pool = np.array([True]), np.array([0])
    result = margin.pool_margin(
        cash=np.array([float(state["crossMarginSummary"]["totalRawUsd"])]),
        isolated_cash=np.array([float(position["leverage"]["rawUsd"])]),
        position=size,
        mark=mark,
        resting=np.zeros((1, 2)),
        leverage=np.array([float(position["leverage"]["value"])]),
        isolated=isolated,
        pool=pool,
        tiers=tiers,
    )
    summary, cross = state["marginSummary"], state["crossMarginSummary"]
    assert result.equity[0] == pytest.approx(float(summary["accountValue"]), abs=1e-6)
    assert result.position_margin[0] == pytest.approx(float(summary["totalMarginUsed"]), abs=1e-6)
    assert result.isolated_equity[0] == pytest.approx(float(position["marginUsed"]), abs=1e-6)
    assert result.cross_equity[0] == pytest.approx(float(cross["accountValue"]), abs=1e-6)
    assert result.cross_maintenance[0] == float(state["crossMaintenanceMarginUsed"])
    assert result.free[0] == pytest.approx(float(state["withdrawable"]), abs=1e-6)
    price = margin.portfolio_liquidation_prices(
        result, position=size, mark=mark, isolated=isolated, pool=pool, tiers=tiers
    )
    assert price[0] == pytest.approx(float(position["liquidationPx"]), rel=1e-9)


@recorded
def test_documented_position() -> None:
    """The documentation's isolated long, which comes without its account."""
    examples = json.loads((DATA / "docs" / "docs_examples_2026-08-22.json").read_text())
    position = next(
        e["example"]["assetPositions"][0]["position"]
        for e in examples
        if isinstance(e["example"], dict) and "assetPositions" in e["example"]
    )
    size = np.array([float(position["szi"])])
    price = margin.liquidation_price(
        size,
        np.array([float(position["positionValue"])]) / size,
        np.array([float(position["marginUsed"])]),
        margin.tier_table([single(position["maxLeverage"])]),
    )
    assert price[0] == pytest.approx(float(position["liquidationPx"]), rel=1e-8)


def test_published_tiers() -> None:
    """M(n) is continuous and has each tier's slope: 1/80, then 1/40, then 1/20."""
    table = margin.tier_table([THREE])
    cases = {100e6: 1.25e6, 150e6: 1.875e6, 500e6: 10.625e6, 600e6: 15.625e6}
    for notional, expected in cases.items():
        assert margin.maintenance(np.array([notional]), table)[0] == pytest.approx(expected)
    mixed = margin.tier_table([THREE, single(20.0)])
    assert margin.maintenance(np.array([600e6, 600e6]), mixed) == pytest.approx([15.625e6, 15e6])


@given(
    st.floats(-2e4, 2e4).filter(lambda q: abs(q) > 1.0),
    st.floats(1e3, 1e5),
    st.floats(0.02, 0.9),
)
def test_liquidation_price_is_the_root(position: float, mark: float, share: float) -> None:
    """At the liquidation price equity equals maintenance, whatever the tier there."""
    table = margin.tier_table([THREE])
    size, price = np.array([position]), np.array([mark])
    notional = abs(position) * mark
    equity = margin.maintenance(np.array([notional]), table) + share * notional
    result = margin.liquidation_price(size, price, equity, table)
    if result[0] == 0.0:
        assert position > 0
        assert equity[0] >= notional * (1 - 1e-12)
        return
    left = equity[0] + position * (result[0] - mark)
    right = margin.maintenance(np.abs(size) * result, table)[0]
    assert left == pytest.approx(right, rel=1e-9, abs=1e-6 * notional)
    assert (result[0] < mark) == (position > 0)


def account(seed: int, n: int = 6) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "cash": np.array([50_000.0, 20_000.0]),
        "isolated_cash": np.where(np.arange(n) % 3 == 2, 500.0, 0.0),
        "position": rng.normal(0, 2, n),
        "mark": rng.uniform(50, 500, n),
        "resting": rng.uniform(0, 3_000, (n, 2)),
        "leverage": rng.integers(1, 20, n).astype(np.float64),
        "isolated": np.arange(n) % 3 == 2,
        "pool": np.arange(n) % 2,
        "tiers": margin.tier_table([single(20.0 + i) for i in range(n)]),
    }


def test_against_a_loop_over_assets() -> None:
    a = account(3)
    result = margin.pool_margin(**a)
    for p in range(2):
        cross = a["cash"][p]
        alone = used = orders = required = 0.0
        for i in range(6):
            if a["pool"][i] != p:
                continue
            value = a["position"][i] * a["mark"][i]
            required += abs(value) / (2 * (20.0 + i))
            orders += a["resting"][i].sum() / a["leverage"][i]
            if a["isolated"][i]:
                alone += a["isolated_cash"][i] + value
            else:
                cross += value
                used += abs(value) / a["leverage"][i]
        assert result.cross_equity[p] == pytest.approx(cross)
        assert result.equity[p] == pytest.approx(cross + alone)
        assert result.position_margin[p] == pytest.approx(used + alone)
        assert result.order_margin[p] == pytest.approx(orders)
        assert result.maintenance[p] == pytest.approx(required)
        assert result.free[p] == pytest.approx(cross - used - orders)


def test_pools_that_share_an_index_are_one() -> None:
    """Two venues' assets in one unified pool have the sum of two pools that are apart."""
    a = account(4)
    apart = margin.pool_margin(**a)
    shared = margin.pool_margin(
        **(a | {"pool": np.zeros(6, dtype=np.int64), "cash": np.array([a["cash"].sum()])})
    )
    for name in ("equity", "cross_equity", "position_margin", "order_margin", "maintenance"):
        assert getattr(shared, name) == pytest.approx([getattr(apart, name).sum()])


def test_cross_liquidation_moves_every_price_of_the_pool() -> None:
    """At one asset's liquidation price, others unmoved, the pool's equity is its maintenance."""
    a = account(8)
    a["cash"] = np.array([700.0, 600.0])
    result = margin.pool_margin(**a)
    shape = {k: a[k] for k in ("position", "mark", "isolated", "pool", "tiers")}
    prices = margin.portfolio_liquidation_prices(result, **shape)
    for i in np.flatnonzero((prices > 0) & ~a["isolated"]):
        moved = a["mark"].copy()
        moved[i] = prices[i]
        there = margin.pool_margin(**(a | {"mark": moved}))
        p = a["pool"][i]
        assert there.cross_equity[p] == pytest.approx(there.cross_maintenance[p])


def test_flat_account_is_at_rest() -> None:
    a = account(5) | {"position": np.zeros(6), "resting": np.zeros((6, 2))}
    a["isolated_cash"] = np.zeros(6)
    result = margin.pool_margin(**a)
    assert np.array_equal(result.equity, a["cash"])
    assert np.array_equal(result.use, np.zeros(2))
    shape = {k: a[k] for k in ("position", "mark", "isolated", "pool", "tiers")}
    assert not margin.portfolio_liquidation_prices(result, **shape).any()


def test_margin_on_no_equity_is_infinite_use() -> None:
    a = account(6) | {"cash": np.array([-1e6, 0.0])}
    assert np.isinf(margin.pool_margin(**a).use[0])
