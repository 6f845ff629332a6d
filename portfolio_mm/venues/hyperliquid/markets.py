"""The universe of a run, from what the venue says of its markets and of the account.

Assets of dex d (0 is the venue's own) are numbered by their place i in its universe: i itself for
d = 0, and 100000 + 10000 d + i otherwise. Margin is drawn from one pool per dex in the standard
account mode, and from one pool per collateral token in the shared modes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from portfolio_mm import config
from portfolio_mm.rules import requests
from portfolio_mm.rules.fees import FeeRates, fee_rates
from portfolio_mm.rules.funding import HOURS, INTEREST
from portfolio_mm.types import Instrument, MarginTier, Universe
from portfolio_mm.venues.hyperliquid.figures import ParseError, number
from portfolio_mm.venues.hyperliquid.wire import Asset, Meta, PerpDex, SpotMeta
from portfolio_mm.venues.hyperliquid.wire_account import Mode, UserFees

COLLATERAL = "USDC"
"""The token every figure of the engine is in."""

MAIN_POOL = "main"
"""Name of the pool of the venue's own markets."""

LISTED_TABLES = 50
"""Margin tables from here on are listed; below, the number is the leverage of a single tier."""

_DEPLOYED_SCALE = "1.0"
"""Fee scale of a deployed market whose dex states none: half of the fee is the deployer's."""


class MarketError(ValueError):
    """Assets that cannot be traded as they were asked for, each with its reason."""

    def __init__(self, complaints: Sequence[str]) -> None:
        super().__init__("; ".join(complaints))
        self.complaints = tuple(complaints)


class Listing(NamedTuple):
    """A perpetual and where it is listed."""

    asset: Asset
    asset_id: int
    dex: PerpDex | None  # None for the venue's own
    meta: Meta

    @property
    def cross(self) -> bool:
        """Whether it may share margin."""
        return self.asset.margin_mode in {None, "normal"} and not self.asset.only_isolated


def asset_id(dex: int, place: int) -> int:
    """Return the number of an asset in orders."""
    return place if dex == 0 else 100_000 + 10_000 * dex + place


def listings(dexs: Sequence[PerpDex | None], metas: Sequence[Meta]) -> dict[str, Listing]:
    """Return every perpetual by its name.

    Parameters
    ----------
    dexs
        In the venue's order; None is the venue's own.
    metas
        Of each of them.

    Raises
    ------
    ParseError
        When there are not as many of one as of the other.
    """
    if len(dexs) != len(metas):
        raise ParseError(f"allPerpMetas: {len(metas)} universes for {len(dexs)} dexs")
    return {
        asset.name: Listing(asset, asset_id(number_of_dex, place), dex, meta)
        for number_of_dex, (dex, meta) in enumerate(zip(dexs, metas, strict=True))
        for place, asset in enumerate(meta.universe)
    }


def list_universe(
    assets: Sequence[config.Asset],
    *,
    dexs: Sequence[PerpDex | None],
    metas: Sequence[Meta],
    tokens: SpotMeta,
    fees: UserFees,
    mode: Mode,
) -> Universe:
    """Return the instruments of a run and the pools that margin them.

    Parameters
    ----------
    assets
        What to quote, in index order.
    dexs, metas
        All dexes and their perpetuals, in the venue's order.
    tokens
        Names of collateral tokens.
    fees
        Rates of the account.
    mode
        Of the account.

    Raises
    ------
    MarketError
        When an asset cannot be traded; it names all of them.
    ParseError
        When the venue's answers do not fit one another.
    """
    listed = listings(dexs, metas)
    names = {token.index: token.name for token in tokens.tokens}
    complaints = []
    for asset in assets:
        why = _refusal(asset, listed, names)
        if why:
            complaints.append(f"{asset.name}: {why}")
    if complaints:
        raise MarketError(complaints)
    pool_of = [_pool(listed[asset.name], mode) for asset in assets]
    pools = tuple(dict.fromkeys(pool_of))
    return Universe(
        instruments=tuple(
            _instrument(asset, listed[asset.name], pools.index(pool), fees)
            for asset, pool in zip(assets, pool_of, strict=True)
        ),
        pools=pools,
    )


def _refusal(asset: config.Asset, listed: Mapping[str, Listing], tokens: Mapping[int, str]) -> str:
    """Return why an asset cannot be traded as asked, empty where it can."""
    listing = listed.get(asset.name)
    if listing is None:
        near = get_close_matches(asset.name, listed, n=3, cutoff=0.5)
        return "not listed" + (f"; the nearest names are {', '.join(near)}" if near else "")
    facts = listing.asset
    if facts.is_delisted:
        return "delisted"
    collateral = tokens.get(listing.meta.collateral_token, str(listing.meta.collateral_token))
    if collateral != COLLATERAL:
        return f"its collateral is {collateral}, not {COLLATERAL}"
    if asset.leverage > facts.max_leverage:
        return f"leverage {asset.leverage} is above the maximum of {facts.max_leverage}"
    if not listing.cross and not asset.isolated_margin_usd:
        return "it can only be isolated, and isolated_margin_usd is 0"
    return ""


def _pool(listing: Listing, mode: Mode) -> str:
    if mode.shared:
        return COLLATERAL
    return MAIN_POOL if listing.dex is None else listing.dex.name


def _instrument(asset: config.Asset, listing: Listing, pool: int, fees: UserFees) -> Instrument:
    multiplier, interest = _funding(listing)
    rates = _fees(listing, fees)
    return Instrument(
        name=asset.name,
        asset_id=listing.asset_id,
        sz_decimals=listing.asset.sz_decimals,
        tiers=tiers(listing.asset, listing.meta),
        leverage=asset.leverage,
        isolated=asset.isolated or not listing.cross,
        pool=pool,
        maker_fee=rates.maker,
        taker_fee=rates.taker,
        size_usd=asset.size_usd,
        funding_multiplier=multiplier,
        interest_rate=interest,
        requests_per_usd=requests.per_usd(_grows(listing)),
    )


def _grows(listing: Listing) -> bool:
    """Tell whether a market is in growth mode."""
    return listing.asset.growth_mode == "enabled"


def tiers(asset: Asset, meta: Meta) -> tuple[MarginTier, ...]:
    """Return the margin tiers of an asset.

    Raises
    ------
    ParseError
        When the venue does not list the table it refers to.
    """
    table = asset.margin_table_id
    if table is None or table < LISTED_TABLES:
        return (MarginTier(lower_bound=0.0, max_leverage=float(table or asset.max_leverage)),)
    for identity, listed in meta.margin_tables:
        if identity == table:
            return tuple(
                MarginTier(
                    lower_bound=number(tier.lower_bound), max_leverage=float(tier.max_leverage)
                )
                for tier in listed.margin_tiers
            )
    raise ParseError(f"meta: {asset.name} has margin table {table}, which is not listed")


def _funding(listing: Listing) -> tuple[float, float]:
    """Return the multiplier of the funding rate, and the hourly interest rate."""
    if listing.dex is None:
        return 1.0, INTEREST
    coin = listing.asset.name
    names = (coin, coin.rpartition(":")[2])
    multipliers = dict(listing.dex.asset_to_funding_multiplier)
    interests = dict(listing.dex.asset_to_funding_interest_rate)
    return (
        next((number(multipliers[name]) for name in names if name in multipliers), 1.0),
        next((number(interests[name]) / HOURS for name in names if name in interests), INTEREST),
    )


def _fees(listing: Listing, fees: UserFees) -> FeeRates:
    """Return the account's rates on a market: its own rates, scaled as any account's are."""
    taker, maker = number(fees.user_cross_rate), number(fees.user_add_rate)
    if listing.dex is None:
        scale = 0.0
    else:
        stated = listing.asset.deployer_fee_scale or listing.dex.deployer_fee_scale
        scale = number(stated or _DEPLOYED_SCALE)
    growth = _grows(listing)
    share = 1.0 if maker < 0.0 else 0.0
    base = fee_rates(maker_share=share)
    here = fee_rates(maker_share=share, deployer_scale=scale, growth=growth)
    return FeeRates(taker=taker * here.taker / base.taker, maker=maker * here.maker / base.maker)
