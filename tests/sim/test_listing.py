"""The table of markets against the recorded universe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portfolio_mm.rules import ticks
from sim.market.listing import (
    DEFAULT_NAMES,
    DEXES,
    FACTORS,
    LISTINGS,
    build_universe,
    dex_table,
    listed_universe,
)

DATA = Path(__file__).parents[3] / "shared" / "data" / "hyperliquid" / "hip3_2026-09-24"
XYZ = [name for name in LISTINGS if name.startswith("xyz:")]
recorded = pytest.mark.skipif(not DATA.exists(), reason="recorded data is not here")


@recorded
def test_facts_are_those_of_the_recorded_universe() -> None:
    universe = json.loads((DATA / "meta_dex_xyz.json").read_text())["universe"]
    for name in XYZ:
        listing = LISTINGS[name]
        fact = universe[listing.number]
        assert fact["name"] == name
        assert fact["szDecimals"] == listing.sz_decimals
        assert fact["maxLeverage"] == listing.max_leverage
        assert fact["marginTableId"] == listing.max_leverage
        assert (fact.get("marginMode") is None) == listing.cross
        assert (fact.get("growthMode") == "enabled") == listing.growth
        assert float(fact["deployerFeeScale"]) == listing.dex.deployer_scale
        assert "isDelisted" not in fact


@recorded
def test_funding_multipliers_and_ids() -> None:
    dexes = {d["name"]: d for d in json.loads((DATA / "perpDexs.json").read_text()) if d}
    for name, listing in LISTINGS.items():
        if listing.dex.name in ("xyz", "para"):
            fact = dexes[listing.dex.name]
            assert fact["fullName"] == listing.dex.full_name
            multipliers = dict(fact["assetToFundingMultiplier"])
            assert float(multipliers[name]) == listing.funding_multiplier
            assert float(dict(fact["assetToStreamingOiCap"])[name]) == listing.oi_cap_usd


def test_asset_ids_count_dexes_and_their_markets() -> None:
    ids = {name: listing.asset_id for name, listing in LISTINGS.items()}
    assert (ids["BTC"], ids["ETH"]) == (0, 1)
    assert (ids["xyz:XYZ100"], ids["xyz:SP500"]) == (110_000, 110_052)
    assert (ids["para:AVGO"], ids["test:ABC"]) == (120_000, 130_000)
    assert len(set(ids.values())) == len(ids)


def test_gaps_keep_their_place() -> None:
    table = dex_table("xyz")
    assert len(table) == 53
    assert sum(listing is not None for listing in table) == 20
    assert all(listing is None or listing.number == n for n, listing in enumerate(table))
    assert next(x.name for x in dex_table("para") if x is not None) == "para:AVGO"


def test_a_new_account_finds_every_market_with_a_pool_per_deployer() -> None:
    universe = listed_universe()
    assert universe.names == tuple(LISTINGS)
    assert universe.pools == tuple(dex.name for dex in DEXES)
    for instrument, dex in zip(universe.instruments, universe.dex, strict=True):
        assert universe.pools[instrument.pool] == dex
        assert instrument.isolated != LISTINGS[instrument.name].cross
        assert instrument.leverage == min(20, LISTINGS[instrument.name].max_leverage)
    some = listed_universe(("para:AVGO", "xyz:TSLA"))
    assert some.names == ("xyz:TSLA", "para:AVGO")
    assert some.pools == universe.pools
    with pytest.raises(ValueError, match="not listed: nope"):
        listed_universe(("nope",))


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
