from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portfolio_mm import config
from portfolio_mm.rules import margin
from portfolio_mm.rules.fees import fee_rates
from portfolio_mm.rules.funding import INTEREST
from portfolio_mm.types import Instrument, MarginTier, OpenOrder, Universe
from portfolio_mm.venues.hyperliquid import balances, markets, parse
from portfolio_mm.venues.hyperliquid.figures import ParseError
from portfolio_mm.venues.hyperliquid.wire import Meta, PerpDex
from portfolio_mm.venues.hyperliquid.wire_account import ClearinghouseState, Mode

DATA = Path(__file__).parents[4] / "shared" / "data" / "hyperliquid"
recorded = pytest.mark.skipif(not DATA.exists(), reason="recorded payloads are not here")

CROSS = {
    *("XYZ100", "TSLA", "NVDA", "GOLD", "META", "AAPL", "MSFT", "GOOGL", "AMZN", "MU", "SNDK"),
    *("SKHX", "SILVER", "CL", "BRENTOIL", "SP500", "DRAM", "SPCX", "SKHY"),
}
STANDARD, UNIFIED = Mode.DEFAULT, Mode.UNIFIED
FEES = parse.USER_FEES('{"userCrossRate":"0.00045","userAddRate":"0.00015"}')
TOKENS = parse.SPOT_META(
    '{"tokens":[{"name":"USDC","index":0},{"name":"USDT0","index":268}],"universe":[]}'
)
MAIN = parse.META(
    json.dumps(
        {
            "universe": [
                {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
                {"name": "ETH", "szDecimals": 4, "maxLeverage": 25, "marginTableId": 25},
                {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10},
            ],
            "marginTables": [
                [
                    56,
                    {
                        "description": "tiered 40x",
                        "marginTiers": [
                            {"lowerBound": "0.0", "maxLeverage": 40},
                            {"lowerBound": "150000000.0", "maxLeverage": 20},
                        ],
                    },
                ]
            ],
            "collateralToken": 0,
        }
    )
)
EMPTY = Meta(universe=())


def venue() -> tuple[tuple[PerpDex | None, ...], tuple[Meta, ...]]:
    folder = DATA / "hip3_2026-09-24"
    dexs = parse.PERP_DEXS((folder / "perpDexs.json").read_bytes())
    recorded_metas = {
        "xyz": parse.META((folder / "meta_dex_xyz.json").read_bytes()),
        "cash": parse.META((folder / "meta_dex_cash.json").read_bytes()),
    }
    metas = tuple(MAIN if dex is None else recorded_metas.get(dex.name, EMPTY) for dex in dexs)
    return dexs, metas


def asset(name: str, leverage: int = 3, **more: Any) -> config.Asset:
    return config.Asset(name=name, leverage=leverage, size_usd=100.0, **more)


def listed(*assets: config.Asset, mode: Mode = STANDARD, fees: Any = FEES) -> Universe:
    dexs, metas = venue()
    return markets.list_universe(
        assets, dexs=dexs, metas=metas, tokens=TOKENS, fees=fees, mode=mode
    )


@recorded
def test_recorded_dex_has_19_cross_and_90_isolated_markets() -> None:
    everything = markets.listings(*venue())
    live = [
        listing
        for name, listing in everything.items()
        if name.startswith("xyz:") and not listing.asset.is_delisted
    ]
    cross = {listing.asset.name.removeprefix("xyz:") for listing in live if listing.cross}
    assert cross == CROSS
    assert [listing.asset.margin_mode for listing in live if not listing.cross] == ["noCross"] * 90
    assert len(everything) - 3 == 124 + len(venue()[1][7].universe)


@recorded
def test_universe_of_two_dexs() -> None:
    run = listed(
        asset("BTC"),
        asset("xyz:NVDA", leverage=20),
        asset("xyz:GOLD", isolated=True),
        asset("xyz:HOOD", isolated_margin_usd=50.0),
        asset("ETH"),
    )
    assert [i.asset_id for i in run.instruments] == [0, 110_002, 110_003, 110_004, 1]
    assert run.pools == ("main", "xyz")
    assert run.pool.tolist() == [0, 1, 1, 1, 0]
    assert run.isolated.tolist() == [False, False, True, True, False]
    assert run.sz_decimals.tolist() == [5, 3, 4, 3, 4]
    assert [t.max_leverage for t in run.instruments[0].tiers] == [40.0, 20.0]
    assert [t.max_leverage for t in run.instruments[1].tiers] == [20.0]
    assert [i.funding_multiplier for i in run.instruments] == [1.0, 0.5, 0.5, 0.5, 1.0]
    assert [i.interest_rate for i in run.instruments] == [INTEREST] * 5

    shared = listed(asset("BTC"), asset("xyz:NVDA"), mode=UNIFIED)
    assert shared.pools == ("USDC",)
    assert shared.pool.tolist() == [0, 0]


@recorded
def test_fees_are_the_accounts_own_scaled_as_the_market_says() -> None:
    main, growth, normal = listed(asset("BTC"), asset("xyz:NVDA"), asset("xyz:GOLD")).instruments
    assert (main.taker_fee, main.maker_fee) == pytest.approx((4.5e-4, 1.5e-4))
    assert (growth.taker_fee, growth.maker_fee) == pytest.approx((0.9e-4, 0.3e-4))
    assert (normal.taker_fee, normal.maker_fee) == pytest.approx((9e-4, 3e-4))
    discounted = parse.USER_FEES('{"userCrossRate":"0.000315","userAddRate":"0.000105"}')
    ours = listed(asset("xyz:NVDA"), fees=discounted).instruments[0]
    rule = fee_rates(staked_hype=200_000.0, deployer_scale=1.0, growth=True)
    assert (ours.taker_fee, ours.maker_fee) == pytest.approx((rule.taker, rule.maker))
    rebate = parse.USER_FEES('{"userCrossRate":"0.00028","userAddRate":"-0.00002"}')
    earned = listed(asset("xyz:NVDA"), asset("xyz:GOLD"), fees=rebate)
    assert earned.maker_fee == pytest.approx([-0.2e-5, -0.2e-4])


@recorded
def test_funding_of_deployed_markets() -> None:
    instrument = listed(asset("xyz:EUR", isolated_margin_usd=1.0)).instruments[0]
    assert instrument.interest_rate == 0.0
    named = parse.PERP_DEXS(
        '[null,{"name":"d","assetToFundingMultiplier":[["COIN1","2.0"]],'
        '"assetToFundingInterestRate":[["d:COIN1","0.0008"]]}]'
    )
    meta = parse.META('{"universe":[{"name":"d:COIN1","szDecimals":1,"maxLeverage":5}]}')
    run = markets.list_universe(
        [asset("d:COIN1")], dexs=named, metas=[MAIN, meta], tokens=TOKENS, fees=FEES, mode=UNIFIED
    )
    (instrument,) = run.instruments
    assert (instrument.funding_multiplier, instrument.interest_rate) == (2.0, 1e-4)
    assert instrument.asset_id == 110_000
    assert instrument.taker_fee == pytest.approx(9e-4)  # a deployer's default doubles the fee


@recorded
def test_complaints_name_the_asset_and_the_reason() -> None:
    _, metas = venue()
    gone = next(a.name for a in metas[1].universe if a.is_delisted)
    with pytest.raises(markets.MarketError) as caught:
        listed(
            asset("xyz:NVDAA"),
            asset("KPEPE"),
            asset(gone),
            asset("xyz:HOOD"),
            asset("ETH", leverage=26),
            asset("BTC"),
        )
    unknown, case, delisted, isolated, leverage = caught.value.complaints
    assert unknown.startswith("xyz:NVDAA: not listed; the nearest names are xyz:NVDA")
    assert case.startswith("KPEPE: not listed; the nearest names are kPEPE")
    assert delisted == f"{gone}: delisted"
    assert isolated == "xyz:HOOD: it can only be isolated, and isolated_margin_usd is 0"
    assert leverage == "ETH: leverage 26 is above the maximum of 25"
    assert str(caught.value).count("; ") >= 4


@pytest.mark.parametrize(
    ("mode", "isolated"), [("noCross", True), ("strictIsolated", True), ("normal", False)]
)
def test_margin_modes_and_other_collateral(mode: str, isolated: bool) -> None:
    row = {"name": "d:X", "szDecimals": 1, "maxLeverage": 5, "marginMode": mode}
    usdc = parse.META(json.dumps({"universe": [row]}))
    other = parse.META(json.dumps({"universe": [row], "collateralToken": 268}))
    odd = parse.META(json.dumps({"universe": [row], "collateralToken": 7}))
    dexs = parse.PERP_DEXS('[null,{"name":"d"}]')

    def universe(meta: Meta) -> Universe:
        return markets.list_universe(
            [asset("d:X", isolated_margin_usd=5.0)],
            dexs=dexs,
            metas=[MAIN, meta],
            tokens=TOKENS,
            fees=FEES,
            mode=STANDARD,
        )

    assert universe(usdc).isolated.tolist() == [isolated]
    with pytest.raises(markets.MarketError, match="d:X: its collateral is USDT0, not USDC"):
        universe(other)
    with pytest.raises(markets.MarketError, match="d:X: its collateral is 7, not USDC"):
        universe(odd)
    with pytest.raises(ParseError, match="1 universes for 2 dexs"):
        markets.listings(dexs, [MAIN])


def test_margin_tables() -> None:
    row = {"name": "X", "szDecimals": 1, "maxLeverage": 5, "marginTableId": 51}
    meta = parse.META(json.dumps({"universe": [row]}))
    with pytest.raises(ParseError, match="X has margin table 51, which is not listed"):
        markets.tiers(meta.universe[0], meta)
    single = parse.META(json.dumps({"universe": [row | {"marginTableId": 3}]}))
    (tier,) = markets.tiers(single.universe[0], single)
    assert (tier.lower_bound, tier.max_leverage) == (0.0, 3.0)


# Balances


def recorded_states() -> list[ClearinghouseState]:
    text = (DATA / "jkorf" / "Endpoints__Futures__Account__GetAccountInfo.txt").read_text()
    path = DATA / "hip3_2026-09-24" / "clearinghouseState_dex_xyz_isolated_short.json"
    return [
        parse.CLEARINGHOUSE_STATE(path.read_bytes()),
        parse.CLEARINGHOUSE_STATE(text[text.index("{") :]),
    ]


def run_of(*names: str, pools: tuple[str, ...] = ("xyz",), leverage: float = 20.0) -> Universe:
    return Universe(
        instruments=tuple(
            Instrument(
                name=name,
                asset_id=place,
                sz_decimals=3,
                tiers=(MarginTier(lower_bound=0.0, max_leverage=leverage),),
                leverage=2,
                isolated=True,
                pool=min(place, len(pools) - 1),
                maker_fee=0.0,
                taker_fee=0.0,
                size_usd=100.0,
            )
            for place, name in enumerate(names)
        ),
        pools=pools,
    )


@recorded
@pytest.mark.parametrize(("which", "coin", "dex"), [(0, "xyz:NVDA", "xyz"), (1, "HYPE", "")])
def test_recorded_accounts_of_the_standard_mode(which: int, coin: str, dex: str) -> None:
    state = recorded_states()[which]
    held = state.asset_positions[0].position
    run = run_of(coin, leverage=float(held.max_leverage))
    read = balances.balances(run, STANDARD, {dex: state}, None, np.array([1.0]))
    assert read.position[0] == float(held.szi)
    assert read.entry_price[0] == float(held.entry_px or 0)
    assert read.isolated_margin[0] == float(held.margin_used)
    assert read.equity[0] == float(state.margin_summary.account_value)
    assert read.position_margin[0] == float(held.margin_used)
    assert read.withdrawable[0] == pytest.approx(read.equity[0] - read.position_margin[0])
    assert read.maintenance[0] == pytest.approx(float(held.position_value) / 2 / held.max_leverage)
    assert read.elsewhere == ()

    cash = np.array([float(state.cross_margin_summary.total_raw_usd)])
    rules = margin.pool_margin(
        cash=cash,
        isolated_cash=np.array([float(held.leverage.raw_usd or 0)]),
        position=read.position,
        mark=read.mark,
        resting=np.zeros((1, 2)),
        leverage=np.array([float(held.leverage.value)]),
        isolated=run.isolated,
        pool=run.pool,
        tiers=margin.tier_table([i.tiers for i in run.instruments]),
    )
    assert read.equity == pytest.approx(rules.equity, abs=1e-6)
    assert read.position_margin == pytest.approx(rules.position_margin, abs=1e-6)
    assert read.maintenance == pytest.approx(rules.maintenance, abs=1e-6)
    assert read.withdrawable == pytest.approx(rules.free, abs=1e-6)
    prices = margin.portfolio_liquidation_prices(
        rules,
        position=read.position,
        mark=read.mark,
        isolated=run.isolated,
        pool=run.pool,
        tiers=margin.tier_table([i.tiers for i in run.instruments]),
    )
    assert prices[0] == pytest.approx(float(held.liquidation_px or 0), rel=1e-9)


@recorded
def test_recorded_balance_of_a_shared_account_is_the_spot_balance() -> None:
    """Equity is the token's total; the dex knows a sixth of it."""
    path = DATA / "jkorf" / "Endpoints__Spot__Account__GetSubAccounts2.txt"
    (account,) = json.loads("\n".join(path.read_text().splitlines()[3:]))
    spot = parse.SPOT_STATE(json.dumps(account["spotState"]))
    (_, there) = account["dexToClearinghouseState"][0]
    there["crossMarginSummary"] = there["marginSummary"]  # the source cut what follows
    there["assetPositions"] = []
    state = parse.CLEARINGHOUSE_STATE(json.dumps(there))
    run = run_of("BTC", pools=("USDC",))
    read = balances.balances(run, Mode.PORTFOLIO, {"": state}, spot, np.array([69_442.5]))
    usdc = spot.balances[0]
    assert read.equity[0] == float(usdc.total) == 894.08996004
    assert read.equity[0] > 6 * float(state.margin_summary.account_value)
    assert read.equity[0] == pytest.approx(
        float(state.margin_summary.account_value) + 746.67710305, abs=1e-6
    )
    assert read.position_margin[0] == pytest.approx(float(usdc.hold), abs=1e-6)
    assert read.withdrawable[0] == pytest.approx(894.08996004 - 140.43677994)
    after = dict(spot.token_to_available_after_maintenance)
    assert read.equity[0] - read.maintenance[0] == pytest.approx(float(after[0]), abs=1e-6)


def state_of(*positions: Any, value: str = "25.9", used: str = "10") -> ClearinghouseState:
    summary = {
        "accountValue": value,
        "totalNtlPos": "0",
        "totalRawUsd": "0",
        "totalMarginUsed": used,
    }
    return parse.CLEARINGHOUSE_STATE(
        json.dumps(
            {
                "marginSummary": summary,
                "crossMarginSummary": summary,
                "crossMaintenanceMarginUsed": "4",
                "withdrawable": "3",
                "assetPositions": [{"type": "oneWay", "position": p} for p in positions],
                "time": 5,
            }
        )
    )


def position(coin: str, szi: str, kind: str = "cross") -> dict[str, Any]:
    return {
        "coin": coin,
        "szi": szi,
        "leverage": {"type": kind, "value": 5},
        "entryPx": "99",
        "positionValue": "200",
        "unrealizedPnl": "0",
        "marginUsed": "40",
        "maxLeverage": 10,
    }


def test_shared_pools_sum_over_dexs_and_standard_pools_do_not() -> None:
    states = {
        "": state_of(position("BTC", "2"), position("DOGE", "-7", "isolated")),
        "xyz": state_of(position("xyz:NVDA", "-4", "isolated"), used="45"),
        "para": state_of(position("para:X", "1"), position("para:Y", "0.0"), used="6"),
    }
    spot = parse.SPOT_STATE(
        '{"balances":[{"coin":"USDC","token":0,"total":"977","hold":"70","entryNtl":"0"}]}'
    )
    marks = np.array([1.0, 2.0, 3.0])
    shared = run_of("BTC", "xyz:NVDA", "xyz:TSLA", pools=("USDC",))
    read = balances.balances(shared, UNIFIED, states, spot, marks)
    assert read.equity.tolist() == [977.0]
    assert read.withdrawable.tolist() == [907.0]
    assert read.position_margin.tolist() == [61.0]
    assert read.maintenance == pytest.approx([12.0 + 200 / 20 + 200 / 40])  # DOGE's own, NVDA's own
    assert read.position.tolist() == [2.0, -4.0, 0.0]
    assert read.mark.tolist() == [100.0, 50.0, 3.0]
    assert read.isolated_margin.tolist() == [0.0, 40.0, 0.0]
    assert read.elsewhere == ("DOGE", "para:X")

    apart = run_of("BTC", "xyz:NVDA", "xyz:TSLA", pools=("main", "xyz"))
    read = balances.balances(apart, STANDARD, states, None, marks)
    assert read.equity.tolist() == [25.9, 25.9]
    assert read.position_margin.tolist() == [10.0, 45.0]
    assert read.withdrawable.tolist() == [3.0, 3.0]
    assert read.elsewhere == ("DOGE",)


def test_what_is_missing_is_never_taken_for_empty() -> None:
    run = run_of("BTC", "xyz:NVDA", pools=("USDC",))
    marks = np.ones(2)
    with pytest.raises(ParseError, match="clearinghouseState: none of xyz"):
        balances.balances(run, UNIFIED, {"": state_of()}, None, marks)
    with pytest.raises(ParseError, match="spotClearinghouseState"):
        balances.balances(run, UNIFIED, {"": state_of(), "xyz": state_of()}, None, marks)
    empty = parse.SPOT_STATE('{"balances":[]}')
    read = balances.balances(run, UNIFIED, {"": state_of(), "xyz": state_of()}, empty, marks)
    assert read.equity.tolist() == [0.0]


def test_resting_orders_reserve_margin_gross() -> None:
    run = run_of("xyz:A", "xyz:B", pools=("xyz", "other"))
    orders = [
        OpenOrder(oid=place, cloid="", asset=asset, side=side, units=10_000, lots=2_000, time_ns=0)
        for place, (asset, side) in enumerate([(0, 0), (0, 1), (1, 0)])
    ]
    assert balances.order_margin(run, orders).tolist() == [20.0, 10.0]  # 20 USD each at 2x
    assert balances.order_margin(run, []).tolist() == [0.0, 0.0]
