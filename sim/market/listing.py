"""The markets of the embedded exchange: recorded facts, and how each one behaves in simulation.

Names, decimals, leverage, margin mode and growth mode of the deployer `xyz` are those of
2026-09-24, as are names, caps and funding multipliers of `para`; prices are those of 2026-05-25.
The rest of `para`, and `test`, are made up. The behaviour columns are plausible magnitudes, not
measurements: volatility on a 24/7 clock, shares of variance that are common, how often takers
come, how deep they reach, how wide and how thick other makers quote.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from portfolio_mm.rules import requests
from portfolio_mm.rules.fees import FeeRates, fee_rates
from portfolio_mm.rules.funding import INTEREST
from portfolio_mm.types import Instrument, MarginTier, Universe


class Dex(NamedTuple):
    """A deployer of markets."""

    name: str
    full_name: str
    deployer_scale: float  # of fees


DEXES = (
    Dex("", "", 0.0),
    Dex("xyz", "XYZ", 1.0),
    Dex("para", "Paragon", 1.0),
    Dex("test", "", 1.0),
)
"""In the order of the venue's list: its own markets come first."""

DEX_INDEX = {dex.name: index for index, dex in enumerate(DEXES)}

DEFAULT_LEVERAGE = 20
"""Of a new account, or the largest there is if that is less."""

FACTORS = ("market", "technology", "semiconductors", "retail", "commodities")


class Listing(NamedTuple):
    """One market."""

    name: str
    number: int  # in its dex's universe
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
    oi_cap_usd: float = math.inf  # of the open interest
    funding_multiplier: float = 1.0

    @property
    def dex_index(self) -> int:
        """Position of its deployer in the venue's list."""
        return DEX_INDEX[self.name.rpartition(":")[0]]

    @property
    def dex(self) -> Dex:
        """Its deployer."""
        return DEXES[self.dex_index]

    @property
    def asset_id(self) -> int:
        """Number of the asset in orders."""
        return self.number + (100_000 + 10_000 * self.dex_index if self.dex_index else 0)

    def fees(self, volume_usd: float = 0.0, staked_hype: float = 0.0) -> FeeRates:
        """Return the fee rates of an account on this market."""
        return fee_rates(
            volume_usd=volume_usd,
            staked_hype=staked_hype,
            deployer_scale=self.dex.deployer_scale,
            growth=self.growth,
        )


_TECH, _SEMI, _RETAIL, _RAW = FACTORS[1:]

_OWN = (
    ("BTC", 0, 5, 40, True, False, 77562.0, 0.40, _RETAIL, 0.20, 0.55, 0.35, 3500, 1.0e-4, 3000),
    ("ETH", 1, 4, 25, True, False, 2123.7, 0.58, _RETAIL, 0.20, 0.50, 0.30, 3000, 1.4e-4, 2500),
    ("SOL", 5, 2, 20, True, False, 86.148, 0.60, _RETAIL, 0.20, 0.45, 0.20, 2200, 2.2e-4, 1500),
    ("HYPE", 159, 2, 10, True, False, 62.685, 0.60, _RETAIL, 0.15, 0.35, 0.20, 2000, 2.4e-4, 1500),
)
_XYZ = (
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

_PARA = (
    ("AVGO", 0, 3, 20, True, True, 425.92, 0.48, _SEMI, 0.35, 0.30, 0.15, 1700, 3.0e-4, 1200),
    ("SMCI", 1, 2, 10, False, True, 60.61, 0.60, _SEMI, 0.25, 0.25, 0.09, 1500, 4.0e-4, 800),
    ("LRCX", 2, 2, 10, True, True, 195.48, 0.50, _SEMI, 0.30, 0.35, 0.10, 1500, 3.6e-4, 1000),
    ("SOFI", 3, 1, 10, False, True, 26.34, 0.60, _RETAIL, 0.25, 0.30, 0.09, 1500, 4.0e-4, 800),
    ("STX", 4, 3, 10, True, True, 311.5, 0.50, _SEMI, 0.25, 0.30, 0.09, 1500, 3.8e-4, 1000),
    ("30Y", 5, 1, 10, False, True, 5.042, 0.18, _RAW, 0.05, 0.10, 0.10, 2000, 4.0e-4, 1000),
)
_TEST = (
    ("ABC", 0, 1, 10, True, False, 2.0, 0.50, _RETAIL, 0.10, 0.10, 0.15, 1500, 4.0e-4, 500),
)  # fmt: skip

_OI_CAPS: Mapping[str, float] = {
    "xyz:XYZ100": 1000e6, "xyz:TSLA": 100e6, "xyz:NVDA": 500e6, "xyz:GOLD": 750e6,
    "xyz:META": 200e6, "xyz:AAPL": 200e6, "xyz:MSFT": 250e6, "xyz:GOOGL": 350e6,
    "xyz:AMZN": 100e6, "xyz:HOOD": 150e6, "xyz:PLTR": 150e6, "xyz:COIN": 50e6,
    "xyz:SP500": 1250e6, "xyz:SILVER": 500e6, "xyz:CL": 1000e6, "xyz:MU": 500e6,
    "xyz:SNDK": 500e6, "xyz:INTC": 350e6, "xyz:AMD": 100e6, "xyz:MSTR": 150e6,
}  # fmt: skip
_OI_CAP = 25e6
"""Of every other deployed market."""

_MULTIPLIERS = {"": 1.0, "xyz": 0.5, "para": 0.6, "test": 1.0, "para:30Y": 0.1}


def _listings() -> Iterator[Listing]:
    for dex, table in zip(DEXES, (_OWN, _XYZ, _PARA, _TEST), strict=True):
        for row in table:
            name = f"{dex.name}:{row[0]}" if dex.name else row[0]
            yield Listing(*row)._replace(
                name=name,
                oi_cap_usd=_OI_CAPS.get(name, _OI_CAP) if dex.name else math.inf,
                funding_multiplier=_MULTIPLIERS.get(name, _MULTIPLIERS[dex.name]),
            )


LISTINGS: Mapping[str, Listing] = {listing.name: listing for listing in _listings()}
"""Every market by its full name."""

DEFAULT_NAMES = tuple(name for name in LISTINGS if name.startswith("xyz:"))[:12]
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
        Collateral pool of each name; by default that of its deployer.
    volume_usd, staked_hype
        What the account's fee tier follows from.

    Raises
    ------
    ValueError
        When a market is not listed or a leverage is not allowed.
    """
    _require_listed(names)
    pool_names = [LISTINGS[name].dex.name if pools is None else pools[name] for name in names]
    ordered = tuple(dict.fromkeys(pool_names))
    instruments = []
    for name, pool in zip(names, pool_names, strict=True):
        listing = LISTINGS[name]
        if not 1 <= leverage[name] <= listing.max_leverage:
            raise ValueError(
                f"{name}: leverage {leverage[name]} is not in 1..{listing.max_leverage}"
            )
        instruments.append(
            _instrument(
                listing,
                leverage=leverage[name],
                isolated=not listing.cross or name in isolated,
                pool=ordered.index(pool),
                fees=listing.fees(volume_usd, staked_hype),
                size_usd=size_usd[name],
            )
        )
    return Universe(instruments=tuple(instruments), pools=ordered)


def listed_universe(names: Sequence[str] = ()) -> Universe:
    """Return markets as a new account finds them, by default all of them.

    Pools are the deployers, in the order of `DEXES`.

    Raises
    ------
    ValueError
        When a market is not listed.
    """
    _require_listed(names)
    instruments = tuple(
        _instrument(
            listing,
            leverage=min(DEFAULT_LEVERAGE, listing.max_leverage),
            isolated=not listing.cross,
            pool=listing.dex_index,
            fees=listing.fees(),
            size_usd=listing.taker_usd,
        )
        for listing in LISTINGS.values()
        if not names or listing.name in names
    )
    return Universe(instruments=instruments, pools=tuple(dex.name for dex in DEXES))


def dex_table(dex: str) -> list[Listing | None]:
    """Return the universe of a deployer by index; where nothing is listed any more, None."""
    own = {x.number: x for x in LISTINGS.values() if x.dex.name == dex}
    return [own.get(number) for number in range(max(own) + 1)]


def _require_listed(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in LISTINGS]
    if unknown:
        raise ValueError(f"not listed: {', '.join(unknown)}; listed are {', '.join(LISTINGS)}")


def _instrument(
    listing: Listing, *, leverage: int, isolated: bool, pool: int, fees: FeeRates, size_usd: float
) -> Instrument:
    return Instrument(
        name=listing.name,
        asset_id=listing.asset_id,
        sz_decimals=listing.sz_decimals,
        tiers=(MarginTier(lower_bound=0.0, max_leverage=float(listing.max_leverage)),),
        leverage=leverage,
        isolated=isolated,
        pool=pool,
        maker_fee=fees.maker,
        taker_fee=fees.taker,
        size_usd=size_usd,
        funding_multiplier=listing.funding_multiplier,
        interest_rate=INTEREST,
        requests_per_usd=requests.per_usd(listing.growth),
    )
