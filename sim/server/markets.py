"""What is listed: names, numbers and metadata of every market, as /info shows them.

Places in a deployer's universe that are not listed here are shown as delisted markets, so that the
numbers of the others do not shift.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from portfolio_mm.types import Universe
from sim.market.listing import DEXES, LISTINGS, Listing, dex_table
from sim.server.static import SPOT_PAIRS

FEE_SCALE_TIME = "2025-11-23T17:37:10.033211662"
NEVER = "1970-01-01T00:00:00"
TOP_TABLE = 50
"""Ids of margin tables below this one are the leverage of their only tier."""

OI_SIZE_CAP = 1e9
COLLATERAL = 0
"""Index of the token that every dex here is margined in, USDC."""


class Markets:
    """The markets of one server by name, by the venue's number and by dex."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.coins = universe.names
        self.listings = tuple(LISTINGS[name] for name in universe.names)
        self.index = {name: i for i, name in enumerate(universe.names)}
        self.number = {x.asset_id: i for i, x in enumerate(universe.instruments)}
        self.dexs = tuple(dex.name for dex in DEXES)
        self.tables = {name: self._table(name) for name in self.dexs}
        self.metas = {name: self._meta(name) for name in self.dexs}

    @cached_property
    def silent(self) -> frozenset[str]:
        """Names that are known but do not trade: delisted markets and spot pairs."""
        names = [x["name"] for meta in self.metas.values() for x in meta["universe"]]
        return frozenset([*names, *SPOT_PAIRS]) - frozenset(self.coins)

    def members(self, dex: str) -> list[int]:
        """Return the assets of a dex in its order."""
        return [i for i in self.tables[dex] if i is not None]

    def dex_of(self, asset: int) -> str:
        """Return the name of the dex that lists an asset."""
        return self.universe.dex[asset]

    def describe(self) -> list[dict[str, Any] | None]:
        """Return the list of dexs; the venue's own has no entry."""
        return [None, *(self._describe(name) for name in self.dexs if name)]

    def caps(self, dex: str) -> list[list[str]]:
        """Return the caps on open interest of a dex, USD."""
        assets = self.members(dex)
        return [[self.coins[i], f"{self.listings[i].oi_cap_usd:.1f}"] for i in sorted(assets)]

    def _table(self, dex: str) -> list[int | None]:
        return [self.index.get(x.name) if x is not None else None for x in dex_table(dex)]

    def _meta(self, dex: str) -> dict[str, Any]:
        pairs = zip(dex_table(dex), self.tables[dex], strict=True)
        universe = []
        for place, (listing, asset) in enumerate(pairs):
            entry = _gap(dex, place) if listing is None else _asset(listing)
            universe.append(entry if asset is not None else entry | {"isDelisted": True})
        return {
            "universe": universe,
            "marginTables": [[TOP_TABLE, margin_table(TOP_TABLE)]],
            "collateralToken": COLLATERAL,
        }

    def _describe(self, dex: str) -> dict[str, Any]:
        assets = self.members(dex)
        entry = next(x for x in DEXES if x.name == dex)
        number = self.dexs.index(dex)
        return {
            "name": dex,
            "fullName": entry.full_name,
            "deployer": f"0x{number:040x}",
            "oracleUpdater": None,
            "feeRecipient": f"0x{number:040x}",
            "assetToStreamingOiCap": self.caps(dex),
            "subDeployers": [],
            "assetToFundingMultiplier": [
                [self.coins[i], f"{self.listings[i].funding_multiplier}"] for i in assets
            ],
            "assetToFundingInterestRate": [],
            "assetToFundingClamp": [],
        }


def margin_table(number: int) -> dict[str, Any]:
    """Return a margin table with the one tier its number names."""
    return {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": number}]}


def _asset(listing: Listing) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "szDecimals": listing.sz_decimals,
        "name": listing.name,
        "maxLeverage": listing.max_leverage,
        "marginTableId": listing.max_leverage,
    }
    if not listing.cross:
        entry |= {"onlyIsolated": True, "marginMode": "noCross"}
    if listing.dex_index:
        if listing.growth:
            entry["growthMode"] = "enabled"
        entry["lastFeeScaleChangeTime"] = FEE_SCALE_TIME if listing.growth else NEVER
        entry["deployerFeeScale"] = f"{listing.dex.deployer_scale}"
    return entry


def _gap(dex: str, place: int) -> dict[str, Any]:
    name = f"DELISTED{place}"
    entry: dict[str, Any] = {
        "szDecimals": 2,
        "name": f"{dex}:{name}" if dex else name,
        "maxLeverage": 10,
        "marginTableId": 10,
        "onlyIsolated": True,
        "marginMode": "noCross",
    }
    if dex:
        entry |= {"lastFeeScaleChangeTime": NEVER, "deployerFeeScale": "1.0"}
    return entry
