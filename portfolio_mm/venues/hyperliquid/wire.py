"""What the venue says of markets, as it says it: names, contexts, books, prints.

Field names are the wire's in snake case; figures stay text until they are used. Keys that are not
listed are skipped, because the venue adds keys without notice.
"""

from __future__ import annotations

from operator import gt, lt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta as Bound

from portfolio_mm.venues.hyperliquid.figures import (
    Figure,
    Millis,
    Number,
    Positive,
    Unsigned,
    number,
)

Side = Literal["B", "A"]
"""Bid or ask; of a print, the aggressor's."""

Leverage = Annotated[int, Bound(ge=1, le=1000)]


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything that arrives."""


class Asset(Wire, frozen=True, kw_only=True):
    """One perpetual; its place in the universe is its number within the dex."""

    name: str
    sz_decimals: Annotated[int, Bound(ge=0, le=6)]
    max_leverage: Leverage
    margin_table_id: int | None = None
    only_isolated: bool = False
    is_delisted: bool = False
    margin_mode: str | None = None  # None or "normal", "noCross", "strictIsolated"
    growth_mode: str | None = None
    deployer_fee_scale: Unsigned | None = None


class Tier(Wire, frozen=True, kw_only=True):
    """Maximum leverage from a notional upwards."""

    lower_bound: Unsigned
    max_leverage: Leverage


class MarginTable(Wire, frozen=True, kw_only=True):
    """Tiers in ascending order of their bounds."""

    margin_tiers: Annotated[tuple[Tier, ...], Bound(min_length=1)]


class Meta(Wire, frozen=True, kw_only=True):
    """The perpetuals of one dex."""

    universe: tuple[Asset, ...]
    margin_tables: tuple[tuple[int, MarginTable], ...] = ()
    collateral_token: int = 0


class PerpDex(Wire, frozen=True, kw_only=True):
    """One builder-deployed dex."""

    name: str
    deployer_fee_scale: Unsigned | None = None
    asset_to_funding_multiplier: tuple[tuple[str, Unsigned], ...] = ()
    asset_to_funding_interest_rate: tuple[tuple[str, Figure], ...] = ()


class Token(Wire, frozen=True, kw_only=True):
    """A spot token."""

    name: str
    index: int
    token_id: str = ""


class SpotMeta(Wire, frozen=True, kw_only=True):
    """The spot tokens; pairs are not traded here."""

    tokens: tuple[Token, ...]


class AssetContext(Wire, frozen=True, kw_only=True):
    """Prices and funding of one perpetual; a thin book leaves some out."""

    funding: Figure
    open_interest: Unsigned
    prev_day_px: Unsigned
    day_ntl_vlm: Unsigned
    oracle_px: Unsigned
    mark_px: Unsigned
    premium: Figure | None = None
    mid_px: Unsigned | None = None
    impact_pxs: tuple[Unsigned, Unsigned] | None = None
    day_base_vlm: Unsigned = "0"


class Level(Wire, frozen=True, kw_only=True):
    """One price level: price, size, number of orders."""

    px: Positive
    sz: Unsigned
    n: int = 0


class Book(Wire, frozen=True, kw_only=True):
    """Bids and asks, best first; other orders are refused."""

    coin: str
    time: Millis
    levels: tuple[tuple[Level, ...], tuple[Level, ...]]

    def __post_init__(self) -> None:
        bids, asks = ([number(level.px) for level in side] for side in self.levels)
        if not (all(map(gt, bids, bids[1:])) and all(map(lt, asks, asks[1:]))):
            raise ValueError("levels are not best first")


class Best(Wire, frozen=True, kw_only=True):
    """Best bid and best ask, None where a side is empty."""

    coin: str
    time: Millis
    bbo: tuple[Level | None, Level | None]


class Trade(Wire, frozen=True, kw_only=True):
    """A public print."""

    coin: str
    side: Side
    px: Positive
    sz: Unsigned
    time: Millis
    tid: Number = 0
    users: tuple[str, ...] = ()  # buyer, seller


class CoinContext(Wire, frozen=True, kw_only=True):
    """The context of one coin."""

    coin: str
    ctx: AssetContext


class Mids(Wire, frozen=True, kw_only=True):
    """Mid prices by coin."""

    mids: dict[str, Figure]
    dex: str | None = None


class AllContexts(Wire, frozen=True, kw_only=True):
    """Contexts of every dex, each in the order of its universe."""

    ctxs: tuple[tuple[str, tuple[AssetContext, ...]], ...]
