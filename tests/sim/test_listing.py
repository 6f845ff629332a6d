"""The table of markets against the recorded universe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portfolio_mm.rules import ticks
from sim.listing import DEFAULT_NAMES, DEPLOYER_SCALE, FACTORS, LISTINGS, build_universe

DATA = Path(__file__).parents[3] / "shared" / "data" / "hyperliquid" / "hip3_2026-09-24"
recorded = pytest.mark.skipif(not DATA.exists(), reason="recorded data is not here")


@recorded
def test_facts_are_those_of_the_recorded_universe() -> None:
    universe = json.loads((DATA / "meta_dex_xyz.json").read_text())["universe"]
    for name, listing in LISTINGS.items():
        fact = universe[listing.number]
        assert fact["name"] == name
        assert fact["szDecimals"] == listing.sz_decimals
        assert fact["maxLeverage"] == listing.max_leverage
        assert fact["marginTableId"] == listing.max_leverage
        assert (fact.get("marginMode") is None) == listing.cross
        assert (fact.get("growthMode") == "enabled") == listing.growth
        assert float(fact["deployerFeeScale"]) == DEPLOYER_SCALE
        assert "isDelisted" not in fact


@recorded
def test_funding_multipliers_and_ids() -> None:
    dexes = json.loads((DATA / "perpDexs.json").read_text())
    index = next(i for i, d in enumerate(dexes) if d and d["name"] == "xyz")
    multipliers = dict(dexes[index]["assetToFundingMultiplier"])
    for name, listing in LISTINGS.items():
        assert float(multipliers[name]) == 0.5
        assert listing.asset_id == 100_000 + 10_000 * index + listing.number


def test_prices_are_on_the_grid_and_shares_leave_room() -> None:
    for listing in LISTINGS.values():
        assert ticks.round_price(listing.price, listing.sz_decimals, 1) == listing.price
        assert listing.market_share + listing.sector_share < 1.0
        assert listing.factor in FACTORS[1:]


def test_default_universe() -> None:
    universe = build_universe(
        DEFAULT_NAMES,
        leverage=dict.fromkeys(DEFAULT_NAMES, 5),
        size_usd=dict.fromkeys(DEFAULT_NAMES, 500.0),
    )
    assert len(universe) == 12
    assert universe.isolated.sum() == 3
    assert universe.pools == ("xyz",)
    fees = dict(zip(universe.names, universe.maker_fee, strict=True))
    assert fees["xyz:TSLA"] == pytest.approx(0.3e-4)
    assert fees["xyz:GOLD"] == pytest.approx(3e-4)


def test_pools_and_isolation_can_be_chosen() -> None:
    names = ("xyz:TSLA", "xyz:NVDA", "xyz:GOLD")
    universe = build_universe(
        names,
        leverage=dict.fromkeys(names, 2),
        size_usd=dict.fromkeys(names, 1.0),
        isolated=("xyz:NVDA",),
        pools=dict(zip(names, ("b", "a", "b"), strict=True)),
    )
    assert universe.pools == ("b", "a")
    assert universe.pool.tolist() == [0, 1, 0]
    assert universe.isolated.tolist() == [False, True, False]


@pytest.mark.parametrize(("name", "leverage"), [("xyz:NOPE", 1), ("xyz:TSLA", 21), ("xyz:TSLA", 0)])
def test_what_cannot_be_traded_is_refused(name: str, leverage: int) -> None:
    with pytest.raises(ValueError, match=name):
        build_universe([name], leverage={name: leverage}, size_usd={name: 1.0})
