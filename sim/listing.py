"""The markets of the embedded exchange: recorded facts, and how each one behaves in simulation.

Names, decimals, leverage, margin mode and growth mode are those of the deployer `xyz` on
2026-09-24, prices those of 2026-05-25. The behaviour columns are plausible magnitudes, not
measurements: volatility on a 24/7 clock, shares of variance that are common, how often takers
come, how deep they reach, how wide and how thick other makers quote.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from portfolio_mm.rules.fees import FeeRates, fee_rates
from portfolio_mm.rules.funding import INTEREST
from portfolio_mm.types import Instrument, MarginTier, Universe

DEX = "xyz"
DEX_INDEX = 1
"""Position of the deployer in the venue's list; the venue's own markets are 0."""

DEPLOYER_SCALE = 1.0
FUNDING_MULTIPLIER = 0.5
FACTORS = ("market", "technology", "semiconductors", "retail", "commodities")


class Listing(NamedTuple):
    """One market."""

    name: str
    number: int  # in the deployer's universe
    sz_decimals: int
    max_leverage: int
    cross: bool  # else the asset can only be isolated
    growth: bool
    price: float  # USD
    volatility: float  # per square root of a year
    factor: str  # the sector, one of FACTORS
    market_share: float  # share of variance from the market factor
    sector_share: float  # and from the sector
    arrival: float  # noise takers per second and side
    decay: float  # kappa, 1/fraction: takers reach Exp(kappa) from fair value
    half_spread: float  # of the tightest other maker, fraction
    taker_usd: float  # median size of a taker

    @property
    def asset_id(self) -> int:
        """Number of the asset in orders."""
        return 100_000 + 10_000 * DEX_INDEX + self.number

    def fees(self, volume_usd: float = 0.0, staked_hype: float = 0.0) -> FeeRates:
        """Return the fee rates of an account on this market."""
        return fee_rates(
            volume_usd=volume_usd,
            staked_hype=staked_hype,
            deployer_scale=DEPLOYER_SCALE,
            growth=self.growth,
        )


_TECH, _SEMI, _RETAIL, _RAW = FACTORS[1:]

_TABLE = (
    ("XYZ100", 0, 4, 30, True, True, 29855.0, 0.22, _TECH, 0.80, 0.10, 0.30, 3500, 1.4e-4, 2500),
    ("TSLA", 1, 3, 20, True, True, 433.64, 0.55, _TECH, 0.25, 0.10, 0.20, 1800, 2.6e-4, 1500),
    ("NVDA", 2, 3, 20, True, True, 221.34, 0.45, _SEMI, 0.35, 0.25, 0.25, 2200, 2.2e-4, 2000),
    ("GOLD", 3, 4, 25, True, False, 4569.6, 0.20, _RAW, 0.02, 0.50, 0.15, 1500, 4.0e-4, 2500),
    ("META", 8, 3, 20, True, True, 616.92, 0.35, _TECH, 0.35, 0.20, 0.10, 1600, 3.2e-4, 1200),
    ("AAPL", 9, 3, 20, True, True, 311.62, 0.28, _TECH, 0.40, 0.15, 0.11, 1800, 3.0e-4, 1200),
    ("MSFT", 10, 3, 20, True, True, 422.6, 0.26, _TECH, 0.40, 0.20, 0.10, 1800, 3.0e-4, 1200),
    ("GOOGL", 12, 3, 20, True, True, 388.85, 0.32, _TECH, 0.35, 0.20, 0.12, 1700, 3.0e-4, 1300),
    ("AMZN", 13, 3, 20, True, True, 270.42, 0.34, _TECH, 0.35, 0.20, 0.10, 1700, 3.0e-4, 1200),
    ("HOOD", 4, 3, 10, False, True, 75.721, 0.60, _RETAIL, 0.25, 0.30, 0.09, 1500, 4.0e-4, 800),
    ("PLTR", 6, 3, 10, False, True, 139.93, 0.58, _RETAIL, 0.25, 0.20, 0.09, 1500, 3.8e-4, 800),
    ("COIN", 7, 3, 10, False, True, 191.08, 0.60, _RETAIL, 0.25, 0.35, 0.09, 1500, 4.0e-4, 800),
    ("SP500", 52, 3, 50, True, True, 7542.4, 0.16, _TECH, 0.85, 0.02, 0.30, 3500, 1.4e-4, 2500),
    ("SILVER", 26, 2, 25, True, True, 77.806, 0.40, _RAW, 0.05, 0.50, 0.25, 2200, 2.2e-4, 2000),
    ("CL", 29, 3, 20, True, True, 91.052, 0.40, _RAW, 0.02, 0.10, 0.25, 2200, 2.2e-4, 2000),
    ("MU", 15, 3, 10, True, True, 797.25, 0.58, _SEMI, 0.30, 0.35, 0.15, 1600, 3.6e-4, 1500),
    ("SNDK", 16, 3, 10, True, True, 1546.0, 0.60, _SEMI, 0.25, 0.35, 0.12, 1500, 3.8e-4, 1500),
    ("INTC", 5, 2, 10, False, True, 124.0, 0.50, _SEMI, 0.25, 0.25, 0.10, 1500, 3.8e-4, 1000),
    ("AMD", 14, 3, 10, False, True, 478.63, 0.52, _SEMI, 0.30, 0.35, 0.10, 1500, 3.8e-4, 1000),
    ("MSTR", 17, 3, 10, False, False, 165.1, 0.60, _RETAIL, 0.25, 0.35, 0.09, 1500, 4.0e-4, 1000),
)

LISTINGS: Mapping[str, Listing] = {
    listing.name: listing
    for listing in (Listing(*row)._replace(name=f"{DEX}:{row[0]}") for row in _TABLE)
}
"""Every market by its full name."""

DEFAULT_NAMES = tuple(LISTINGS)[:12]
"""Nine markets that share cross margin and three that are isolated."""


def build_universe(
    names: Sequence[str],
    *,
    leverage: Mapping[str, int],
    size_usd: Mapping[str, float],
    isolated: Collection[str] = (),
    pools: Mapping[str, str] | None = None,
    volume_usd: float = 0.0,
    staked_hype: float = 0.0,
) -> Universe:
    """Return the instruments of a run.

    Parameters
    ----------
    names
        Full names of markets, in index order.
    leverage, size_usd
        Chosen leverage and reference fill size of each name.
    isolated
        Names to isolate beyond those that can only be isolated.
    pools
        Collateral pool of each name; by default one, named after the deployer.
    volume_usd, staked_hype
        What the account's fee tier follows from.

    Raises
    ------
    ValueError
        When a market is not listed or a leverage is not allowed.
    """
    unknown = [name for name in names if name not in LISTINGS]
    if unknown:
        raise ValueError(f"not listed: {', '.join(unknown)}; listed are {', '.join(LISTINGS)}")
    pool_names = [DEX if pools is None else pools[name] for name in names]
    ordered = tuple(dict.fromkeys(pool_names))
    instruments = []
    for name, pool in zip(names, pool_names, strict=True):
        listing = LISTINGS[name]
        if not 1 <= leverage[name] <= listing.max_leverage:
            raise ValueError(
                f"{name}: leverage {leverage[name]} is not in 1..{listing.max_leverage}"
            )
        fees = listing.fees(volume_usd, staked_hype)
        instruments.append(
            Instrument(
                name=name,
                asset_id=listing.asset_id,
                sz_decimals=listing.sz_decimals,
                tiers=(MarginTier(lower_bound=0.0, max_leverage=float(listing.max_leverage)),),
                leverage=leverage[name],
                isolated=not listing.cross or name in isolated,
                pool=ordered.index(pool),
                maker_fee=fees.maker,
                taker_fee=fees.taker,
                size_usd=size_usd[name],
                funding_multiplier=FUNDING_MULTIPLIER,
                interest_rate=INTEREST,
            )
        )
    return Universe(instruments=tuple(instruments), pools=ordered)
